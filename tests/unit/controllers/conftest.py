"""A cluster in this process: a real adapter, an API server, and agents behind real mTLS."""

import collections
import contextlib
import datetime as dt
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.controllers.act import ActionError
from covet.controllers.pace import Moment
from covet.controllers.rivals import Rivals
from covet.controllers.round import Observed, Reconciler, Tools
from covet.core import names
from covet.core.clock import Clock
from covet.core.errors import CovetError
from covet.core.settings import Settings
from covet.kube import resources
from covet.kube.client import Kube
from covet.testing import reach
from covet.testing.apiserver import ApiServer
from covet.testing.kubelet import Kubelet
from tests.unit.controllers import births

NAMESPACE = "ns"


class Bench:
    """Everything that a round needs, with the strings a test pulls."""

    def __init__(self, server: ApiServer, kube: Kube, counted: collections.Counter[tuple[str, str]]) -> None:
        self.server = server
        self.kubelet = Kubelet(server)
        self.counted = counted
        self.actions: collections.Counter[tuple[str, str]] = collections.Counter()
        self.ready: dict[str, bool | None] = {}
        self.offset = 0.0
        self.ahead = dt.timedelta()
        """How far the operator's wall clock is ahead of that of the agents."""
        real = Clock()
        clock = Clock(lambda: real.monotonic() + self.offset, lambda: real.wall() + self.ahead)
        settings = Settings(namespace="system", postgres_images={"15": "image:15"}, router_image="router:1")
        self.witnessed: list[Observed] = []
        rivals = Rivals(kube, clock, settings.operator)
        self.tools = Tools(kube, settings, clock, self._count, self.witnessed.extend, self._note, rivals)
        self.reconciler = Reconciler(self.tools, NAMESPACE, "shop")

    def _count(self, action: str, outcome: str) -> None:
        self.actions[action, outcome] += 1

    def _note(self, _namespace: str, name: str, ready: bool | None) -> None:
        self.ready[name] = ready

    def declare(self, **spec: Any) -> dict[str, Any]:
        """Create or edit the CovetCluster `shop`."""
        found = self.server.get(resources.CLUSTER, NAMESPACE, "shop") or {}
        wanted = {
            "engine": {"name": "PostgreSQL", "version": "15"},
            "shards": {"count": 1},
            "storage": {"size": "1Gi"},
            "router": {"replicas": 0},
            **spec,
        }
        return self.server.put(
            {
                **found,
                "apiVersion": resources.CLUSTER.api_version,
                "kind": "CovetCluster",
                "metadata": dict(found.get("metadata") or {"name": "shop", "namespace": NAMESPACE}),
                "spec": wanted,
            }
        )

    def annotate(self, **annotations: str | None) -> None:
        """Write annotations `covet.dev/...` on the CovetCluster as a person would; underscores stand for dots."""
        found = self.server.objects[resources.CLUSTER, NAMESPACE, "shop"]
        merged: dict[str, Any] = dict(found["metadata"].get("annotations") or {})
        for key, value in annotations.items():
            merged[f"covet.dev/{key.replace('_', '.')}"] = value
        kept = {key: value for key, value in merged.items() if value is not None}
        self.server.put({**found, "metadata": {**found["metadata"], "annotations": kept}})

    def annotations(self) -> dict[str, str]:
        """Return the annotations of the CovetCluster."""
        found: dict[str, str] = self.server.objects[resources.CLUSTER, NAMESPACE, "shop"]["metadata"]["annotations"]
        return found

    def provide_storage(self, *, expandable: bool = True) -> None:
        """Make a default StorageClass."""
        annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
        self.server.put(
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": "fast", "annotations": annotations},
                "allowVolumeExpansion": expandable,
            }
        )

    async def settle(self, rounds: int = 40) -> Moment:
        """Do rounds, with pods running beside them, until the cluster is settled."""
        last = "no round"
        for _ in range(rounds):
            try:
                moment = await self.reconciler.once()
                assert moment is not None
                last = moment.signature
                if moment.settled:
                    return moment
            except (ActionError, CovetError) as error:
                last = str(error)
            await self.kubelet.sync()
        raise AssertionError(f"not settled: {last}")

    async def rounds(self, count: int) -> None:
        """Do rounds, with pods running and Secrets arriving beside them, whether or not they fail."""
        for _ in range(count):
            with contextlib.suppress(ActionError, CovetError):
                await self.reconciler.once()
            await self.kubelet.sync()

    async def born(self, **spec: Any) -> None:
        """Declare the cluster and have it settled, as a new operator process finds it.

        The first one of a spec is born in fact, all others of the same process are copies of it.
        """
        key = births.key(self.server, self.tools.settings, spec)
        if key in births.KNOWN:
            await births.revive(births.KNOWN[key], self.server, self.kubelet, NAMESPACE)
        else:
            self.declare(**spec)
            await self.settle()
            births.KNOWN[key] = births.keep(self.server, self.kubelet)
        await self.reconciler.close()
        self.restart()
        await self.settle()
        self.actions.clear()
        self.counted.clear()
        self.witnessed.clear()
        self.server.writes.clear()

    def restart(self) -> None:
        """Go on as a new operator process that remembers nothing."""
        self.reconciler = Reconciler(self.tools, NAMESPACE, "shop")

    def status(self) -> dict[str, Any]:
        """Return the status of the cluster."""
        found = self.server.get(resources.CLUSTER, NAMESPACE, "shop")
        assert found is not None
        status: dict[str, Any] = found.get("status") or {}
        return status

    def condition(self, kind: str) -> dict[str, Any]:
        """Return a condition, empty if it does not stand."""
        return next((entry for entry in self.status().get("conditions", []) if entry["type"] == kind), {})

    def record(self) -> dict[str, Any]:
        """Return the birth record."""
        found = self.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-identity")
        assert found is not None
        document: dict[str, Any] = json.loads(found["data"]["identity.json"])
        return document

    def pods(self) -> set[str]:
        """Return the uids of all database pods: one that is made anew has another."""
        return {
            item["metadata"]["uid"]
            for (kind, _, _), item in self.server.objects.items()
            if kind == resources.POD and names.LABEL_INSTANCE in item["metadata"]["labels"]
        }

    def events(self, kind: str = "Warning") -> list[str]:
        """Return the reasons of the Events that were sent."""
        return [
            item["reason"]
            for (resource, _, _), item in self.server.objects.items()
            if resource == resources.EVENT and item.get("type") == kind and "source" in item
        ]

    def told(self, reason: str) -> str:
        """Return the sentence of the only Event with a reason."""
        (message,) = [
            item["message"]
            for (resource, _, _), item in self.server.objects.items()
            if resource == resources.EVENT and item.get("reason") == reason
        ]
        return str(message)

    async def close(self) -> None:
        """End everything; no order may have been one that is never given."""
        await self.reconciler.close()
        await self.kubelet.stop()
        assert [] == self.kubelet.violations


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A cluster in this process, with storage and without objects."""
    server = ApiServer()
    await server.start()
    counted: collections.Counter[tuple[str, str]] = collections.Counter()

    def count(verb: str, resource: str) -> None:
        counted[verb, resource] += 1

    kube = Kube(reach.configured(server.url), count, timeout=5.0)
    bench = Bench(server, kube, counted)
    bench.provide_storage()
    yield bench
    await bench.close()
    await kube.close()
    await server.stop()
