"""One cluster from the outside: what the command line and the tests speak to."""

import concurrent.futures
import dataclasses
import functools
import pathlib
import shutil
from collections.abc import Callable, Sequence

from tests.e2e.devcluster import (
    addons,
    build,
    certs,
    cgroups,
    controlplane,
    faults,
    images,
    mounts,
    network,
    nodeconfig,
    nodes,
    preflight,
    processes,
    registry,
    volumes,
)
from tests.e2e.devcluster.api import Api, wait_until
from tests.e2e.devcluster.command import run
from tests.e2e.devcluster.errors import DevclusterError
from tests.e2e.devcluster.layout import MAX_NODES, Layout, NodeLayout, clean_name, state_root
from tests.e2e.devcluster.progress import Progress, Silence
from tests.e2e.devcluster.volumes import Volume

_READY_SECONDS = 90.0
_PATIENCE_SECONDS = 20.0
_ERASE_SECONDS = 300.0


@dataclasses.dataclass(frozen=True)
class NodeStatus:
    """What is known of one node: its power, and what the API server says."""

    name: str
    address: str
    running: bool
    ready: bool | None


class Devcluster:
    """A running cluster. Made by ``up`` or found by ``attach``; every method may be called from any process."""

    def __init__(self, layout: Layout, progress: Progress | None = None) -> None:
        self.layout = layout
        self._progress = progress or Silence()

    @classmethod
    def up(cls, name: str = "dev", *, node_count: int = 3, progress: Progress | None = None) -> "Devcluster":
        """Bring the cluster up and wait until every node is Ready; returns at once if it is.

        What an earlier run left behind, however it ended, is removed first.
        Raises DevclusterError with everything the machine lacks, or what went wrong.
        """
        name, progress = clean_name(name), progress or Silence()
        if not 1 <= node_count <= MAX_NODES:
            raise DevclusterError(f"a cluster has 1 to {MAX_NODES} nodes, not {node_count}")
        preflight.check()
        with registry.exclusive(name):
            found = registry.find(name)
            if found and cls(found, progress).is_whole(node_count):
                return cls(found, progress)
            binaries = build.binaries(progress)
            with progress.step("remove what an earlier run left"):
                _remove(name)
            cluster = cls(registry.claim(name, node_count), progress)
            cluster._create(binaries)
        return cluster

    @classmethod
    def attach(cls, name: str = "dev") -> "Devcluster":
        """The running cluster of that name. Raises DevclusterError if there is none."""
        layout = registry.find(clean_name(name))
        if layout is None or not layout.kubeconfig.exists():
            raise DevclusterError(f"no cluster {clean_name(name)!r} here; bring it up first")
        return cls(layout)

    @classmethod
    def down(cls, name: str = "dev", *, progress: Progress | None = None) -> None:
        """Remove the cluster without a trace, also one that is half there or not at all."""
        name, progress = clean_name(name), progress or Silence()
        with registry.exclusive(name), progress.step("remove the cluster"):
            _remove(name)

    @property
    def kubeconfig_path(self) -> pathlib.Path:
        """The administrator's kubeconfig; its context is ``covet-<name>``."""
        return self.layout.kubeconfig

    @property
    def api(self) -> Api:
        """The API server, as an administrator."""
        return controlplane.administrator(self.layout)

    @property
    def nodes(self) -> list[NodeLayout]:
        """The nodes, in order."""
        return [self.layout.node(number) for number in range(1, registry.node_count(self.layout) + 1)]

    def node(self, name: str) -> NodeLayout:
        """The node of that name. Raises DevclusterError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise DevclusterError(f"no node {name!r}: there are {', '.join(n.name for n in self.nodes)}")

    def is_whole(self, node_count: int) -> bool:
        """Whether every process lives, the API server answers and exactly ``node_count`` nodes are Ready."""
        if not self.layout.kubeconfig.exists() or len(self.nodes) != node_count:
            return False
        units = [*controlplane.UNITS, *(node.unit for node in self.nodes)]
        if any(processes.living(self.layout.folder, unit) is None for unit in units):
            return False
        # All processes live: a busy machine may only be slow to say so.
        try:
            wait_until("nodes Ready", lambda: all(s.ready for s in self.node_status()), seconds=_PATIENCE_SECONDS)
        except DevclusterError:
            return False
        return True

    def node_status(self) -> list[NodeStatus]:
        """Power and readiness of every node; readiness is None when the API server does not say."""
        try:
            listed = {item["metadata"]["name"]: item for item in self.api.get("/api/v1/nodes")["items"]}
        except (OSError, DevclusterError):
            listed = {}
        return [
            NodeStatus(
                node.name,
                node.address,
                processes.living(self.layout.folder, node.unit) is not None,
                _is_ready(listed[node.name]) if node.name in listed else None,
            )
            for node in self.nodes
        ]

    def wait_node(self, name: str, *, ready: bool, seconds: float = _READY_SECONDS) -> float:
        """Wait until the API server calls the node Ready, or not Ready; returns the seconds it took."""
        node = self.node(name)
        wanted = "Ready" if ready else "NotReady"
        path = f"/api/v1/nodes/{node.name}"
        return wait_until(f"{name} {wanted}", lambda: _is_ready(self.api.get(path)) is ready, seconds=seconds)

    def kill_node(self, name: str) -> None:
        """Cut the node's power; returns when nothing of it runs any more."""
        node = self.node(name)
        nodes.kill(node)
        self._route_services()

    def start_node(self, name: str) -> None:
        """Give the node its power back; it boots with the disk it had. Does not wait for Ready."""
        nodes.start(self.node(name), self.nodes, self._kube())
        self._route_services()

    def cut_node(self, name: str) -> None:
        """Take the node off the network; everything on it keeps running."""
        self._change_cuts(lambda cuts: cuts | set(faults.around(self.node(name).name, self.nodes)))

    def heal_node(self, name: str) -> None:
        """Undo every cut that touches the node."""
        self.node(name)
        self._change_cuts(lambda cuts: {c for c in cuts if name not in (c.source, c.target)})

    def cut(self, one: str, other: str, *, one_way: bool = False) -> None:
        """Drop what ``one`` sends to ``other`` (nodes, or ``control``), and the way back unless ``one_way``."""
        self._change_cuts(lambda cuts: cuts | set(faults.between(one, other, one_way=one_way)))

    def heal(self) -> None:
        """Undo every cut."""
        self._change_cuts(lambda _: set())

    def cuts(self) -> list[faults.Cut]:
        """The cuts in force."""
        return faults.current(self.layout)

    def stop_apiserver(self) -> None:
        """Kill the API server alone; everything else keeps running."""
        controlplane.stop(self.layout, "kube-apiserver", force=True)

    def start_apiserver(self) -> float:
        """Start the API server again; returns the seconds until it was ready."""
        controlplane.start(self.layout, str(self._kube()), "kube-apiserver")
        return controlplane.wait_ready(self.layout)

    def command_inside(self, name: str, *argv: str) -> list[str]:
        """The command line that runs ``argv`` inside the node. Raises DevclusterError if the node is off."""
        return nodes.command_inside(self.node(name), *argv)

    def volumes(self) -> list[Volume]:
        """The provisioned volumes, by claim; the bytes are those of the file system, None while its node is off."""
        return volumes.listing(self.api, self.nodes)

    def load_images(self, archives: Sequence[pathlib.Path]) -> list[str]:
        """Load oci-archives into every running node; returns a line for each."""
        running = [node for node in self.nodes if processes.living(self.layout.folder, node.unit) is not None]
        return images.load(archives, running)

    def _kube(self) -> str:
        """The binary this cluster was made with, which a later change of the sources does not replace."""
        return str((self.layout.folder / "kube").resolve())

    def _create(self, binaries: pathlib.Path) -> None:
        layout, progress = self.layout, self._progress
        (layout.folder / "kube").symlink_to(binaries / "kube")
        with progress.step("certificates and configuration"):
            controlplane.write_configuration(layout)
            authority = certs.Authority.read(layout.pki, "ca")
            for node in self.nodes:
                nodes.write_configuration(node, authority, self._kube())
            probe = layout.folder / "probe.tar"
            images.write_static_image(binaries / "probe", nodeconfig.PROBE_IMAGE, probe)
        with progress.step("network"):
            network.create_bridge(layout)
        with progress.step("API server"):
            controlplane.start(layout, self._kube(), "etcd")
            controlplane.start(layout, self._kube(), "kube-apiserver")
            controlplane.wait_ready(layout)
        with progress.step("controllers, scheduler, DNS, storage class"):
            for unit in controlplane.UNITS[2:]:
                controlplane.start(layout, self._kube(), unit)
            for manifest in addons.manifests(layout):
                self.api.apply(manifest)
        # Not sooner: an agent refused once, for want of its rights, would pause before it asks again.
        with progress.step("boot the nodes, load the pause image"):
            for node in self.nodes:
                nodes.start(node, self.nodes, self._kube())
            self._route_services()
            images.wait_ready(self.nodes)
            images.load([probe], self.nodes)
        with progress.step(f"{len(self.nodes)} nodes Ready"):
            for node in self.nodes:
                self.wait_node(node.name, ready=True)
                agent = functools.partial(network.has_policy_table, node)
                wait_until(f"policy agent of {node.name}", agent, seconds=30)

    def _route_services(self) -> None:
        """Let the machine reach cluster IPs by way of the first node that runs."""
        for node in self.nodes:
            if processes.living(self.layout.folder, node.unit) is not None:
                network.route_services(self.layout, node)
                return

    def _change_cuts(self, change: Callable[[set[faults.Cut]], set[faults.Cut]]) -> None:
        faults.apply(self.layout, change(set(faults.current(self.layout))))


def _remove(name: str) -> None:
    """Remove everything of the cluster; each part may be missing."""
    folder = state_root() / name
    processes.stop(folder, force=True)
    # The index decides only about interfaces, and those are found by name as well.
    layout = registry.find(name)
    if layout:
        faults.apply(layout, [])
        network.remove_all(layout)
        cgroups.remove(layout.cgroup)
    mounts.remove_below(folder)
    if folder.exists():
        _erase(folder)


def _erase(folder: pathlib.Path) -> None:
    """Remove the files of the cluster, each node's some 20,000 beside the others': they wait for the same disk."""
    disks = list((folder / "nodes").glob("*"))
    with concurrent.futures.ThreadPoolExecutor(max_workers=MAX_NODES) as pool:
        list(pool.map(lambda disk: run("rm", "-rf", disk, timeout=_ERASE_SECONDS), disks))
    shutil.rmtree(folder)


def _is_ready(node: dict[str, object]) -> bool:
    status = node.get("status")
    conditions = status.get("conditions", []) if isinstance(status, dict) else []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
