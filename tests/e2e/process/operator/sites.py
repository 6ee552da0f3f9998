"""An operator on an API server, both in this process."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from covet.app import Operator
from covet.core.settings import Settings
from covet.kube import resources
from covet.testing import operating
from covet.testing.apiserver import ApiServer


class Running:
    """An operator that runs."""

    def __init__(self, operator: Operator, task: "asyncio.Task[int]") -> None:
        self.operator = operator
        self.task = task

    async def ask(self, path: str) -> tuple[int, str]:
        """Ask its health endpoints."""
        url = f"http://127.0.0.1:{self.operator.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url, timeout=aiohttp.ClientTimeout(3)) as answer:
            return answer.status, await answer.text()


class Site:
    """An API server, and operators to start on it."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self.server = server
        self._folder = folder
        self._running: list[Running] = []

    def define(self) -> None:
        """Install the definition of CovetCluster and a default StorageClass."""
        operating.define(self.server)

    def declare(self, name: str, **spec: Any) -> dict[str, Any]:
        """Create a CovetCluster."""
        wanted = {"engine": {"name": "PostgreSQL", "version": "15"}, "shards": {"count": 1}, "storage": {"size": "1Gi"}}
        return self.server.put(
            {
                "apiVersion": "covet.dev/v1alpha1",
                "kind": "CovetCluster",
                "metadata": {"name": name, "namespace": "ns"},
                "spec": {**wanted, **spec},
            }
        )

    def order(self, name: str, annotation: str, value: str) -> None:
        """Annotate a CovetCluster as a person would."""
        found = self.server.objects[resources.CLUSTER, "ns", name]
        annotations = {**(found["metadata"].get("annotations") or {}), annotation: value}
        self.server.put({**found, "metadata": {**found["metadata"], "annotations": annotations}})

    def strand(self, instance: str) -> None:
        """Let a pod wait for a volume on a node that is not there."""
        name = {"name": "pv"}
        hosts = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["gone"]}
        terms = {"required": {"nodeSelectorTerms": [{"matchExpressions": [hosts]}]}}
        self.server.put(
            {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": name, "spec": {"nodeAffinity": terms}}
        )
        claim = self.server.objects[resources.CLAIM, "ns", f"data-{instance}-0"]
        self.server.put({**claim, "spec": {**claim["spec"], "volumeName": "pv"}})
        pod = self.server.objects[resources.POD, "ns", f"{instance}-0"]
        since = "2026-01-01T00:00:00Z"
        waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": since}
        status = {"phase": "Pending", "conditions": [*pod["status"]["conditions"], waits]}
        self.server.put({**pod, "status": status})

    async def start(self, identity: str = "one") -> Running:
        """Start an operator."""
        path = self._folder / f"{identity}.json"
        operating.write_kubeconfig(path, self.server.url)
        settings = Settings(
            namespace="system",
            identity=identity,
            postgres_images={"15": "image:15"},
            router_image="router:1",
            health_port=0,
        )
        operator = Operator(settings, str(path))
        task = asyncio.create_task(operator.run())
        running = Running(operator, task)
        self._running.append(running)
        await until(lambda: operator.port != 0 or task.done())
        return running

    def status(self, name: str) -> dict[str, Any]:
        """Return the status of a cluster."""
        found = self.server.get(resources.CLUSTER, "ns", name) or {}
        status: dict[str, Any] = found.get("status") or {}
        return status

    def holder(self) -> str:
        """Return who holds the Lease."""
        found = self.server.get(resources.LEASE, "system", "covet-operator") or {"spec": {}}
        return str(found["spec"].get("holderIdentity") or "")

    async def close(self) -> None:
        """Stop every operator."""
        for running in self._running:
            running.operator.stop()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(running.task, 15)


async def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 -- looks at another process' doing
            await asyncio.sleep(0.01)
