"""One operator at a time, and a successor within ten seconds."""

import asyncio
import datetime as dt

import pytest

from covet.core.clock import Clock
from covet.core.errors import UnreachableError
from covet.kube import lease, resources
from covet.kube.client import Kube
from covet.kube.lease import LeaseHolder
from covet.testing.apiserver import ApiServer


class FakeTime:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> Clock:
        """Return it as the clocks of a process."""
        return Clock(lambda: self.now, lambda: dt.datetime.fromtimestamp(self.now, dt.UTC))


@pytest.fixture
def time() -> FakeTime:
    """The time of both processes."""
    return FakeTime()


def holder(kube: Kube, time: FakeTime, name: str) -> LeaseHolder:
    """Return a process that wants the Lease."""
    return LeaseHolder(kube, "ns", name, time.clock())


async def test_the_first_takes_it(kube: Kube, server: ApiServer, time: FakeTime) -> None:
    """Without a Lease the first process makes and holds it."""
    first = holder(kube, time, "one")
    await first.acquire()
    found = server.get(resources.LEASE, "ns", lease.NAME)
    assert found is not None
    assert ("one", True) == (found["spec"]["holderIdentity"], first.held())


async def test_a_standby_waits_while_it_is_renewed(kube: Kube, time: FakeTime) -> None:
    """However long it takes, a renewed Lease is not taken."""
    first, second = holder(kube, time, "one"), holder(kube, time, "two")
    await first.acquire()
    for _ in range(10):
        time.now += lease.RENEW_EVERY
        assert await first._attempt()
        assert not await second._attempt()
    assert (True, False) == (first.held(), second.held())


async def test_a_silent_holder_is_replaced_within_ten_seconds(kube: Kube, time: FakeTime) -> None:
    """A process that died without a word is succeeded after eight seconds, and before ten."""
    first, second = holder(kube, time, "one"), holder(kube, time, "two")
    await first.acquire()
    began = time.now
    while not await second._attempt():
        time.now += lease.RENEW_EVERY / 2
    assert lease.DURATION <= time.now - began <= 10.0


async def test_a_holder_gives_up_before_it_is_replaced(kube: Kube, server: ApiServer, time: FakeTime) -> None:
    """A holder that cannot renew stops to believe in its Lease before another may take it."""
    first = holder(kube, time, "one")
    await first.acquire()
    await server.stop()
    time.now += lease.GIVE_UP
    assert lease.GIVE_UP < lease.DURATION
    assert not first.held()


async def test_losing_it_ends_the_work(
    kube: Kube, server: ApiServer, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When another process holds the Lease, keeping it returns."""
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.01)
    first = holder(kube, time, "one")
    await first.acquire()
    found = server.get(resources.LEASE, "ns", lease.NAME)
    assert found is not None
    server.put({**found, "spec": {**found["spec"], "holderIdentity": "two"}})
    await asyncio.wait_for(first.keep(), 5)
    assert not first.held()


async def test_a_released_lease_is_free_at_once(kube: Kube, time: FakeTime) -> None:
    """An orderly end lets the standby begin without waiting."""
    first, second = holder(kube, time, "one"), holder(kube, time, "two")
    await first.acquire()
    await first.release()
    assert await second._attempt()
    assert not first.held()


async def test_the_lease_of_another_is_not_released(kube: Kube, server: ApiServer, time: FakeTime) -> None:
    """Who lost the Lease leaves its new holder alone."""
    first, second = holder(kube, time, "one"), holder(kube, time, "two")
    await first.acquire()
    await second._attempt()
    time.now += lease.DURATION
    assert await second._attempt()
    await first.release()
    found = server.get(resources.LEASE, "ns", lease.NAME)
    assert found is not None
    assert "two" == found["spec"]["holderIdentity"]


async def test_two_who_grab_at_once_do_not_both_get_it(kube: Kube, time: FakeTime) -> None:
    """Compare-and-set decides between two standbys."""
    first, second, third = (holder(kube, time, name) for name in ("one", "two", "three"))
    await first.acquire()
    await asyncio.gather(second._attempt(), third._attempt())
    time.now += lease.DURATION
    taken = await asyncio.gather(second._attempt(), third._attempt())
    assert 1 == sum(taken)


async def test_two_installations_in_one_namespace_work_side_by_side(kube: Kube, time: FakeTime) -> None:
    """Releases that serve different namespaces do not wait for each other: each has a Lease of its own."""
    stable = LeaseHolder(kube, "ns", "one", time.clock(), "covet")
    canary = LeaseHolder(kube, "ns", "two", time.clock(), "canary-covet")
    second = LeaseHolder(kube, "ns", "three", time.clock(), "canary-covet")
    assert [True, True, False] == [await process._attempt() for process in (stable, canary, second)]
    await canary.release()
    assert await second._attempt()
    assert stable.held()


async def test_a_server_that_hangs_costs_the_lease_in_time(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server takes calls and never answers: the holder gives up in time, not a call's limit later."""
    monkeypatch.setattr(lease, "GIVE_UP", 0.6)
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.2)
    first = LeaseHolder(kube, "ns", "one", Clock())
    await first.acquire()
    loop = asyncio.get_running_loop()

    async def hang(_request: object) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(type(kube), "_call", lambda *_args, **_more: hang(None))
    began = loop.time()
    await first.keep()
    await first.release()
    assert loop.time() - began < 1.2
    assert not first.held()


async def test_nothing_is_written_without_the_lease(kube: Kube, server: ApiServer) -> None:
    """Once it is lost, the adapter refuses every write but that of the Lease."""
    kube.guard(lambda: False)
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "ns"}}
    with pytest.raises(UnreachableError, match="no longer holds"):
        await kube.apply(manifest)
    assert [] == server.writes
    await LeaseHolder(kube, "ns", "one", Clock()).acquire()
    assert ["leases"] == [write.resource for write in server.writes]
