"""Two clusters on one machine share no name and no address."""

import ipaddress
import itertools
import pathlib

import pytest

from tests.e2e.devcluster import layout

CLUSTERS = [layout.Layout(f"c{index}", index, pathlib.Path("/state")) for index in range(layout.MAX_CLUSTERS)]


@pytest.mark.parametrize("network", ["node_network", "pod_network", "service_network"])
def test_networks_of_clusters_are_disjoint(network: str) -> None:
    """No address belongs to two clusters, however many run."""
    networks = [ipaddress.ip_network(getattr(cluster, network)) for cluster in CLUSTERS]
    assert [] == [(a, b) for a, b in itertools.combinations(networks, 2) if a.overlaps(b)]


def test_pods_of_a_node_lie_within_their_cluster() -> None:
    """The pods of every possible node are in the network that kube-proxy takes for the pods'."""
    for cluster in CLUSTERS:
        network = ipaddress.ip_network(cluster.pod_network)
        cidrs = [ipaddress.ip_network(cluster.node(n).pod_cidr) for n in range(1, layout.MAX_NODES + 1)]
        assert all(cidr.subnet_of(network) for cidr in cidrs)  # type: ignore[arg-type]  # both are IPv4 networks
        assert layout.MAX_NODES == len(set(cidrs))


def test_interface_names_fit_the_kernel() -> None:
    """Linux cuts interface names at 15 characters."""
    names = [cluster.node(layout.MAX_NODES).host_interface for cluster in CLUSTERS]
    assert max(len(name) for name in names) <= 15
    assert len(CLUSTERS) == len(set(names))


def test_network_cards_are_told_apart() -> None:
    """No two nodes of the machine have the same hardware address."""
    nodes = [cluster.node(number) for cluster in CLUSTERS for number in range(1, layout.MAX_NODES + 1)]
    assert len(nodes) == len({node.hardware_address for node in nodes})


def test_socket_path_fits_the_kernel() -> None:
    """A Unix socket's path has at most 107 bytes, also for the longest name."""
    cluster = layout.Layout("a" * 20, 0, pathlib.Path("/var/lib/covet-devcluster"))
    assert len(f"{cluster.node(15).containerd_socket}.ttrpc") <= 107


@pytest.mark.parametrize(("text", "name"), [("dev", "dev"), ("covet-dev", "dev"), ("a-1", "a-1")])
def test_context_means_the_cluster(text: str, name: str) -> None:
    """The name of the context may be given where the cluster's is asked for."""
    assert name == layout.clean_name(text)


@pytest.mark.parametrize("text", ["", "Dev", "../dev", "a" * 21, "dev-", "1dev", "a b", "covet-"])
def test_names_that_cannot_be_folders_are_refused(text: str) -> None:
    """What could leave the state folder or break a namespace's name never gets that far."""
    with pytest.raises(ValueError, match="cluster name"):
        layout.clean_name(text)


def test_state_and_cache_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """COVET_STATE and COVET_CACHE decide where things go; else the machine's and the user's own places."""
    monkeypatch.setenv("COVET_STATE", "/elsewhere")
    monkeypatch.setenv("COVET_CACHE", "/cache")
    assert (pathlib.Path("/elsewhere"), pathlib.Path("/cache")) == (layout.state_root(), layout.cache_root())
    monkeypatch.delenv("COVET_STATE")
    monkeypatch.delenv("COVET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert pathlib.Path("/var/lib/covet-devcluster") == layout.state_root()
    assert pathlib.Path("/xdg/covet") == layout.cache_root()
