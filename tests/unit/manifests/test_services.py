"""Services and the slice that says who takes writes."""

import pytest

from covet.core import names
from covet.manifests import metadata, services
from tests.unit.manifests import samples


def test_peers_find_each_other_before_they_are_ready() -> None:
    """A cohort that cannot speak before it is ready never becomes ready."""
    found = services.headless(samples.CLUSTER, "s0")
    assert "shop-s0" == found["metadata"]["name"]
    assert ("None", True) == (found["spec"]["clusterIP"], found["spec"]["publishNotReadyAddresses"])
    assert {"sql": 5432, "agent": 7443, "voter": 7444} == {
        port["name"]: port["port"] for port in found["spec"]["ports"]
    }


def test_nothing_but_the_slice_decides_where_writes_go() -> None:
    """A selector would let labels and readiness decide, which are late and may lie."""
    found = services.read_write(samples.CLUSTER, "s0")
    assert "shop-s0-rw" == found["metadata"]["name"]
    assert "selector" not in found["spec"]


def test_reads_go_to_ready_replicas_of_the_shard() -> None:
    """The primary is not among them, nor another shard's replica."""
    found = services.read_only(samples.CLUSTER, "s0")
    assert {names.LABEL_CLUSTER: "shop", names.LABEL_SHARD: "s0", names.LABEL_ROLE: "replica"} == (
        found["spec"]["selector"]
    )
    assert "publishNotReadyAddresses" not in found["spec"]


def test_the_slice_names_the_primary() -> None:
    """It belongs to the Service and to us, and its port carries the Service's port name."""
    found = services.read_write_slice(samples.CLUSTER, "s0", "shop-s0-b", "10.244.2.9", "node-2")
    labels = found["metadata"]["labels"]
    assert ("shop-s0-rw", "covet") == (labels[services.LABEL_SERVICE], labels[services.LABEL_SLICE_MANAGER])
    (endpoint,) = found["endpoints"]
    assert (["10.244.2.9"], "node-2", "shop-s0-b-0") == (
        endpoint["addresses"],
        endpoint["nodeName"],
        endpoint["targetRef"]["name"],
    )
    (port,) = services.read_write(samples.CLUSTER, "s0")["spec"]["ports"]
    assert [{"name": port["name"], "port": port["port"], "protocol": "TCP"}] == found["ports"]


@pytest.mark.parametrize(("primary", "address"), [(None, None), ("shop-s0-a", None), (None, "10.244.2.9")])
def test_without_a_primary_the_slice_is_empty(primary: str | None, address: str | None) -> None:
    """A write that reaches nobody fails at once; one that reaches a replica would be refused late."""
    assert [] == services.read_write_slice(samples.CLUSTER, "s0", primary, address)["endpoints"]


def test_the_slice_takes_either_family_of_addresses() -> None:
    """IPv6 clusters have IPv6 pods."""
    assert "IPv6" == services.read_write_slice(samples.CLUSTER, "s0", "shop-s0-a", "fd00::7")["addressType"]
    assert "IPv4" == services.read_write_slice(samples.CLUSTER, "s0", "shop-s0-a", "10.0.0.7")["addressType"]


def test_a_slice_keeps_its_family() -> None:
    """The API server lets nobody change it: an address of the other family stays out."""
    found = services.read_write_slice(samples.CLUSTER, "s0", "shop-s0-a", "fd00::7", family="IPv4")
    assert ("IPv4", []) == (found["addressType"], found["endpoints"])


def test_a_slice_without_a_known_node_names_none() -> None:
    """A pod that was not scheduled yet has no node."""
    found = services.read_write_slice(samples.CLUSTER, "s0", "shop-s0-a", "10.0.0.7")
    assert "nodeName" not in found["endpoints"][0]


def test_services_go_with_their_cluster() -> None:
    """Each of them is owned."""
    for made in (services.headless, services.read_write, services.read_only):
        assert [metadata.owner(samples.CLUSTER)] == made(samples.CLUSTER, "s0")["metadata"]["ownerReferences"]
