"""The plain port for Prometheus: metrics for whoever asks in order, and nothing else."""

import asyncio
import re
from pathlib import Path

import pytest
from cryptography import x509

from covet.agent import exposition
from covet.agent.exposition import Exposition
from covet.agent.settings import read_settings
from covet.core import metrics, names
from covet.core.errors import SpecError
from tests.e2e.process.authority import Authority
from tests.unit.agent import instances

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


async def ask(port: int, request: bytes) -> bytes:
    """Send bytes and return all that comes back."""
    async with asyncio.timeout(15):
        reader, writer = await asyncio.open_connection("127.0.1.1", port)
        try:
            writer.write(request)
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def serve(folder: Path) -> Exposition:
    """Return the port of an agent over an empty volume, listening."""
    inst = instances.make(folder)
    exposition.describe(inst)
    made = Exposition(inst)
    await made.start(0)
    return made


async def test_a_scraper_without_certificate_reads_metrics(tmp_path: Path) -> None:
    """The answer is whole, says its length, and holds every row with its four labels."""
    served = await serve(tmp_path)
    head, _, body = (await ask(served.port, GET)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    rows = {row.name for row in metrics.table() if metrics.of_agent(row)}
    assert rows == {
        name for name in re.findall(r"^# TYPE (\w+) ", body.decode(), re.MULTILINE) if not name.endswith("_created")
    }
    assert b'covet_agent_primary{covet_cluster="shop",instance="shop-s0-a",namespace="ns",shard="s0"} 0.0' in body
    await served.stop()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"GET /v1/status HTTP/1.1\r\n\r\n", b"404"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /metrics?name=x HTTP/1.0\r\n\r\n", b"200"),
        (b"\r\n\r\n", b"404"),
    ],
)
async def test_nothing_else_is_served(tmp_path: Path, request_: bytes, code: bytes) -> None:
    """No route of the agent API is there, whatever the method."""
    served = await serve(tmp_path)
    assert code == (await ask(served.port, request_)).split(b" ")[1]
    await served.stop()


async def test_places_are_few_and_come_free_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that ask nothing fill the port, not the agent; once they end, scrapes are answered."""
    monkeypatch.setattr(exposition, "SECONDS", 60.0)
    served = await serve(tmp_path)
    idle = [await asyncio.open_connection("127.0.1.1", served.port) for _ in range(exposition.PLACES)]
    assert b"" == await ask(served.port, GET)
    for _, writer in idle:
        writer.close()
    answer = b""
    async with asyncio.timeout(30):
        while not answer:
            answer = await ask(served.port, GET)
    assert answer.startswith(b"HTTP/1.1 200")
    await served.stop()


async def test_who_does_not_ask_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection has seconds to ask, and a bound to what it may send."""
    monkeypatch.setattr(exposition, "SECONDS", 0.2)
    served = await serve(tmp_path)
    assert b"" == await ask(served.port, b"GET /metr")
    assert b"" == await ask(served.port, b"GET /" + b"x" * (2 * exposition.MAX_HEAD_BYTES))
    await served.stop()


async def test_a_port_that_is_taken_costs_only_the_metrics(tmp_path: Path) -> None:
    """An agent never ends because nobody can scrape it."""
    first = await serve(tmp_path)
    second = Exposition(first._inst)
    await second.start(first.port)
    assert 0 == second.port
    await second.stop()
    await first.stop()


async def test_the_end_of_the_certificates_is_told(tmp_path: Path) -> None:
    """Of the instance's own certificate, and of its authority."""
    served = await serve(tmp_path)
    text = (await ask(served.port, GET)).decode()
    for name in ("ca.crt", "tls.crt"):
        wanted = x509.load_pem_x509_certificate((tmp_path / "tls" / name).read_bytes()).not_valid_after_utc.timestamp()
        (told,) = re.findall(
            rf'^covet_agent_certificate_expiry_timestamp_seconds{{.*file="{name}".*}} (.*)$', text, re.MULTILINE
        )
        assert wanted == float(told)
    await served.stop()


def test_authorities_are_counted(tmp_path: Path) -> None:
    """One, and two while one follows another."""
    inst = instances.make(tmp_path)
    exposition.describe(inst)
    counted = []
    for trust in (b"", Authority("next").pem):
        Authority().issue(inst.settings.tls, "shop-s0-a", trust=trust)
        inst.certificates.load()
        counted.append(inst.metrics.registry.get_sample_value("covet_agent_trusted_authorities"))
    assert [1.0, 2.0] == counted


def test_the_port_is_a_setting() -> None:
    """Several agents on one machine have ports of their own, or none."""
    base = {"COVET_INSTANCE": "shop-s0-a"}
    assert names.METRICS_PORT == read_settings(base).metrics_port
    assert 0 == read_settings(base | {"COVET_METRICS_PORT": "0"}).metrics_port
    assert 9000 == read_settings(base | {"COVET_METRICS_PORT": "9000"}).metrics_port
    for wrong in ("x", "-1", "65536"):
        with pytest.raises(SpecError):
            read_settings(base | {"COVET_METRICS_PORT": wrong})
