"""Where everything of one cluster is: folders, addresses, names.

Two clusters share a machine without meeting: each has an index, and every
address, interface and folder is derived from the index or the name. Nothing
else in this package makes up a path or an address.
"""

import dataclasses
import os
import pathlib
import re

MAX_CLUSTERS = 16
MAX_NODES = 15
NAME_PATTERN = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")
CONTEXT_PREFIX = "covet-"


def state_root() -> pathlib.Path:
    """The folder that holds one folder per cluster: ``COVET_STATE`` or ``/var/lib/covet-devcluster``."""
    return pathlib.Path(os.environ.get("COVET_STATE") or "/var/lib/covet-devcluster").absolute()


def cache_root() -> pathlib.Path:
    """The folder for what is built or fetched once: ``COVET_CACHE``, or ``covet`` in the user's cache."""
    if chosen := os.environ.get("COVET_CACHE"):
        return pathlib.Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (pathlib.Path(base) if base else pathlib.Path.home() / ".cache") / "covet"


@dataclasses.dataclass(frozen=True)
class NodeLayout:
    """Folders, addresses and names of one node; ``number`` starts at 1."""

    cluster: "Layout"
    number: int

    @property
    def name(self) -> str:
        """The Kubernetes name of the node."""
        return f"node-{self.number}"

    @property
    def unit(self) -> str:
        """The name under which the node's processes are recorded."""
        return self.name

    @property
    def folder(self) -> pathlib.Path:
        """All files of the node; they outlive its death, as a disk does."""
        return self.cluster.folder / "nodes" / self.name

    @property
    def address(self) -> str:
        """The node's address on the cluster's bridge."""
        return f"10.200.{self.cluster.index}.{10 + self.number}"

    @property
    def pod_cidr(self) -> str:
        """The 254 addresses its pods get."""
        return f"10.244.{self.cluster.index * 16 + self.number}.0/24"

    @property
    def pod_gateway(self) -> str:
        """The node's own address among its pods."""
        return f"10.244.{self.cluster.index * 16 + self.number}.1"

    @property
    def namespace(self) -> str:
        """The name of its network namespace on the machine."""
        return f"covet-{self.cluster.name}-{self.name}"

    @property
    def hardware_address(self) -> str:
        """The address of its network card, which a reboot does not change."""
        return f"02:c0:7e:{self.cluster.index:02x}:00:{self.number:02x}"

    @property
    def host_interface(self) -> str:
        """The machine's end of the node's cable."""
        return f"cvt{self.cluster.index}n{self.number}"

    @property
    def containerd_socket(self) -> pathlib.Path:
        """The node's container runtime."""
        return self.folder / "containerd.sock"

    @property
    def logs(self) -> pathlib.Path:
        """One file per process of the node."""
        return self.folder / "logs"

    @property
    def volumes(self) -> pathlib.Path:
        """Where the node's volumes are mounted; a file system in memory while it runs."""
        return self.folder / "volumes"

    @property
    def volume_files(self) -> pathlib.Path:
        """The disks behind the volumes: one file each."""
        return self.folder / "volume-files"

    @property
    def cgroup(self) -> str:
        """The node's place below every cgroup hierarchy."""
        return f"{self.cluster.cgroup}/{self.name}"


@dataclasses.dataclass(frozen=True)
class Layout:
    """Folders, addresses and names of one cluster; ``index`` is below ``MAX_CLUSTERS``."""

    name: str
    index: int
    root: pathlib.Path

    @property
    def folder(self) -> pathlib.Path:
        """All files of the cluster."""
        return self.root / self.name

    @property
    def context(self) -> str:
        """The context in the kubeconfig; the tests refuse any that does not start with ``covet-``."""
        return f"{CONTEXT_PREFIX}{self.name}"

    @property
    def kubeconfig(self) -> pathlib.Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    @property
    def pki(self) -> pathlib.Path:
        """Keys and certificates."""
        return self.folder / "pki"

    @property
    def logs(self) -> pathlib.Path:
        """One file per process of the control plane, and the audit log."""
        return self.folder / "logs"

    @property
    def audit_log(self) -> pathlib.Path:
        """Every request to the API server, one JSON object a line."""
        return self.logs / "audit.log"

    @property
    def cgroup(self) -> str:
        """The cluster's place below every cgroup hierarchy."""
        return f"/covet-devcluster-{self.name}"

    @property
    def bridge(self) -> str:
        """The switch that joins the nodes and the control plane."""
        return f"cvt{self.index}"

    @property
    def hardware_address(self) -> str:
        """The address of the machine's own network card on that switch; nodes count from 1."""
        return f"02:c0:7e:{self.index:02x}:00:00"

    @property
    def node_network(self) -> str:
        """The network of that switch."""
        return f"10.200.{self.index}.0/24"

    @property
    def address(self) -> str:
        """The control plane's address, for nodes and for the machine."""
        return f"10.200.{self.index}.1"

    @property
    def dns_address(self) -> str:
        """CoreDNS's own address on the switch, behind the Service of ``service_dns``."""
        return f"10.200.{self.index}.2"

    @property
    def loopback(self) -> str:
        """The loopback address of what only the machine itself may reach (etcd)."""
        return f"127.77.{self.index}.1"

    @property
    def pod_network(self) -> str:
        """All pods of the cluster."""
        return f"10.244.{self.index * 16}.0/20"

    @property
    def service_network(self) -> str:
        """All cluster IPs; of its own so that the machine can route to it."""
        return f"10.96.{self.index * 16}.0/20"

    @property
    def service_api(self) -> str:
        """The cluster IP of the API server."""
        return f"10.96.{self.index * 16}.1"

    @property
    def service_dns(self) -> str:
        """The cluster IP of CoreDNS."""
        return f"10.96.{self.index * 16}.10"

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://{self.address}:6443"

    @property
    def etcd(self) -> str:
        """The URL of etcd."""
        return f"http://{self.loopback}:2379"

    @property
    def faults_table(self) -> str:
        """The nftables table (family bridge) of the cuts."""
        return f"covet-{self.name}"

    def node(self, number: int) -> NodeLayout:
        """The layout of one node, 1 to ``MAX_NODES``."""
        return NodeLayout(self, number)


def clean_name(text: str) -> str:
    """The cluster's bare name: ``covet-dev``, the context, means ``dev``.

    Raises ValueError if it could not be part of a folder and of a namespace.
    """
    name = text.removeprefix(CONTEXT_PREFIX)
    if not NAME_PATTERN.fullmatch(name):
        message = f"cluster name {text!r}: use at most 20 of a-z, 0-9 and '-', beginning with a letter"
        raise ValueError(message)
    return name
