"""What the failure bench does to a devcluster leaves the cluster as a real one would be."""

from typing import Any

import pytest

from benchmarks.nemesis import ground
from tests.e2e.devcluster import network
from tests.e2e.devcluster.api import wait_until
from tests.e2e.devcluster.cluster import Devcluster
from tests.e2e.devcluster.layout import NodeLayout
from tests.e2e.installation import Installation
from tests.e2e.target import Target

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(300)]

SECONDS = 60
NAME = "back"


def service(namespace: str) -> dict[str, Any]:
    """Return a Service without pods."""
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    metadata = {"name": NAME, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}


def leading_to(namespace: str, address: str, port: int) -> dict[str, Any]:
    """Return what lets the Service lead to an address."""
    labels = {"kubernetes.io/service-name": NAME, "endpointslice.kubernetes.io/managed-by": "test"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": NAME, "namespace": namespace, "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }


def has_left(node: NodeLayout, namespace: str) -> bool:
    """Return whether the node's proxy stopped leading to the DNS."""
    rules = network.read_rules(node)
    stale = [chain for chain in network.find_stale_chains(node) if f"{namespace}/{NAME}/" in chain]
    return bool(stale) or f"{namespace}/{NAME}/tcp/http__{node.cluster.dns_address}/" not in rules


@pytest.mark.usefixtures("covet")
def test_a_service_leads_back_to_an_address_that_left_before_the_proxies_were_started_anew(
    place: Target, covet: Installation, namespace: str
) -> None:
    """The proxies of Kubernetes 1.33 and later would take the emptied chain of that address for whole."""
    name = place.devcluster_name()
    if name is None:
        pytest.skip("only a devcluster's proxies can be killed")
    devcluster, found = Devcluster.attach(name), ground.Ground(covet, name, namespace)
    way = devcluster.nodes[0]
    found.lead_services_by(way)
    layout = devcluster.layout
    dns = leading_to(namespace, layout.dns_address, 8181)
    devcluster.api.apply(dns)
    address = devcluster.api.apply(service(namespace))["spec"]["clusterIP"]

    def leads() -> bool:
        return ground.answers(address, 80, "/ready")

    wait_until("the Service leading to the DNS", leads, seconds=SECONDS)
    devcluster.api.apply(leading_to(namespace, layout.address, 6443))
    wait_until("the Service leading elsewhere", lambda: has_left(way, namespace), seconds=SECONDS)
    ground.restart_watchers(way)
    devcluster.api.apply(dns)
    wait_until("the Service leading back", leads, seconds=SECONDS)
