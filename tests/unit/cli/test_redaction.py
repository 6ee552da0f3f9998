"""What leaves a cluster carries no secret, wherever one was hidden."""

import json

import pytest

from covet.cli import redaction

KEY = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg7mP0"
PEM = f"-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----\n"
CODED = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JR0hBZ0VBTUJNR0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSEJHMHdhd0lCQVFRZzdtUDAK"
HIDDEN = {
    "a key": (f"before {PEM} after", KEY),
    "a key within JSON": (json.dumps({"msg": f"read {PEM}"}), KEY),
    "a key whose end was cut off": (f"-----BEGIN EC PRIVATE KEY-----\n{KEY}", KEY),
    "a key as a Secret holds it": (f"tls.key: {CODED}", CODED[20:60]),
    "an address": ("postgresql://app:hunter2@shop-s0-rw:5432/app", "hunter2"),
    "an address with odd characters": ("postgresql://app:hun@ter/2@shop-s0-rw/app", "ter/2"),
    "a login within JSON": (json.dumps({"dsn": "host=shop user=app password=hunter2 sslmode=require"}), "hunter2"),
    "a quoted password": ("user=app password='hun ter''2' host=x", "ter''2"),
    "a field": ('{"password": "hunter2", "user": "app"}', "hunter2"),
    "a field within a field": (json.dumps({"msg": json.dumps({"password": "hunter2", "a": 1})}), "hunter2"),
    "a variable": ("PGPASSWORD=hunter2 psql", "hunter2"),
    "a variable as YAML": ("- AWS_SECRET_ACCESS_KEY: hunter2\n", "hunter2"),
    "a statement": ("ALTER ROLE app PASSWORD 'hunter2';", "hunter2"),
    "a statement within JSON": (json.dumps({"msg": 'ERROR: ALTER ROLE "app" PASSWORD \'hun"ter2\''}), "ter2"),
    "a statement in dollars": ("ALTER ROLE app PASSWORD $a$hunter2$a$", "hunter2"),
    "a verifier": ("'SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy'", "c3RvcmVk"),
    "an old verifier": ("md5" + "0a" * 16, "0a0a0a"),
    "a token": ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
    "a service account's token": ("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.c2lnbmF0dXJl", "eyJpc3Mi"),
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_a_secret_in_text_is_gone(kind: str) -> None:
    """And that something was there can be seen."""
    text, secret = HIDDEN[kind]
    assert secret in text
    assert secret not in redaction.text(text)
    assert redaction.GONE in redaction.text(text)


@pytest.mark.parametrize(
    "text",
    [
        'FATAL:  password authentication failed for user "app"',
        "image: registry.example:5000/covet-postgres@sha256:" + "0a" * 32,
        "secretName: shop-s0-a-tls",
        "password_encryption = scram-sha-256",
        '{"msg": "Certificate loaded.", "instance": "shop-s0-a", "term": 7}',
        "https://docs.example/page#anchor",
        "2026-11-23T08:00:00Z shop-s0-a leads in term 7",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """A report from which everything is gone helps nobody."""
    assert text == redaction.text(text)


def test_fields_and_variables_that_are_named_like_secrets() -> None:
    """By their names, whatever their values look like."""
    container = {"env": [{"name": "API_TOKEN", "value": "x"}, {"name": "COVET_LOG", "value": "json"}], "name": "app"}
    found = redaction.manifest({"spec": {"containers": [container]}, "primary_conninfo": "x", "tls.key": "x"})
    assert {
        "spec": {
            "containers": [
                {
                    "env": [{"name": "API_TOKEN", "value": redaction.GONE}, {"name": "COVET_LOG", "value": "json"}],
                    "name": "app",
                }
            ]
        },
        "primary_conninfo": redaction.GONE,
        "tls.key": redaction.GONE,
    } == found


def test_a_secret_loses_its_data_wherever_it_stands() -> None:
    """Also as part of a list, and as text in the annotation that kubectl leaves."""
    secret = {"kind": "Secret", "metadata": {"name": "a"}, "data": {"x": "eA=="}, "stringData": {"x": "y"}}
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "x", "team": "shop"}
    found = redaction.manifest({"items": [secret], "metadata": {"annotations": annotations}})
    assert {
        "items": [{"kind": "Secret", "metadata": {"name": "a"}, "data": redaction.GONE}],
        "metadata": {"annotations": {"team": "shop"}},
    } == found


def test_what_selects_and_tolerates_stays() -> None:
    """Its `key` is none that opens anything."""
    spec = {"tolerations": [{"key": "dedicated", "value": "db"}], "topologyKey": "kubernetes.io/hostname"}
    assert spec == redaction.manifest(spec)


@pytest.mark.parametrize("text", ["a" * 1_000_000, "://" + "a:" * 300_000, "-----BEGIN " * 50_000, "password" * 50_000])
def test_a_long_word_is_no_burden(text: str) -> None:
    """A search that took the square of its length would never end here."""
    assert text == redaction.text(text)
