"""What is read out of the rules of a node."""

from tests.e2e.devcluster import network


def test_an_endpoint_chain_without_a_rule_is_a_leftover_of_a_proxy() -> None:
    """Chains of other kinds may be empty, and a chain with a rule is in use."""
    table = {
        "nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"table": {"family": "ip", "name": "kube-proxy"}},
            {"chain": {"table": "kube-proxy", "name": "services"}},
            {"chain": {"table": "kube-proxy", "name": "service-X-a/shop-rw/tcp/sql"}},
            {"chain": {"table": "kube-proxy", "name": "endpoint-Z-a/shop-rw/tcp/sql__10.244.2.2/5432"}},
            {"chain": {"table": "kube-proxy", "name": "endpoint-Y-a/shop-rw/tcp/sql__10.244.1.2/5432"}},
            {"rule": {"table": "kube-proxy", "chain": "endpoint-Y-a/shop-rw/tcp/sql__10.244.1.2/5432"}},
        ]
    }
    assert ["endpoint-Z-a/shop-rw/tcp/sql__10.244.2.2/5432"] == network.stale_chains(table)


def test_a_node_without_a_proxy_has_no_leftovers() -> None:
    """It was started a moment ago, or is off."""
    assert [] == network.stale_chains({"nftables": []})
