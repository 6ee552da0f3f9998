"""The life of one node: made, booted, killed, booted again, removed.

A node is a process tree with its own process, mount, host name and network
namespaces. Its disk is a folder and outlives its death; what a real machine
holds in memory (mounts, sockets, firewall, routes) does not.
"""

import json
import pathlib
import shutil

from tests.e2e.devcluster import certs, cgroups, network, nodeconfig, processes
from tests.e2e.devcluster.command import run
from tests.e2e.devcluster.errors import DevclusterError
from tests.e2e.devcluster.layout import NodeLayout

_UNSHARE = (
    "/usr/bin/unshare",
    "--mount",
    "--propagation=unchanged",
    "--uts",
    "--ipc",
    "--pid",
    "--fork",
    "--kill-child=SIGKILL",
)


def write_configuration(node: NodeLayout, authority: certs.Authority, kube: str) -> None:
    """Write all files a new node needs, certificates and kubeconfigs included."""
    folder = node.folder
    for path in (folder / "cni", folder / "var-log" / "containers", node.volume_files, node.logs):
        path.mkdir(parents=True, exist_ok=True)
    for key, value in nodeconfig.KERNEL_SETTINGS.items():
        setting = folder / "sys" / key
        setting.parent.mkdir(parents=True, exist_ok=True)
        setting.write_text(f"{value}\n")
    # containerd asks it for registries, and learns at once that there are none.
    (folder / "resolv.conf").write_text(f"nameserver {node.cluster.dns_address}\n")
    _issue(node, authority, "kubelet", f"system:node:{node.name}", ["system:nodes"])
    _issue(node, authority, "kube-proxy", "system:kube-proxy", [])
    _issue(node, authority, "agents", "devcluster:agents", [])
    serving = authority.issue(
        f"{node.name}-serving", f"system:node:{node.name}", addresses=[node.address], names=[node.name]
    )
    shutil.copy(serving.certificate, folder / "kubelet-serving.crt")
    shutil.copy(serving.key, folder / "kubelet-serving.key")
    (folder / "containerd.toml").write_text(nodeconfig.containerd(node))
    files = {
        "boot.json": nodeconfig.boot(node, kube),
        "kubelet.json": nodeconfig.kubelet(node),
        "kube-proxy.json": nodeconfig.kube_proxy(node),
        "netpol.json": nodeconfig.netpol(node),
        "cni/10-devcluster.conflist": nodeconfig.cni(node),
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=1))


def start(node: NodeLayout, peers: list[NodeLayout], kube: str) -> None:
    """Plug the node in and boot it, unless it lives."""
    if processes.living(node.cluster.folder, node.unit) is not None:
        return
    network.remove_namespace(node)
    network.create_namespace(node)
    network.connect(node, peers)
    cgroups.create(node.cgroup)
    node.containerd_socket.unlink(missing_ok=True)
    enter = ("/usr/bin/nsenter", f"--net=/run/netns/{node.namespace}")
    boot = str(node.folder / "boot.json")
    processes.spawn(node.cluster.folder, node.unit, [*enter, *_UNSHARE, kube, "node", boot])


def kill(node: NodeLayout) -> None:
    """Cut the node's power: no process says goodbye, and no packet leaves any more.

    The cable goes first. Processes killed behind a living one would close their
    connections politely, which power loss does not.
    """
    if node.host_interface in network.links():
        run("ip", "link", "set", node.host_interface, "down")
    processes.stop(node.cluster.folder, node.unit, force=True)
    network.remove_namespace(node)
    cgroups.remove(node.cgroup)


def first_process(node: NodeLayout) -> int | None:
    """The process id, on the machine, of the node's PID 1; None if the node is off."""
    outer = processes.living(node.cluster.folder, node.unit)
    if outer is None:
        return None
    children = pathlib.Path(f"/proc/{outer}/task/{outer}/children")
    pids = children.read_text().split() if children.exists() else []
    return int(pids[0]) if pids else None


def command_inside(node: NodeLayout, *argv: str) -> list[str]:
    """The command line that runs ``argv`` inside the node: its mounts, network and processes.

    Raises DevclusterError if the node is off.
    """
    pid = first_process(node)
    if pid is None:
        raise DevclusterError(f"{node.name} of {node.cluster.name} is off")
    return ["nsenter", f"--target={pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--", *argv]


def _issue(node: NodeLayout, authority: certs.Authority, stem: str, user: str, groups: list[str]) -> None:
    pair = authority.issue(f"{node.name}-{stem}", user, groups=groups)
    context = node.cluster.context
    config = certs.kubeconfig(node.cluster.server, authority.pair, pair, context, user)
    path = node.folder / f"{stem}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
