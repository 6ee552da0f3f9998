"""An order is waited for over a real connection: done, refused, withdrawn, late, cut off, too long."""

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.cli import access, failures, orders, reaching, waiting
from covet.core import events, names
from covet.kube import person, resources
from covet.kube.inquiry import Inquiry
from covet.testing import reach
from covet.testing.apiserver import ApiServer
from tests.unit.cli import samples

KEY = names.switchover_annotation("s0")


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    """An API server that holds the cluster `shop`."""
    server = ApiServer()
    await server.start()
    server.put(samples.cluster())
    yield server
    await server.stop()


@pytest.fixture
async def opened(server: ApiServer) -> AsyncIterator[reaching.KubeAccess]:
    """The real adapter."""
    kube = Inquiry(reach.configured(server.url), timeout=2.0, caller=person.CALLER)
    yield reaching.KubeAccess(person.Reach(kube, "default"), None)
    await kube.close()


def store(server: ApiServer, body: dict[str, Any]) -> None:
    """Store a cluster over the one that is there."""
    body["metadata"]["resourceVersion"] = ""
    server.put(body)


def current(server: ApiServer) -> dict[str, Any]:
    """Return a copy of the cluster as it stands."""
    found = server.get(resources.CLUSTER, "default", "shop")
    assert found is not None
    return copy.deepcopy(found)


def withdraw(server: ApiServer) -> None:
    """Remove the order, as the operator does when it is done with it."""
    body = current(server)
    body["metadata"]["annotations"] = {}
    store(server, body)


def lead(server: ApiServer, letter: str, term: int) -> None:
    """Let another instance lead s0."""
    body = current(server)
    body["status"]["shards"][0] = samples.shard("shop", "s0", leader=letter, term=term)
    store(server, body)


def event(reason: str, message: str, name: str = "one") -> dict[str, Any]:
    """Return an Event about the cluster."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "default"},
        "involvedObject": {"kind": "CovetCluster", "name": "shop", "uid": samples.cluster()["metadata"]["uid"]},
        "type": "Warning",
        "reason": reason,
        "message": message,
    }


class Wait:
    """A switchover of s0 to shop-s0-c that is waited for."""

    def __init__(self, server: ApiServer, opened: reaching.KubeAccess) -> None:
        self.told: list[str] = []
        self._server = server
        self._opened = opened
        self._step = asyncio.Event()
        self._task: asyncio.Task[access.Seen] | None = None

    async def begin(self, limit: float = 20.0, grace: float = 0.5) -> None:
        """Order it, and return once the first progress was told."""
        # The server of a test gives uids of its own; Events are found by them.
        seen = await self._opened.read("shop")
        known = await waiting.before(self._opened, seen)
        await access.order(self._opened, "shop", orders.switchover("s0", "shop-s0-c"))
        awaited = waiting.Awaited(KEY, "s0", "shop-s0-c", events.SWITCHOVER_REFUSED, known, grace)
        self._task = asyncio.create_task(waiting.until_done(self._opened, "shop", awaited, limit, self._tell))
        async with asyncio.timeout(10):
            await self._step.wait()

    async def end(self) -> access.Seen:
        """Return how it ended."""
        assert self._task is not None
        async with asyncio.timeout(20):
            return await self._task

    def _tell(self, line: str) -> None:
        self.told.append(line)
        self._step.set()


@pytest.fixture
def wait(server: ApiServer, opened: reaching.KubeAccess) -> Wait:
    """What each test waits for."""
    return Wait(server, opened)


def refusal(server: ApiServer, message: str) -> None:
    """Send the operator's Event of a refusal."""
    made = event(events.SWITCHOVER_REFUSED, message)
    made["involvedObject"]["uid"] = current(server)["metadata"]["uid"]
    server.put(made)


async def test_it_ends_when_the_wanted_instance_leads(server: ApiServer, wait: Wait) -> None:
    """Not before, and with the progress told once per step."""
    await wait.begin()
    withdraw(server)
    lead(server, "c", term=8)
    seen = await wait.end()
    assert ("shop-s0-c", 8) == (seen.shard("s0").primary, seen.shard("s0").term)
    assert "s0: ordered; shop-s0-b leads in term 7; shop-s0-c is Streaming" == wait.told[0]
    assert len(set(wait.told)) == len(wait.told)


