"""The devcluster under a shard: what can be taken from it, and how it is given back."""

import asyncio
import contextlib
import http.client
import os
import pathlib
import shutil
import signal
from typing import Any, Final

from benchmarks.nemesis.filling import Filler
from benchmarks.nemesis.pods import Pod
from benchmarks.nemesis.weights import Weights
from covet.core import names
from covet.engines import processes
from tests.e2e import installation
from tests.e2e.devcluster import controlplane, network, nodes
from tests.e2e.devcluster.api import wait_until
from tests.e2e.devcluster.cluster import Devcluster
from tests.e2e.devcluster.errors import DevclusterError
from tests.e2e.devcluster.layout import NodeLayout
from tests.e2e.installation import Installation
from tools import bootstrap

WEIGHT: Final = 24
"""Processes of this machine that the cluster weighs."""
ORDER_SECONDS: Final = 30.0
OPERATOR_SECONDS: Final = 60.0
PROXY: Final = b"kube-proxy\0"
WATCHERS: Final = (b"kubelet\0", PROXY, b"netpol\0")
INSIDE_API: Final = {
    "apiserver-stacks.txt": "/debug/pprof/goroutine?debug=1",
    "apiserver-metrics.txt": "/metrics",
    "apiserver-ready.txt": "/readyz?verbose",
}
_DEPLOYMENT: Final = f"/apis/apps/v1/namespaces/{installation.NAMESPACE}/deployments/covet"
_PODS: Final = f"/api/v1/namespaces/{installation.NAMESPACE}/pods"
_OPERATOR: Final = "labelSelector=app.kubernetes.io%2Fcomponent%3Doperator"


