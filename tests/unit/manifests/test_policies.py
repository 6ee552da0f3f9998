"""Who may reach the pods of a shard, and how many of them may be taken away at once."""

from typing import Any

from covet.core import names
from covet.manifests import metadata, policies
from tests.unit.manifests import samples

SHARD = {names.LABEL_CLUSTER: "shop", names.LABEL_SHARD: "s0"}


def admitted(spec: dict[str, Any], side: str, peer: str) -> list[list[int]]:
    """Return the ports of each rule without a peer."""
    return [[port["port"] for port in rule["ports"]] for rule in spec[side] if peer not in rule]


def test_only_the_sql_port_is_open_to_all() -> None:
    """TLS and a password guard it; everything else asks who is there."""
    spec = policies.network(samples.CLUSTER, "s0", "covet-system", (443, 6443))["spec"]
    assert [[5432]] == admitted(spec, "ingress", "from")


def test_peers_of_the_shard_reach_each_other() -> None:
    """Agents, voters and replication, both ways, within the shard."""
    spec = policies.network(samples.CLUSTER, "s0", "covet-system", (443, 6443))["spec"]
    peers = [{"podSelector": {"matchLabels": SHARD}}]
    ports = [{"protocol": "TCP", "port": port} for port in (7443, 7444, 5432)]
    assert {"from": peers, "ports": ports} == spec["ingress"][0]
    assert {"to": peers, "ports": ports} == spec["egress"][0]
    assert SHARD == spec["podSelector"]["matchLabels"]


def test_the_operator_and_routers_reach_the_agents_and_nothing_more() -> None:
    """It is known by its namespace and its labels together, routers by their cluster."""
    rule = policies.network(samples.CLUSTER, "s0", "covet-system", (443, 6443))["spec"]["ingress"][1]
    (peer, routers) = rule["from"]
    assert {"kubernetes.io/metadata.name": "covet-system"} == peer["namespaceSelector"]["matchLabels"]
    assert {names.LABEL_APP: "covet", names.LABEL_COMPONENT: "operator"} == peer["podSelector"]["matchLabels"]
    assert {names.LABEL_CLUSTER: "shop", names.LABEL_COMPONENT: "router"} == routers["podSelector"]["matchLabels"]
    assert [7443] == [port["port"] for port in rule["ports"]]


def test_out_go_peers_names_and_a_word_to_the_api_server_only() -> None:
    """What a database that was broken into could call is narrow: two ports, and DNS."""
    spec = policies.network(samples.CLUSTER, "s0", "covet-system", (443, 6443))["spec"]
    assert ["Ingress", "Egress"] == spec["policyTypes"]
    assert [[53, 53, 5353, 5353], [443, 6443]] == admitted(spec, "egress", "to")
    (dns, _) = [rule["ports"] for rule in spec["egress"] if "to" not in rule]
    assert {("UDP", 53), ("TCP", 53), ("UDP", 5353), ("TCP", 5353)} == {(p["protocol"], p["port"]) for p in dns}
    assert 3 == len(spec["egress"])


def test_drains_take_one_instance_of_a_shard_at_a_time() -> None:
    """Two nodes that are drained together leave each shard its quorum."""
    found = policies.disruption_budget(samples.CLUSTER, "s0")
    assert {"maxUnavailable": 1, "selector": {"matchLabels": SHARD}} == found["spec"]
    assert [metadata.owner(samples.CLUSTER)] == found["metadata"]["ownerReferences"]