async def test_a_primary_that_does_not_serve_yet_is_waited_for(server: ApiServer, wait: Wait) -> None:
    """It leads, and takes no writes before its rule was confirmed."""
    await wait.begin()
    body = current(server)
    body["status"]["shards"][0] = samples.shard("shop", "s0", leader="c", term=8)
    body["status"]["shards"][0]["instances"][2]["state"] = "Starting"
    store(server, body)
    async with asyncio.timeout(10):
        while len(wait.told) < 2:  # noqa: ASYNC110 -- progress is a list
            await asyncio.sleep(0.01)
    assert "s0: ordered; shop-s0-c leads in term 8; shop-s0-c is Starting" == wait.told[1]
    lead(server, "c", term=8)
    assert "shop-s0-c" == (await wait.end()).shard("s0").primary


async def test_a_refusal_ends_it_with_the_operator_s_words(server: ApiServer, wait: Wait) -> None:
    """The Event's message is what the person reads."""
    await wait.begin()
    refusal(server, "s0 is not handed to shop-s0-c: it is 2 GiB behind.")
    withdraw(server)
    with pytest.raises(failures.Failure) as caught:
        await wait.end()
    assert (failures.Exit.REFUSED, "The operator refused: s0 is not handed to shop-s0-c: it is 2 GiB behind.") == (
        caught.value.code,
        caught.value.message,
    )


async def test_an_event_that_comes_late_is_found(server: ApiServer, wait: Wait) -> None:
    """The order may be gone a moment before the Event is there."""
    await wait.begin(grace=10.0)
    withdraw(server)
    async with asyncio.timeout(10):
        while not wait.told[-1].startswith("s0: taken up"):  # noqa: ASYNC110 -- progress is a list
            await asyncio.sleep(0.01)
    refusal(server, "s0 has no quorum.")
    with pytest.raises(failures.Failure, match="The operator refused: s0 has no quorum"):
        await wait.end()


async def test_an_event_of_an_earlier_order_is_not_taken_for_this_one_s(server: ApiServer, wait: Wait) -> None:
    """It is told as what was said last, for the operator does not repeat an Event at once."""
    refusal(server, "s0 was busy then.")
    await wait.begin()
    withdraw(server)
    with pytest.raises(failures.Failure) as caught:
        await wait.end()
    assert "somebody withdrew it. What it said last: s0 was busy then." in caught.value.message


async def test_an_event_about_another_shard_is_not_about_this_order(server: ApiServer, wait: Wait) -> None:
    """Refusals name their shard first."""
    await wait.begin()
    refusal(server, "s1 was refused.")
    withdraw(server)
    with pytest.raises(failures.Failure) as caught:
        await wait.end()
    assert "s1" not in caught.value.message


async def test_a_watch_that_is_cut_meanwhile_changes_nothing(server: ApiServer, wait: Wait) -> None:
    """The end is seen after the cut."""
    await wait.begin()
    server.drop_watches()
    withdraw(server)
    server.drop_watches()
    lead(server, "c", term=8)
    assert "shop-s0-c" == (await wait.end()).shard("s0").primary


async def test_an_api_server_that_is_away_is_waited_for(server: ApiServer, wait: Wait) -> None:
    """It comes back, and the end is seen."""
    await wait.begin()
    port = int(server.url.rpartition(":")[2])
    await server.stop()
    async with asyncio.timeout(10):
        while "The API server does not answer; trying again." not in wait.told:  # noqa: ASYNC110 -- progress is a list
            await asyncio.sleep(0.01)
    withdraw(server)
    lead(server, "c", term=8)
    await server.start(port)
    assert "shop-s0-c" == (await wait.end()).shard("s0").primary


async def test_a_bound_ends_it_and_the_order_stands(server: ApiServer, wait: Wait) -> None:
    """The message says that, where to look, and how to withdraw it."""
    await wait.begin(limit=0.3)
    with pytest.raises(failures.Failure) as caught:
        await wait.end()
    assert failures.Exit.WAITING == caught.value.code
    assert "after 0.3 s; the order stands" in caught.value.message
    assert "kubectl annotate covetclusters shop -n default covet.dev/switchover.s0-" in caught.value.message
    assert "shop-s0-c" == current(server)["metadata"]["annotations"][KEY]


async def test_a_cluster_that_goes_meanwhile_ends_it(server: ApiServer, wait: Wait) -> None:
    """There is nothing left to wait for."""
    await wait.begin()
    async with asyncio.timeout(10):
        while not server._watchers:  # noqa: ASYNC110 -- the server counts its watches and tells nobody
            await asyncio.sleep(0.01)
    server.delete(resources.CLUSTER, "default", "shop")
    with pytest.raises(failures.Failure) as caught:
        await wait.end()
    assert failures.Exit.NOT_FOUND == caught.value.code
