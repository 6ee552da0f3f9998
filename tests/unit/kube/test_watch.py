"""One object is followed through everything that ends a watch."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.core.errors import RefusedError, UnreachableError
from covet.kube import person, resources, watch
from covet.kube.client import Kube
from covet.kube.resources import Manifest
from covet.testing import reach
from covet.testing.apiserver import ApiServer


def cluster(name: str = "shop", **annotations: str) -> dict[str, Any]:
    """Return a bare cluster."""
    metadata = {"name": name, "namespace": "ns", "annotations": annotations}
    return {"apiVersion": "covet.dev/v1alpha1", "kind": "CovetCluster", "metadata": metadata, "spec": {}}


@pytest.fixture
async def door(server: ApiServer) -> AsyncIterator[Kube]:
    """The adapter in a person's name."""
    door = Kube(reach.configured(server.url), timeout=2.0, caller=person.CALLER)
    yield door
    await door.close()


async def soon(stream: AsyncIterator[Manifest | None]) -> dict[str, str]:
    """Return the annotations of what comes next."""
    async with asyncio.timeout(10):
        found = await anext(stream)
    assert found is not None
    annotations: dict[str, str] = found["metadata"]["annotations"]
    return annotations


async def watched(server: ApiServer) -> None:
    """Return once a watch stands."""
    async with asyncio.timeout(10):
        while not server._watchers:  # noqa: ASYNC110 -- the server counts its watches and tells nobody
            await asyncio.sleep(0.01)


async def test_changes_come_in_order_and_once(server: ApiServer, door: Kube) -> None:
    """The object as it is comes first, then each change of it; another object's changes never."""
    server.put(cluster(a="1"))
    stream = watch.follow(door, resources.CLUSTER, "ns", "shop")
    assert {"a": "1"} == await soon(stream)
    server.put(cluster("cart", a="9"))
    server.put(cluster(a="2"))
    assert {"a": "2"} == await soon(stream)


async def test_a_watch_that_is_cut_goes_on(server: ApiServer, door: Kube) -> None:
    """A change while nobody watched is told after the cut."""
    server.put(cluster(a="1"))
    stream = watch.follow(door, resources.CLUSTER, "ns", "shop")
    await soon(stream)
    for step in ("2", "3"):
        pending = asyncio.ensure_future(soon(stream))
        await watched(server)
        server.drop_watches()
        server.put(cluster(a=step))
        assert {"a": step} == await pending


@pytest.mark.parametrize("kind", ["ERROR", "BOOKMARK"])
async def test_a_watch_that_gives_up_is_begun_anew(server: ApiServer, door: Kube, kind: str) -> None:
    """The server says that the version is too old, or nothing of interest; the next change is told all the same."""
    server.put(cluster(a="1"))
    stream = watch.follow(door, resources.CLUSTER, "ns", "shop")
    await soon(stream)
    pending = asyncio.ensure_future(soon(stream))
    await watched(server)
    status = {"kind": "Status", "code": 410, "metadata": {"name": "shop", "namespace": "ns"}}
    server._watchers[0][1].put_nowait({"type": kind, "object": status})
    server.put(cluster(a="2"))
    assert {"a": "2"} == await pending


async def test_a_silent_watch_counts_as_cut(server: ApiServer, door: Kube) -> None:
    """A watch that died without a word hides a change for as long as the silence is put up with."""
    server.put(cluster(a="1"))
    stream = watch.follow(door, resources.CLUSTER, "ns", "shop", silence=0.2)
    await soon(stream)
    server.silent = True
    server.put(cluster(a="2"))
    assert {"a": "2"} == await soon(stream)


async def test_an_object_that_goes_ends_it(server: ApiServer, door: Kube) -> None:
    """None says that it is gone, and is the last word."""
    server.put(cluster())
    stream = watch.follow(door, resources.CLUSTER, "ns", "shop")
    await soon(stream)
    pending = asyncio.ensure_future(anext(stream))
    await watched(server)
    server.delete(resources.CLUSTER, "ns", "shop")
    async with asyncio.timeout(10):
        assert None is await pending
        assert [] == [left async for left in stream]


async def test_an_object_that_is_not_there_ends_it_at_once(door: Kube) -> None:
    """There is nothing to wait for."""
    async with asyncio.timeout(10):
        assert [None] == [found async for found in watch.follow(door, resources.CLUSTER, "ns", "shop")]


async def test_a_missing_right_to_watch_is_told(server: ApiServer, door: Kube) -> None:
    """It would be asked for in vain for ever."""
    server.put(cluster())
    server.denied.add(("watch", "covetclusters"))
    stream = watch.follow(door, resources.CLUSTER, "ns", "shop")
    await soon(stream)
    async with asyncio.timeout(10):
        with pytest.raises(RefusedError, match="cannot watch resource"):
            await anext(stream)


async def test_an_api_server_that_goes_away_is_told(server: ApiServer, door: Kube) -> None:
    """A cut watch is not an error; an API server that answers nothing is."""
    server.put(cluster())
    stream = watch.follow(door, resources.CLUSTER, "ns", "shop")
    await soon(stream)
    pending = asyncio.ensure_future(anext(stream))
    await watched(server)
    await server.stop()
    async with asyncio.timeout(10):
        with pytest.raises(UnreachableError):
            await pending


async def test_a_person_s_calls_stay_in_their_table(door: Kube) -> None:
    """The command changes nothing but clusters, whatever rights its user has."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop-s0-a-0", "namespace": "ns", "uid": "1"}}
    with pytest.raises(PermissionError, match="delete pods"):
        await door.delete(pod)
    with pytest.raises(PermissionError, match="get secrets"):
        await door.get(resources.SECRET, "ns", "shop-ca")
