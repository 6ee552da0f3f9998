"""Restarts in order on a real Kubernetes: evictions through the disruption budget, templates, one switchover."""

import datetime as dt
from collections.abc import Callable

import pytest

from tests.e2e.cluster import shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.cluster.writing import write_during
from tests.e2e.installation import Installation
from tests.e2e.target import Target

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

Pods = dict[str, tuple[str, str]]
SWITCHOVER_SECONDS = 10.0
"""Bound of a switchover on a busy machine; benchmarks/nemesis measures what it takes."""
CHANGED = {
    "engine": {"name": "PostgreSQL", "version": "15", "parameters": {"max_connections": 250}},
    "shards": {"count": 1},
    "resources": {"requests": {"memory": "300Mi"}},
}


@pytest.fixture
def shop(covet: Installation, namespace: str) -> Shop:
    """One shard of three, ready."""
    found = Shop(covet, namespace)
    found.declare(shards={"count": 1})
    found.await_ready()
    return found


def edit(shop: Shop) -> None:
    """Change what only a restart puts in force."""
    shop.declare(**CHANGED)


def order(shop: Shop) -> None:
    """Order a restart, as `kubectl covet restart` does."""
    now = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    shop.kubectl("annotate", "covetcluster", "shop", f"covet.dev/restart={now:%Y-%m-%dT%H:%M:%SZ}")


def pods(shop: Shop) -> Pods:
    """Return uid and moment of creation of each instance's pod."""
    return {
        pod["metadata"]["name"].removesuffix("-0"): (pod["metadata"]["uid"], pod["metadata"]["creationTimestamp"])
        for pod in shop.items("pods")
    }


def test_an_edit_and_an_order_restart_replicas_first_and_the_primary_last(shop: Shop, place: Target) -> None:
    """Each pod is made anew, the former primary's last, with one switchover each time; clients write through it."""
    devcluster = place.devcluster_name()
    for change in (edit, order):
        before, (shard,) = pods(shop), shop.status()["shards"]

        def restart(change: Callable[[Shop], None] = change, was: Pods = before) -> None:
            change(shop)
            shops.until(lambda: not set(was.values()) & set(pods(shop).values()), 400, lambda: str(pods(shop)))
            shop.await_ready(120)

        if change is edit and devcluster is not None:
            told = write_during(shop, devcluster, restart)
            assert ((), (shard["term"], shard["term"] + 1)) == (told.problems, told.terms)
            assert told.acknowledged > 100
            assert told.silence < SWITCHOVER_SECONDS
        else:
            restart()
        after, (last,) = pods(shop), shop.status()["shards"]
        assert max(created for _, created in after.values()) == after[shard["primary"]][1]
        assert shard["term"] + 1 == last["term"]
        assert "Switchover" == last["lastFailover"]["reason"]
    value = shop.kubectl(
        "exec", "shop-s0-a-0", "--", "/usr/lib/postgresql/15/bin/psql", "-h", "/run/covet", "-U", "covet", "-d",
        "postgres", "-Atc", "SHOW max_connections",
    )  # fmt: skip
    assert "250" == value.strip()
    assert 0 == shop.restarts()
