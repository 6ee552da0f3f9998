"""Restarts in order on a real Kubernetes: evictions through the disruption budget, templates, one switchover."""

import datetime as dt

import pytest

from tests.e2e.cluster import shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.installation import Installation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

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


def pods(shop: Shop) -> dict[str, tuple[str, str]]:
    """Return uid and moment of creation of each instance's pod."""
    return {
        pod["metadata"]["name"].removesuffix("-0"): (pod["metadata"]["uid"], pod["metadata"]["creationTimestamp"])
        for pod in shop.items("pods")
    }


def test_an_edit_and_an_order_restart_replicas_first_and_the_primary_last(shop: Shop) -> None:
    """Each pod is made anew, the former primary's last, with one switchover each time; then nothing waits."""
    for ordered in (False, True):
        before, (shard,) = pods(shop), shop.status()["shards"]
        if ordered:
            now = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
            shop.kubectl("annotate", "covetcluster", "shop", f"covet.dev/restart={now:%Y-%m-%dT%H:%M:%SZ}")
        else:
            shop.declare(**CHANGED)
        shops.until(lambda was=before: not set(was.values()) & set(pods(shop).values()), 400, lambda: str(pods(shop)))  # type: ignore[misc]  # bound now, for each turn
        shop.await_ready(120)
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
