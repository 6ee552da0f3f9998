"""What may happen to a shard's pods: who may reach them, and how many may be taken away at once."""

from collections.abc import Iterable
from typing import Final

from covet.core import names
from covet.manifests import metadata
from covet.manifests.metadata import ClusterRef, Manifest

LABEL_NAMESPACE: Final = "kubernetes.io/metadata.name"
"""Label that the API server puts on every namespace, with its name."""
DNS_PORTS: Final = (53, 5353)
"""A policy sees the port of the DNS pod behind the Service: OpenShift's listen on 5353."""


def network(
    cluster: ClusterRef,
    shard: str,
    operator_namespace: str,
    api_ports: Iterable[int],
    scraper_namespaces: Iterable[str] = (),
) -> Manifest:
    """Return the NetworkPolicy of a shard's pods.

    The shard's agents reach each other, the operator and the cluster's routers reach the agents, anybody reaches the
    SQL port (TLS and a password guard it), named namespaces the metrics, and nothing else comes in.
    Out go questions to DNS, what the peers need, and a leader's word of itself to the API server,
    whose address nobody here knows.
    The kubelet's probes come from the node and are always let in.

    Args:
        cluster: whose shard it is.
        shard: name of the shard.
        operator_namespace: where the operator runs.
        api_ports: TCP ports of the API server, behind its Service.
        scraper_namespaces: whose pods may read the metrics.
    """
    pods = {"matchLabels": metadata.selector(cluster, shard)}
    peers = [{"podSelector": pods}]
    agents = ports(names.AGENT_PORT, names.VOTER_PORT, names.SQL_PORT)
    routers = {"podSelector": {"matchLabels": metadata.router_selector(cluster)}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata.owned(cluster, names.shard_set(cluster.name, shard), shard),
        "spec": {
            "podSelector": pods,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": peers, "ports": agents},
                {"from": [_operator(operator_namespace), routers], "ports": ports(names.AGENT_PORT)},
                {"ports": ports(names.SQL_PORT)},
                *(
                    {"from": [scraper], "ports": ports(names.METRICS_PORT)}
                    for scraper in namespaces(scraper_namespaces)
                ),
            ],
            "egress": [
                {"to": peers, "ports": agents},
                to_dns(),
                {"ports": ports(*api_ports)},
            ],
        },
    }


def disruption_budget(cluster: ClusterRef, shard: str) -> Manifest:
    """Return the PodDisruptionBudget of a shard: drains take one instance at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata.owned(cluster, names.shard_set(cluster.name, shard), shard),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": metadata.selector(cluster, shard)}},
    }


def _operator(namespace: str) -> Manifest:
    return {
        "namespaceSelector": {"matchLabels": {LABEL_NAMESPACE: namespace}},
        "podSelector": {
            "matchLabels": {names.LABEL_APP: names.APP, names.LABEL_COMPONENT: names.COMPONENT_OPERATOR},
        },
    }


def namespaces(wanted: Iterable[str]) -> list[Manifest]:
    """Return the peers of a policy that are all pods of these namespaces, one each."""
    return [{"namespaceSelector": {"matchLabels": {LABEL_NAMESPACE: name}}} for name in wanted]


def to_dns() -> Manifest:
    """Return the rule that lets questions to DNS out."""
    return {"ports": [{"protocol": protocol, "port": port} for port in DNS_PORTS for protocol in ("UDP", "TCP")]}


def ports(*wanted: int) -> list[Manifest]:
    """Return TCP ports as policies write them."""
    return [{"protocol": "TCP", "port": port} for port in wanted]
