"""A shard that loses everything at once on a real Kubernetes: what comes back by itself, and what a person decides."""

from collections.abc import Callable
from typing import Any

import pytest

from covet.cli import failures
from tests.e2e.cluster import plugin, shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.cluster.test_failover import ask, heard, leads, published, shard
from tests.e2e.cluster.writing import write_during
from tests.e2e.installation import Installation
from tests.e2e.target import Target

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(1200)]

OUTAGE_SECONDS = 60.0
"""Within which a shard takes writes again after a total outage."""
PATIENCE = 300.0
"""Seconds after which `PromoteWithLoss` goes on."""
Record = Callable[[str, object], None]


@pytest.fixture
def shop(covet: Installation, namespace: str) -> Shop:
    """One shard of three, ready."""
    found = Shop(covet, namespace)
    found.declare(shards={"count": 1})
    found.await_ready()
    return found


def instances(shop: Shop) -> list[str]:
    """Return the names of the shard's instances, the primary first."""
    first = shard(shop)["primary"]
    return [first, *sorted(entry["name"] for entry in shard(shop)["instances"] if entry["name"] != first)]


def members(shop: Shop) -> dict[str, str | None]:
    """Return the member that each instance is."""
    return {entry["instance"]: entry.get("member") for entry in shard(shop)["members"]}


def kill(shop: Shop, *names: str) -> None:
    """Delete pods all at once, without grace."""
    shop.kubectl("delete", "pod", *(f"{name}-0" for name in names), "--grace-period=0", "--force")


def lose(shop: Shop, *names: str) -> None:
    """Delete claims and pods for good."""
    shop.kubectl("delete", "pvc", *(f"data-{name}-0" for name in names), "--wait=false")
    kill(shop, *names)


@pytest.mark.parametrize("loses", [False, True], ids=["every volume comes back", "the primary's volume is lost"])
def test_a_total_outage_ends_by_itself_and_nothing_is_lost(
    shop: Shop, place: Target, record_property: Record, loses: bool
) -> None:
    """All pods are killed at once: the shard takes writes within a minute, and a lost volume is copied anew."""
    devcluster = place.devcluster_name()
    if devcluster is None:
        pytest.skip("only a devcluster lets the writers in")
    first, *others = instances(shop)
    before = members(shop)
    _, term = published(shop)

    def strike() -> None:
        if loses:
            shop.kubectl("delete", "pvc", f"data-{first}-0", "--wait=false")
        kill(shop, first, *others)
        shops.until(lambda: published(shop)[1] > term and bool(published(shop)[0]), 4 * OUTAGE_SECONDS)
        shop.await_ready()

    told = write_during(shop, devcluster, strike)
    record_property("silence", round(told.silence, 2))
    record_property("acknowledged", told.acknowledged)
    assert () == told.problems
    assert told.silence < OUTAGE_SECONDS
    assert loses is (before[first] != members(shop)[first])
    assert [before[name] for name in others] == [members(shop)[name] for name in others]


def strand(shop: Shop) -> tuple[str, tuple[str, ...]]:
    """Lose the volumes of the primary and of a follower; return who is left and who is not, once that is told."""
    first, second, left = instances(shop)
    gone = tuple(sorted((first, second)))
    ask(shop, first, "CREATE TABLE kept AS SELECT 42 AS answer")
    shops.until(lambda: ask(shop, left, "SELECT to_regclass('kept') IS NOT NULL") == "t", 30)
    lose(shop, *gone)
    said = f"2 of 3 members elect a leader and 1 can be reached: no vote from {', '.join(gone)}"

    def told() -> bool:
        found = shop.condition("Ready")
        return found.get("reason") == "QuorumMissing" and said in found["message"]

    shops.until(told, 180, lambda: str(shop.status().get("conditions")))
    shops.until(lambda: shop.condition("Available")["status"] == "False", 60)
    assert "True" != shop.condition("Stalled").get("status")
    return left, gone


def check_forced(shop: Shop, left: str, gone: tuple[str, ...], record_property: Record) -> None:
    """Check that one leads with what it had, that the loss is told, and that the others are copied anew."""
    record_property("whole again", round(shop.await_ready(), 1))
    assert "42" == ask(shop, left, "SELECT answer FROM kept")
    last: dict[str, Any] = shard(shop)["lastFailover"]
    assert (left, "LossAccepted") == (last["to"], last["reason"])
    assert "discarded" not in last
    assert "PromotedWithLoss" in shop.warnings()
    (sentence,) = [event["message"] for event in shop.items("events") if event["reason"] == "PromotedWithLoss"]
    assert f"s0: {left} leads without {', '.join(gone)}" in sentence
    assert set(members(shop).values()) == set(shard(shop)["rule"]["cohort"])


def test_two_lost_volumes_of_three_wait_for_a_persons_order(shop: Shop, record_property: Record) -> None:
    """Nobody leads, and who is missing is said; only an order with --accept-loss passes, and the last one leads."""
    left, gone = strand(shop)
    why = plugin.run(shop, "why", shop.name, "--shard", "s0")
    assert "1 can promise" in why
    order = ("promote", shop.name, "--shard", "s0", "--instance", left)
    assert f"Not there: {', '.join(gone)}" in plugin.run(shop, *order, "--yes", code=int(failures.Exit.REFUSED))
    assert "primary" not in shard(shop)
    plugin.run(shop, *order, "--accept-loss", "--yes")
    record_property("ordered to leading", round(shops.until(lambda: leads(shop, left), 90), 1))
    check_forced(shop, left, gone, record_property)
    assert heard(shop, "OrderDone")


def test_two_lost_volumes_of_three_are_given_up_after_a_while_where_the_spec_says_so(
    shop: Shop, record_property: Record
) -> None:
    """With PromoteWithLoss the operator waits for five minutes, says so, and goes on with the last one."""
    shop.declare(shards={"count": 1}, failover={"whenUnsafe": "PromoteWithLoss"})
    shop.await_ready()
    left, gone = strand(shop)
    assert "PromoteWithLoss: after 300 s" in shop.condition("Ready")["message"]
    took = shops.until(lambda: leads(shop, left), PATIENCE + 240, lambda: str(shop.status().get("conditions")))
    record_property("outage to leading", round(took, 1))
    assert took > PATIENCE - 120
    check_forced(shop, left, gone, record_property)
