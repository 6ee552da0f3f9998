"""The cluster's network: a bridge, and for each node a namespace with a cable to it.

Nothing is translated between pods and nodes: pods are reached by a static
route through their node, so an address seen by a server is the client's own.
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from tests.e2e.devcluster.api import wait_until
from tests.e2e.devcluster.command import run
from tests.e2e.devcluster.errors import DevclusterError
from tests.e2e.devcluster.layout import Layout, NodeLayout

_NETNS = pathlib.Path("/run/netns")
_PROXY_TABLE = "kube-proxy"
_NODE_SETTINGS = {
    "net.ipv4.ip_forward": 1,
    # kube-proxy sends traffic of the node itself to cluster IPs by way of these.
    "net.ipv4.conf.all.route_localnet": 1,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
}


def create_bridge(layout: Layout) -> None:
    """Make the switch and give the control plane and CoreDNS their addresses on it.

    Raises DevclusterError if the machine already uses the network.
    """
    _refuse_foreign_network(layout)
    # Without an address of its own a bridge takes the lowest of its cables', and changes it when a node dies:
    # the other nodes would then talk for half a minute to a card that is gone.
    card = ("address", layout.hardware_address)
    run("ip", "link", "add", layout.bridge, *card, "type", "bridge", "forward_delay", 0)
    for address in (layout.address, layout.dns_address):
        run("ip", "address", "add", f"{address}/24", "dev", layout.bridge, "noprefixroute")
    run("ip", "link", "set", layout.bridge, "up")
    run("ip", "route", "add", layout.node_network, "dev", layout.bridge, "src", layout.address)


def create_namespace(node: NodeLayout) -> None:
    """Make the node's network namespace and plug it into the switch."""
    inside = ("ip", "-n", node.namespace)
    bridge = node.cluster.bridge
    run("ip", "netns", "add", node.namespace)
    card = ("address", node.hardware_address, "netns", node.namespace)
    run("ip", "link", "add", node.host_interface, "type", "veth", "peer", "name", "eth0", *card)
    run("ip", "link", "set", node.host_interface, "master", bridge, "up")
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "address", "add", f"{node.address}/24", "dev", "eth0")
    run(*inside, "link", "set", "eth0", "up")
    # There is no default route: nothing here leaves the machine, and what tries is told so at once.
    run(*inside, "route", "add", node.cluster.service_network, "dev", "eth0")
    settings = [f"{key}={value}" for key, value in _NODE_SETTINGS.items()]
    run(*_inside(node), "sysctl", "-qw", *settings)


def connect(node: NodeLayout, peers: list[NodeLayout]) -> None:
    """Route the node's pods from the machine, and the pods of every peer from the node.

    The routes of the node's namespace are gone with it when it dies, those of
    the others towards it stay: so each node sees to its own.
    """
    run("ip", "route", "replace", node.pod_cidr, "via", node.address)
    for peer in peers:
        if peer.number != node.number:
            run("ip", "-n", node.namespace, "route", "replace", peer.pod_cidr, "via", peer.address)


def route_services(layout: Layout, node: NodeLayout) -> None:
    """Let the machine reach cluster IPs: the kube-proxy of ``node`` answers for them."""
    run("ip", "route", "replace", layout.service_network, "via", node.address, "src", layout.address)


def has_policy_table(node: NodeLayout) -> bool:
    """Whether the node's NetworkPolicy agent has written its first table."""
    return bool(run(*_inside(node), "nft", "list", "table", "ip", "covet-netpol", check=False))


def read_rules(node: NodeLayout) -> str:
    """Return what proxy and policies of a node do with packets, as nft prints it; empty if the node is off."""
    return run(*_inside(node), "nft", "list", "ruleset", check=False)


def forget_stale_chains(node: NodeLayout) -> None:
    """Remove the endpoint chains that the node's kube-proxy emptied and has not removed yet.

    To be called while none runs there. It removes a chain only with the first change that comes a second after the
    one that emptied it. Should it end before, the next one (of 1.33 and later) takes every endpoint chain that it
    finds for whole: if the address is an endpoint again by then, its Service leads nowhere, for up to an hour.

    Raises DevclusterError if the kernel does not let go of them.
    """
    wait_until(f"empty chains of {node.name} gone", lambda: not _remove(node, find_stale_chains(node)), seconds=5)


def find_stale_chains(node: NodeLayout) -> list[str]:
    """Return the names of the endpoint chains of the node's kube-proxy that are empty."""
    listed = run(*_inside(node), "nft", "--json", "list", "table", "ip", _PROXY_TABLE, check=False)
    return stale_chains(json.loads(listed or '{"nftables": []}'))


def stale_chains(table: Mapping[str, Any]) -> list[str]:
    """Return the names of the endpoint chains without a rule in a table as nft prints it in JSON. Pure."""
    entries = table["nftables"]
    ruled = {entry["rule"]["chain"] for entry in entries if "rule" in entry}
    chains = [entry["chain"]["name"] for entry in entries if "chain" in entry]
    return sorted(name for name in chains if name.startswith("endpoint-") and name not in ruled)


def _remove(node: NodeLayout, chains: list[str]) -> list[str]:
    """Remove these chains; older kernels let go of one only a moment after the last rule that leads there."""
    if chains:
        commands = "".join(f"delete chain ip {_PROXY_TABLE} {chain}\n" for chain in chains)
        run(*_inside(node), "nft", "-f", "-", stdin=commands, check=False)
    return chains


def _inside(node: NodeLayout) -> tuple[str, str]:
    return ("nsenter", f"--net={_NETNS / node.namespace}")


def remove_namespace(node: NodeLayout) -> None:
    """Unplug and remove the node's namespace, if it is there."""
    if node.host_interface in links():
        run("ip", "link", "delete", node.host_interface, check=False)
    if (_NETNS / node.namespace).exists():
        run("ip", "netns", "delete", node.namespace)


def remove_all(layout: Layout) -> None:
    """Remove every interface and namespace of the cluster, also those of a half-done ``up``."""
    for link in links():
        if link.startswith(f"{layout.bridge}n"):
            run("ip", "link", "delete", link, check=False)
    for path in _NETNS.glob(f"covet-{layout.name}-node-*"):
        if path.name.removeprefix(f"covet-{layout.name}-node-").isdigit():
            run("ip", "netns", "delete", path.name)
    if layout.bridge in links():
        run("ip", "link", "delete", layout.bridge)


def links() -> list[str]:
    """Return the names of the interfaces of this network namespace, which /sys may not be of."""
    return [link["ifname"] for link in json.loads(run("ip", "-json", "link", "show") or "[]")]


def _refuse_foreign_network(layout: Layout) -> None:
    for network in (layout.node_network, layout.pod_network, layout.service_network):
        taken = json.loads(run("ip", "-json", "route", "show", "root", network) or "[]")
        if taken:
            device = taken[0].get("dev", "another interface")
            raise DevclusterError(f"network {network} is in use on this machine by {device}")
