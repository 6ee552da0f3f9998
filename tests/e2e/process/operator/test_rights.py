"""Every right of the table is exercised: one that nothing uses would be given to whoever breaks into the operator."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from covet import app
from covet.core import names
from covet.kube import resources, rights
from covet.kube.resources import Resource
from covet.testing import requests
from covet.testing.apiserver import ApiServer
from covet.testing.kubelet import Kubelet
from tests.e2e.process.operator.sites import Site, until

Right = tuple[str, str, str]
"""Resource, part of it, verb."""

_VERBS = {"POST": "create", "PUT": "update", "DELETE": "delete"}


def verbs_of(request: web.Request, name: str, *, exists: bool) -> tuple[str, ...]:
    """Return the verbs that the API server would ask the roles about for a request."""
    if request.method == "GET":
        return ("get",) if name else ("watch" if "watch" in request.query else "list",)
    if request.method == "PATCH":
        applies = request.content_type == "application/apply-patch+yaml"
        return ("patch", "create") if applies and not exists else ("patch",)
    return (_VERBS[request.method],)


@pytest.fixture
def exercised(monkeypatch: pytest.MonkeyPatch) -> set[Right]:
    """Return the rights that requests have needed so far; asked for before the API server starts."""
    found: set[Right] = set()
    handle = ApiServer._handle

    async def record(server: ApiServer, request: web.Request) -> web.StreamResponse:
        if requests.discovery(request.path) is None:
            resource, namespace, name, part = requests.parse(request.path)
            exists = server.get(resource, namespace, name) is not None
            found.update((resource.plural, part, verb) for verb in verbs_of(request, name, exists=exists))
        return await handle(server, request)

    monkeypatch.setattr(ApiServer, "_handle", record)
    return found


@contextlib.asynccontextmanager
async def pods_on(server: ApiServer) -> AsyncIterator[Kubelet]:
    """Run the pods of every StatefulSet."""
    kubelet = Kubelet(server)

    async def sync() -> None:
        while True:
            await kubelet.sync()
            await asyncio.sleep(0.02)

    task = asyncio.create_task(sync())
    yield kubelet
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await kubelet.stop()


def granted() -> set[Right]:
    """Return the table."""
    tables: tuple[dict[Resource, tuple[str, ...]], ...] = (
        rights.NAMESPACED,
        rights.OWN_NAMESPACE,
        rights.CLUSTERWIDE,
    )
    whole = {(resource.plural, "", verb) for table in tables for resource, verbs in table.items() for verb in verbs}
    return whole | {
        (resource.plural, part, verb) for (resource, part), verbs in rights.SUBRESOURCES.items() for verb in verbs
    }


async def test_every_right_is_exercised_and_no_other_is_needed(
    exercised: set[Right], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole process from waiting for the definition to an edit of a cluster that lives, against the table."""
    monkeypatch.setattr(app, "RESCAN_EVERY", 0.05)
    site.define()
    await site.start()
    site.declare("shop")
    # A StatefulSet without pods: is there an Event that says why?
    await until(lambda: ("events", "", "list") in exercised, 90)
    async with pods_on(site.server):
        await until(lambda: site.status("shop").get("phase") == "Ready", 90)
        # An order is carried out and removed.
        site.order("shop", names.switchover_annotation("s0"), "shop-s0-b")
        await until(lambda: ("covetclusters", "", "patch") in exercised, 90)
        # A volume goes with its node.
        await until(lambda: site.status("shop").get("phase") == "Ready", 90)
        site.strand("shop-s0-c")
        await until(lambda: ("pods", "", "delete") in exercised, 90)
        # A template changes: pods are restarted in order.
        await until(lambda: site.status("shop").get("phase") == "Ready", 90)
        site.declare("shop", resources={"requests": {"memory": "1Gi"}})
        await until(lambda: ("pods", "eviction", "create") in exercised, 90)
        # Volumes grow.
        await until(lambda: site.status("shop").get("phase") == "Ready", 90)
        site.declare("shop", resources={"requests": {"memory": "1Gi"}}, storage={"size": "2Gi"})
        await until(lambda: ("persistentvolumeclaims", "", "patch") in exercised, 90)
        # A shard gets smaller.
        await until(lambda: site.status("shop").get("phase") == "Ready", 90)
        site.declare("shop", shards={"count": 1, "instances": 1})
        await until(lambda: ("statefulsets", "", "delete") in exercised, 90)
        # Routers are made, and then more of them.
        for replicas, verb in ((1, "create"), (2, "patch")):
            site.declare("shop", shards={"count": 1, "instances": 1}, router={"replicas": replicas})
            await until(functools.partial(exercised.__contains__, ("deployments", "", verb)), 90)
        # A warning is an Event.
        site.declare("bad", storage={"size": "1Gi", "className": "none"})
        await until(lambda: any(key[0] == resources.EVENT for key in site.server.objects), 90)
        # The Lease is renewed.
        await until(lambda: ("leases", "", "update") in exercised, 90)
    assert (set(), set()) == (granted() - exercised, exercised - granted())
