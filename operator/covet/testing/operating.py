"""The operator as a process of its own, on an API server of tests, kept up as Kubernetes keeps a container up."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, Final

from covet.core import names
from covet.kube import resources
from covet.kube.resources import Manifest
from covet.testing.apiserver import ApiServer
from covet.testing.kubelet import Kubelet

NAMESPACE: Final = "system"
"""Where the operator's Lease stands."""
DEFINITION: Final[Manifest] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{names.PLURAL}.{names.GROUP}"},
    "spec": {"versions": [{"name": names.VERSION, "served": True, "storage": True}]},
}
_SYNC_EVERY: Final = 0.1
"""Seconds between looks of the kubelet."""
_RESTART_AFTER: Final = 0.2
"""Seconds until an operator that ended is started again."""


def define(server: ApiServer) -> None:
    """Install the definition of CovetCluster and a default StorageClass."""
    server.put(DEFINITION)
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    metadata = {"name": "fast", "annotations": annotations}
    made = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": metadata}
    server.put({**made, "allowVolumeExpansion": True})


def declare(server: ApiServer, name: str, namespace: str = "ns", **spec: Any) -> Manifest:  # noqa: ANN401 -- JSON
    """Create or edit a CovetCluster as a person would; what is not said has the smallest value."""
    found = server.get(resources.CLUSTER, namespace, name) or {"metadata": {"name": name, "namespace": namespace}}
    wanted = {
        "engine": {"name": "PostgreSQL", "version": "15"},
        "shards": {"count": 1, "instances": 1},
        "storage": {"size": "1Gi"},
        "router": {"replicas": 0},
        **spec,
    }
    return server.put({**found, "apiVersion": resources.CLUSTER.api_version, "kind": names.KIND, "spec": wanted})


def is_ready(server: ApiServer, name: str, namespace: str = "ns") -> bool:
    """Return whether Ready is True for the newest generation of a cluster."""
    found = server.get(resources.CLUSTER, namespace, name) or {"metadata": {}}
    conditions = (found.get("status") or {}).get("conditions") or []
    ready: Manifest = next((entry for entry in conditions if entry["type"] == "Ready"), {})
    newest = ready.get("observedGeneration") == found["metadata"].get("generation")
    return ready.get("status") == "True" and newest


def write_kubeconfig(path: Path, url: str) -> None:
    """Write how to reach an API server of tests."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "c", "user": {"token": "secret"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    path.write_text(json.dumps(document))


class OperatorProcess:
    """One operator, started again whenever it ended.

    Args:
        url: of the API server.
        folder: for its kubeconfig and `operator.log`.
        source: folder with the modules of another version of Covet, None for this one.
    """

    def __init__(self, url: str, folder: Path, source: Path | None = None) -> None:
        self._source = source
        self._config = folder / "operator.kubeconfig"
        write_kubeconfig(self._config, url)
        self.log = folder / "operator.log"
        self.starts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, and keep it up from now on."""
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End it for good, without a word."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    def kill(self) -> None:
        """End it by SIGKILL; it is started again."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def memory(self) -> dict[str, float]:
        """Return its resident memory in MiB, now and at its highest, as the kernel says."""
        if self._process is None:
            raise RuntimeError("the operator was not started")
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
        return {"resident": int(found["VmRSS"]) / 1024, "highest": int(found["VmHWM"]) / 1024}

    def processor_seconds(self) -> float:
        """Return the seconds of a processor that it has used since its last start."""
        if self._process is None:
            raise RuntimeError("the operator was not started")
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def _keep(self) -> None:
        with self.log.open("ab") as log:
            while True:
                self._process = await self._launch(log)
                self.starts += 1
                try:
                    await self._process.wait()
                finally:
                    await self._end()
                await asyncio.sleep(_RESTART_AFTER)

    async def _launch(self, log: IO[bytes]) -> asyncio.subprocess.Process:
        arguments = ("--kubeconfig", str(self._config), "--identity", "one", "--health-port", "0")
        chosen = {
            "COVET_NAMESPACE": NAMESPACE,
            "COVET_POSTGRES_IMAGES": json.dumps({"15": "image:15"}),
            "COVET_ROUTER_IMAGE": "router:1",
        }
        if self._source is not None:
            chosen["PYTHONPATH"] = str(self._source)
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "covet", *arguments, env={**os.environ, **chosen}, stdout=log, stderr=log
        )

    async def _end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


class Ground:
    """An API server, pods that run, and one operator process.

    Args:
        folder: for what the operator leaves behind.
        sync_every: seconds between looks of the kubelet.
        source: of the operator, None for this version of Covet.
    """

    def __init__(self, folder: Path, sync_every: float = _SYNC_EVERY, source: Path | None = None) -> None:
        self._folder = folder
        self._source = source
        self._sync_every = sync_every
        self.server = ApiServer()
        self.kubelet = Kubelet(self.server)
        self.operator: OperatorProcess

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Ground"]:
        """Run all of it; at the end nothing is left.

        Raises:
            AssertionError: an agent was given an order that must never be given.
        """
        await self.server.start()
        define(self.server)
        self.operator = OperatorProcess(self.server.url, self._folder, self._source)
        kubelet = asyncio.create_task(self._sync())
        await self.operator.start()
        try:
            yield self
        finally:
            await self.operator.stop()
            kubelet.cancel()
            outcome = (await asyncio.gather(kubelet, return_exceptions=True))[0]
            await self.kubelet.stop()
            await self.server.stop()
        if not isinstance(outcome, asyncio.CancelledError):
            raise outcome or AssertionError("the kubelet ended")
        if self.kubelet.violations:
            raise AssertionError(f"orders that must never be given: {self.kubelet.violations}")

    async def exchange(self, source: Path | None) -> None:
        """End the operator, and have one of another version in its place."""
        await self.operator.stop()
        self.operator = OperatorProcess(self.server.url, self._folder, source)
        await self.operator.start()

    async def _sync(self) -> None:
        while True:
            await self.kubelet.sync()
            await asyncio.sleep(self._sync_every)
