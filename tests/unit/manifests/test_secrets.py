"""Secrets: shape, addresses that lead to the right shard, and how long each one lives."""

import base64
from typing import Any

import pytest

from covet.api import spec
from covet.manifests import certificates, metadata, secrets
from tests.unit.manifests import samples

KEEP = spec.VolumeFate.KEEP
DELETE = spec.VolumeFate.DELETE
ISSUED = certificates.Issued("certificate", "key", "trust")


def user(shards: tuple[str, ...] = ("s0",), volumes: spec.VolumeFate = KEEP, **fields: str) -> dict[str, Any]:
    """Return the Secret of user app."""
    values = {"database": "app", "username": "app", "password": "p", "trust": "PEM", **fields}
    return secrets.user(
        samples.CLUSTER,
        database=values["database"],
        username=values["username"],
        password=values["password"],
        trust=values["trust"],
        shards=shards,
        volumes=volumes,
    )


def test_a_cluster_of_one_shard_is_one_address() -> None:
    """The Secret has the keys of the Service Binding specification, so that frameworks read it."""
    made = user()
    assert ("shop-app", "servicebinding.io/postgresql") == (made["metadata"]["name"], made["type"])
    assert {
        "type": "postgresql",
        "provider": "covet",
        "host": "shop-s0-rw.store.svc",
        "port": "5432",
        "database": "app",
        "username": "app",
        "password": "p",
        "uri": "postgresql://app:p@shop-s0-rw.store.svc:5432/app?sslmode=require",
        "ca.crt": "PEM",
    } == secrets.values_of(made)


def test_no_shard_is_passed_off_as_the_whole_database() -> None:
    """With several shards each has its address under its name, and there is no `host` to take by mistake."""
    values = secrets.values_of(user(("s0", "s1")))
    assert {"host-s0", "uri-s0", "host-s1", "uri-s1"} == {key for key in values if key.startswith(("host", "uri"))}
    assert "shop-s1-rw.store.svc" == values["host-s1"]
    assert "@shop-s1-rw.store.svc:" in values["uri-s1"]


def test_512_shards_fit_into_a_secret() -> None:
    """An object of Kubernetes may have 1 MiB."""
    made = user(tuple(f"s{index}" for index in range(512)), password="x" * 32)
    assert 1 << 20 > sum(len(key) + len(value) for key, value in made["data"].items())


def test_a_password_with_odd_characters_survives_the_address() -> None:
    """Slash, at sign and colon would otherwise end the password early."""
    assert "postgresql://app:p%2F%40%3A@h:5432/app?sslmode=require" == secrets.uri("h", "app", "app", "p/@:")


def test_an_owner_with_an_underscore_has_a_secret_of_its_own() -> None:
    """User eu_app of shop and user app of shop-eu never share a Secret."""
    assert "shop-eu.app" == user(username="eu_app")["metadata"]["name"]


def test_certificates_are_stored_as_kubernetes_names_them() -> None:
    """Mounted as a folder they are ca.crt, tls.crt and tls.key."""
    made = secrets.instance_certificate(samples.CLUSTER, "s0", "shop-s0-a", ISSUED)
    assert ("shop-s0-a-tls", "kubernetes.io/tls") == (made["metadata"]["name"], made["type"])
    assert {"tls.crt": "certificate", "tls.key": "key", "ca.crt": "trust"} == secrets.values_of(made)
    operator = secrets.operator_certificate(samples.CLUSTER, ISSUED)
    assert "shop-operator-tls" == operator["metadata"]["name"]
    assert secrets.values_of(made) == secrets.values_of(operator)


def test_authority_and_password_stay_with_the_volumes() -> None:
    """Data that is kept is worth nothing without the password that opens it."""
    authority = certificates.Authority("certificate", "key")
    for kept in (user(), secrets.authority(samples.CLUSTER, authority, KEEP)):
        assert "ownerReferences" not in kept["metadata"]
    for gone in (user(volumes=DELETE), secrets.authority(samples.CLUSTER, authority, DELETE)):
        assert [metadata.owner(samples.CLUSTER)] == gone["metadata"]["ownerReferences"]
    issued = secrets.instance_certificate(samples.CLUSTER, "s0", "shop-s0-a", ISSUED)
    assert [metadata.owner(samples.CLUSTER)] == issued["metadata"]["ownerReferences"]


def test_a_secret_without_data_has_no_values() -> None:
    """Somebody may have emptied it."""
    assert {} == secrets.values_of({"data": None})
    assert {} == secrets.values_of({})


@pytest.mark.parametrize("value", ["%%%", base64.b64encode(b"\xff\xfe").decode()])
def test_a_secret_that_cannot_be_read_is_told(value: str) -> None:
    """Broken base64 or binary text is an error of the object, not an empty password."""
    with pytest.raises(ValueError, match=r"."):
        secrets.values_of({"data": {"password": value}})


def test_a_secret_whose_data_is_no_mapping_is_told() -> None:
    """Only an object of another kind looks like this."""
    with pytest.raises(TypeError, match="mapping"):
        secrets.values_of({"data": ["password"]})
