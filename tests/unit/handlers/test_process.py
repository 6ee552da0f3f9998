"""Settings, logs and the command line."""

import dataclasses
import datetime as dt
import json
import logging
from pathlib import Path

import aiohttp
import prometheus_client
import pytest

from covet import __main__ as command
from covet.core import settings
from covet.core.errors import SpecError
from covet.core.settings import Settings
from covet.handlers import health, logs, wiring
from covet.handlers.health import Health, Verdict


def test_settings_are_read_from_the_environment() -> None:
    """Every variable has its place."""
    found = settings.from_environ(
        {
            "COVET_NAMESPACE": "system",
            "COVET_POD_NAME": "pod-1",
            "COVET_WATCH_NAMESPACES": "a, b",
            "COVET_POSTGRES_IMAGES": '{"15": "image"}',
            "COVET_IMAGE_PULL_POLICY": "Always",
            "COVET_IMAGE_PULL_SECRETS": "one,two",
            "COVET_LOG": "text",
            "COVET_HEALTH_PORT": "9000",
            "COVET_LEASE": "canary",
            "COVET_CERTIFICATE_LIFETIME": "36h",
            "COVET_AUTHORITY_LIFETIME": "365d",
        }
    )
    expected = Settings(
        "system", "pod-1", ("a", "b"), {"15": "image"}, "Always", ("one", "two"), "text", 9000, "canary"
    )
    certificate, authority = dt.timedelta(hours=36), dt.timedelta(days=365)
    assert dataclasses.replace(expected, certificate_lifetime=certificate, authority_lifetime=authority) == found


def test_an_empty_environment_has_defaults() -> None:
    """Nothing has to be set."""
    assert Settings() == settings.from_environ({})


@pytest.mark.parametrize(
    "environ",
    [
        {"COVET_POSTGRES_IMAGES": "{"},
        {"COVET_POSTGRES_IMAGES": '{"15": 3}'},
        {"COVET_HEALTH_PORT": "many"},
        {"COVET_HEALTH_PORT": "70000"},
        {"COVET_CERTIFICATE_LIFETIME": "90"},
        {"COVET_CERTIFICATE_LIFETIME": "9m"},
        {"COVET_CERTIFICATE_LIFETIME": "2000d"},
        {"COVET_AUTHORITY_LIFETIME": "200d"},
        {"COVET_AUTHORITY_LIFETIME": "40000d"},
    ],
)
def test_a_bad_setting_is_named(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the variable, and the process ends with code 2 instead of a trace."""
    (name,) = environ
    with pytest.raises(SpecError, match=name):
        settings.from_environ(environ)
    monkeypatch.setenv(name, environ[name])
    assert 2 == command.main([])
    assert name in capsys.readouterr().err


def test_a_missing_kubeconfig_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong path ends the process with a sentence."""
    assert 2 == command.main(["--kubeconfig", str(tmp_path / "none"), "--health-port", "0", "--log", "text"])
    assert "none" in capsys.readouterr().err


def test_a_log_line_is_one_object() -> None:
    """Fields of `extra` stand beside the sentence; empty ones are left out."""
    record = logging.makeLogRecord({"msg": "opened", "levelname": "INFO", "shard": "s0", "instance": None, "next": []})
    found = json.loads(logs.JsonFormatter().format(record))
    assert ("opened", "info", "s0") == (found["msg"], found["level"], found["shard"])
    assert not {"instance", "next", "taskName"} & set(found)


def test_a_trace_stays_in_its_line() -> None:
    """An error is one line as well."""
    try:
        raise ValueError("odd")  # noqa: TRY301 -- a trace is needed
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": (type(error), error, error.__traceback__)})
    line = logs.JsonFormatter().format(record)
    assert "ValueError: odd" in json.loads(line)["trace"]
    assert "\n" not in line


def test_text_is_for_people() -> None:
    """The sentence first, then the fields."""
    record = logging.makeLogRecord({"msg": "opened", "shard": "s0"})
    assert "opened  shard=s0" == logs.TextFormatter("%(message)s").format(record)


class FakeTime:
    """Seconds that move when told to."""

    now = 0.0

    def __call__(self) -> float:
        """Return them."""
        return self.now


async def test_a_loop_that_stands_still_is_not_alive() -> None:
    """Without a tick for a quarter of a minute the process should be ended."""
    time = FakeTime()
    good = Verdict(good=True, message="good")
    subject = Health(prometheus_client.CollectorRegistry(), lambda: good, lambda: good, lambda: None, time)
    assert subject.alive().good
    time.now += health.TICK_LIMIT + 1
    assert not subject.alive().good


async def test_health_answers_over_http() -> None:
    """Probes answer 200 or 503 with their reason; metrics are in Prometheus' format."""
    bad = Verdict(good=False, message="no watch")
    subject = Health(prometheus_client.CollectorRegistry(), lambda: bad, lambda: bad, lambda: None)
    port = await subject.start(0)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/livez") as answer:
            assert (503, "no watch\n") == (answer.status, await answer.text())
        async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            assert 200 == answer.status
    await subject.stop()


class Loaded:
    """A configuration of the Kubernetes client."""

    host = "https://10.0.0.1"
    ssl_ca_cert = "/ca.crt"
    verify_ssl = True
    cert_file = None
    key_file = None
    api_key: dict[str, str] = {"BearerToken": "Bearer from-kubeconfig"}  # noqa: RUF012 -- a stand-in


def test_kopf_logs_in_like_our_own_adapter(tmp_path: Path) -> None:
    """In a pod the token is read from its file at every login; else it is the kubeconfig's."""
    token = tmp_path / "token"
    token.write_text("from-pod\n")
    inside = wiring.connection(Loaded.host, Loaded, token)
    outside = wiring.connection(Loaded.host, Loaded, None)
    assert ("from-pod", "from-kubeconfig") == (inside.token, outside.token)
    assert ("Bearer", "/ca.crt", False) == (inside.scheme, inside.ca_path, inside.insecure)


def test_kopf_runs_without_state_of_its_own() -> None:
    """No Events, no peering, no scan of the cluster; children are filtered by the API server."""
    chosen = wiring.settings()
    assert (False, True, True) == (chosen.posting.enabled, chosen.peering.standalone, chosen.scanning.disabled)
    assert len(wiring.CHILDREN) == len(chosen.watching.label_selectors)
