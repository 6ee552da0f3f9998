"""Maintenance of a real Kubernetes: its nodes are drained in turn, and the shards' disruption budgets set the pace."""

from collections.abc import Callable

import pytest

from tests.e2e.cluster.shops import Shop
from tests.e2e.cluster.test_failover import heard, shard
from tests.e2e.cluster.writing import write_during
from tests.e2e.installation import Installation
from tests.e2e.target import Target

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(900)]

SWITCHOVER_SECONDS = 10.0
"""Bound of a switchover on a busy machine; benchmarks/nemesis measures what it takes."""
DRAIN = ("--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector=covet.dev/cluster=shop", "--timeout=240s")


def test_three_nodes_drained_in_turn_cost_writers_a_switchover_each(
    covet: Installation, namespace: str, place: Target, record_property: Callable[[str, object], None]
) -> None:
    """Nobody waits between two drains: the budget holds the next one back until the instance before streams again."""
    devcluster = place.devcluster_name()
    if devcluster is None:
        pytest.skip("only a devcluster lets the writers in")
    shop = Shop(covet, namespace)
    shop.declare(shards={"count": 1})
    shop.await_ready()
    before = shard(shop)
    at = {entry["name"]: entry["node"] for entry in before["instances"]}
    first = at[before["primary"]]
    nodes = (first, *sorted(set(at.values()) - {first}))
    assert 3 == len(nodes)
    uids = {pod["metadata"]["uid"] for pod in shop.items("pods")}

    def drain() -> None:
        for node in nodes:
            try:
                shop.covet.kubectl("drain", node, *DRAIN)
            finally:
                shop.covet.kubectl("uncordon", node)
        shop.await_ready()

    told = write_during(shop, devcluster, drain)
    record_property("silence", round(told.silence, 2))
    record_property("acknowledged", told.acknowledged)
    record_property("terms", told.terms)
    assert () == told.problems
    assert told.silence < SWITCHOVER_SECONDS
    assert 2 <= len(told.terms) <= 4
    assert not uids & {pod["metadata"]["uid"] for pod in shop.items("pods")}
    assert heard(shop, "SwitchedOver")
    assert not heard(shop, "FailedOver")