class Ground:
    """One devcluster with Covet installed, and a cluster `shop` in a namespace of it.

    Args:
        covet: the installation.
        name: of the devcluster.
        namespace: of the shard.
    """

    def __init__(self, covet: Installation, name: str, namespace: str) -> None:
        self.covet = covet
        self.devcluster = Devcluster.attach(name)
        self.namespace = namespace
        self.weights = Weights(self.devcluster.layout, WEIGHT)
        self.api_away = False
        self.operator_away = False
        self._dead: list[NodeLayout] = []
        self._frozen: list[Pod] = []
        self._stopped: list[int] = []
        self._full: list[Filler] = []
        self._way = self.devcluster.nodes[0]

    # ------------------------------------------------------------ pods

    def pods(self) -> dict[str, Pod]:
        """Return the pods of the shard that run and have an address, by instance.

        Raises:
            OSError, DevclusterError: the API server does not answer.
        """
        found: dict[str, Pod] = {}
        for entry in self.devcluster.api.get(f"/api/v1/namespaces/{self.namespace}/pods")["items"]:
            metadata, address = entry["metadata"], entry["status"].get("podIP")
            instance = metadata["labels"].get("covet.dev/instance")
            if instance and address and "deletionTimestamp" not in metadata:
                node = self.devcluster.node(entry["spec"]["nodeName"])
                found[instance] = Pod(metadata["name"], metadata["uid"], address, node)
        return found

    def delete_pod(self, pod: Pod) -> None:
        """Delete a pod without grace; return once its processes are gone."""
        self.devcluster.api.delete(f"/api/v1/namespaces/{self.namespace}/pods/{pod.name}", grace_seconds=0)
        pod.await_end()

    def freeze(self, pod: Pod) -> None:
        """Stop every process of a pod."""
        self._frozen.append(pod)
        pod.freeze(frozen=True)

    def thaw(self) -> None:
        """Let every frozen pod go on."""
        while self._frozen:
            with contextlib.suppress(FileNotFoundError):
                self._frozen.pop().freeze(frozen=False)

    def stop(self, pid: int) -> None:
        """Stop one process where it is."""
        self._stopped.append(pid)
        processes.send(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let every process that was stopped alone go on."""
        while self._stopped:
            processes.send(self._stopped.pop(), signal.SIGCONT)

    def fill_volume(self, pod: Pod) -> None:
        """Leave the volume of a pod without a byte."""
        self._full.append(Filler.fill(pod.volume()))

    def give_room(self) -> None:
        """Give every full volume its room back."""
        while self._full:
            self._full.pop().empty()

    def lose_volume(self, pod: Pod, instance: str) -> None:
        """Delete a pod without grace, and the volume with it; return once its processes are gone."""
        claims = f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims"
        self.devcluster.api.delete(f"{claims}/{names.data_volume_claim(instance)}")
        self.delete_pod(pod)

    # ------------------------------------------------------------ nodes

    def lead_services_by(self, node: NodeLayout) -> None:
        """Reach Services from this machine by the proxy of one node, which no fault of the run is for."""
        self._way = node
        network.route_services(self.devcluster.layout, node)

    def kill_node(self, node: NodeLayout) -> None:
        """Cut a node's power."""
        self._dead.append(node)
        self.devcluster.kill_node(node.name)
        self.lead_services_by(self._way)

    def start_node(self, node: NodeLayout) -> None:
        """Give a node its power back; what runs there comes back by itself."""
        self.devcluster.start_node(node.name)
        self.weights.put()
        self._dead.remove(node)
        self.lead_services_by(self._way)

    # ------------------------------------------------------------ API server and operator

    def refresh(self) -> None:
        """Start everything that watches the API server anew, now that it is back.

        Kubernetes waits longer with each refusal before it looks again, up to a minute, and forgets that after
        two minutes without one. Then proxies lead to the old primary and policies refuse the new addresses of
        pods: after one absence in every other run that would be most of what is measured.
        """
        layout = self.devcluster.layout
        for unit in controlplane.UNITS[2:]:
            controlplane.stop(layout, unit, force=True)
            controlplane.start(layout, str((layout.folder / "kube").resolve()), unit)
        self.weights.put()
        for node in self.devcluster.nodes:
            restart_watchers(node)

    def await_fresh(self) -> None:
        """Wait until proxies and DNS know the newest state."""
        wait_until("the proxies of the nodes and the DNS", self._is_fresh, seconds=OPERATOR_SECONDS)

    def _is_fresh(self) -> bool:
        proxies = [(node.address, 10256, "/healthz") for node in self.devcluster.nodes]
        return all(answers(*place) for place in [*proxies, (self.devcluster.layout.dns_address, 8181, "/ready")])

    def stop_api(self) -> None:
        """Kill the API server."""
        self.api_away = True
        self.devcluster.stop_apiserver()

    def start_api(self) -> None:
        """Start the API server again and wait until it answers."""
        self.devcluster.start_apiserver()
        self.weights.put()
        self.api_away = False

    def stop_operator(self) -> None:
        """Let the operator be gone, without a word of farewell."""
        self.operator_away = True
        self._scale(0)
        self.devcluster.api.delete(f"{_PODS}?{_OPERATOR}&gracePeriodSeconds=0")
        pods = f"{_PODS}?{_OPERATOR}"
        wait_until("the operator gone", lambda: not self.devcluster.api.get(pods)["items"], seconds=OPERATOR_SECONDS)

    def start_operator(self) -> None:
        """Let the operator start again; does not wait for it."""
        self.operator_away = False
        self._scale(1)

    def await_operator(self) -> None:
        """Wait until the operator serves."""

        def serves() -> bool:
            status: dict[str, Any] = self.devcluster.api.get(_DEPLOYMENT)["status"]
            return bool(status.get("readyReplicas"))

        wait_until("the operator serving", serves, seconds=OPERATOR_SECONDS)

    def _scale(self, replicas: int) -> None:
        body = {"spec": {"replicas": replicas}}
        self.devcluster.api.request("PATCH", f"{_DEPLOYMENT}/scale", body, kind="application/merge-patch+json")

    async def order_switchover(self, to: str) -> None:
        """Order a switchover with `kubectl covet`.

        Raises:
            DevclusterError: the command failed; the message is what it said.
        """
        environment = self.covet.place.environment()
        environment["PATH"] = f"{bootstrap.ROOT / '.venv' / 'bin'}{os.pathsep}{environment['PATH']}"
        shard = to.split("-")[-2]
        words = ("covet", "switchover", "shop", "-n", self.namespace, "--shard", shard, "--to", to)
        process = await asyncio.create_subprocess_exec(
            self.covet.kubectl_path,
            *words,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(ORDER_SECONDS):
            said, _ = await process.communicate()
        if process.returncode != 0:
            raise DevclusterError(f"kubectl covet switchover: {said.decode(errors='replace').strip()}")

    def keep_logs(self, folder: pathlib.Path) -> None:
        """Copy what control plane and nodes said, what the API server does now, and the nodes' rules, into a folder."""
        for log in self.devcluster.layout.logs.glob("*.log"):
            shutil.copy(log, folder)
        for name, path in INSIDE_API.items():
            try:
                text = str(self.devcluster.api.get(path))
            except (OSError, DevclusterError) as error:
                text = str(error)
            (folder / name).write_text(text)
        for node in self.devcluster.nodes:
            for log in node.logs.glob("*.log"):
                shutil.copy(log, folder / f"{node.name}-{log.name}")
            (folder / f"{node.name}-rules.txt").write_text(network.read_rules(node))

    def restore(self) -> None:
        """Undo every fault that is still in force, the way a person would: power, cables, then the rest."""
        self.thaw()
        self.go_on()
        self.give_room()
        for node in list(self._dead):
            self.start_node(node)
        if self.devcluster.cuts():
            self.devcluster.heal()
        if self.api_away:
            self.start_api()
            self.refresh()
        if self.operator_away:
            self.start_operator()


def restart_watchers(node: NodeLayout) -> None:
    """Kill everything on a node that watches the API server; its first process starts it again."""
    for pid in _children(nodes.first_process(node) or 0):
        command = processes.command(pid)
        if PROXY in command:
            processes.send(pid, signal.SIGSTOP)  # none runs while its leftovers are removed
            network.forget_stale_chains(node)
        if any(word in command for word in WATCHERS):
            processes.send(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    """Return the children of every thread of a process."""
    files = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for path in files for word in path.read_text().split()]


def answers(address: str, port: int, path: str) -> bool:
    """Tell whether something says that it is well."""
    connection = http.client.HTTPConnection(address, port, timeout=2.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    finally:
        connection.close()
