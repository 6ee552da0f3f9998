"""A resolver that is away neither stops the agent's work nor makes it forget where its peers are (I9)."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from covet.agent import naming
from covet.agent.naming import Addresses, Names

HOST = "shop-s0-b-0.shop-s0.default.svc"


class Resolver:
    """Answers, until an outage; then it hangs as long as a test runs."""

    def __init__(self) -> None:
        self.away = threading.Event()
        self.back = threading.Event()
        self.asked = 0

    def __call__(self, name: str) -> Addresses:
        """Look a name up."""
        self.asked += 1
        if self.away.is_set():
            self.back.wait(20.0)
            raise socket.gaierror(socket.EAI_AGAIN, name)
        return ("10.0.0.7",)


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    """A resolver whose hanging threads end with the test."""
    made = Resolver()
    yield made
    made.back.set()


async def test_i9_the_last_answer_serves_through_an_outage(tmp_path: Path, resolver: Resolver) -> None:
    """Whoever asks waits a moment once, then not at all; no second lookup of a name hangs beside the first."""
    names = Names(tmp_path / "addresses.json", resolver)
    assert ("10.0.0.7",) == await names.addresses(HOST)
    resolver.away.set()
    began = time.monotonic()
    for _ in range(20):
        (found,) = await names.resolve(HOST, 7443)
        assert ("10.0.0.7", 7443) == (found["host"], found["port"])
    assert time.monotonic() - began < 2 * naming.LIMIT
    assert 2 == resolver.asked


async def test_i9_an_agent_that_starts_amid_an_outage_knows_its_peers(tmp_path: Path, resolver: Resolver) -> None:
    """The last answers outlive the agent on the volume; peers that are no more are dropped."""
    names = Names(tmp_path / "addresses.json", resolver)
    await names.addresses(HOST)
    await names.addresses("gone")
    names.forget_others(frozenset({HOST}))
    names.store()
    resolver.away.set()
    fresh = Names(tmp_path / "addresses.json", resolver)
    assert ("10.0.0.7",) == await fresh.addresses(HOST)
    assert () == fresh.known("gone")


async def test_i9_disk_work_goes_on_while_every_lookup_hangs(tmp_path: Path, resolver: Resolver) -> None:
    """Lookups have threads of their own, and few: those of the disk are never taken."""
    resolver.away.set()
    names = Names(tmp_path / "addresses.json", resolver)
    asking = [asyncio.create_task(names.addresses(f"host-{number}")) for number in range(64)]
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await asyncio.to_thread((tmp_path / "promise").write_bytes, b"1")
    assert time.monotonic() - began < 1.0
    assert naming.THREADS == resolver.asked
    assert {()} == set(await asyncio.gather(*asking))


async def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, resolver: Resolver) -> None:
    """addresses.json is a memory, no truth."""
    (tmp_path / "addresses.json").write_text("[")
    assert () == Names(tmp_path / "addresses.json", resolver).known(HOST)
