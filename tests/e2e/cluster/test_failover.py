"""A shard on a real Kubernetes: a failover is published and told, orders are carried out, and its size changes."""

import functools
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e import target
from tests.e2e.cluster import shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.cluster.writing import write_during
from tests.e2e.installation import Installation, InstallationError
from tests.e2e.target import Target

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

TERM = "covet.dev/term"
SWITCHOVER_SECONDS = 10.0
"""Bound of a switchover on a busy machine; benchmarks/nemesis measures what it takes."""
PSQL = ("/usr/lib/postgresql/15/bin/psql", "-h", "/run/covet", "-U", "covet", "-d", "app", "-Atqc")


@pytest.fixture
def shop(covet: Installation, namespace: str) -> Shop:
    """One shard of three, ready."""
    found = Shop(covet, namespace)
    found.declare(shards={"count": 1})
    found.await_ready()
    return found


def published(shop: Shop) -> tuple[str, int]:
    """Return which pod `-rw` leads to, and the term it was written for."""
    found = shop.get("endpointslice", "shop-s0-rw")
    pods = [entry["targetRef"]["name"] for entry in found["endpoints"] or ()]
    return (pods or [""])[0], int(found["metadata"]["annotations"][TERM])


def shard(shop: Shop) -> dict[str, Any]:
    """Return the shard's status."""
    found: dict[str, Any] = shop.status()["shards"][0]
    return found


def leads(shop: Shop, instance: str) -> bool:
    """Return whether an instance is the primary, as the status and the slice say."""
    return shard(shop).get("primary") == instance and published(shop)[0] == f"{instance}-0"


def ask(shop: Shop, instance: str, statement: str) -> str:
    """Return what an instance's server answers to a statement in the application's database."""
    return shop.kubectl("exec", f"{instance}-0", "--", *PSQL, statement).strip()


def annotate(shop: Shop, order: str) -> None:
    """Write an order as `kubectl covet` does."""
    shop.kubectl("annotate", "--overwrite", "covetcluster", "shop", f"covet.dev/{order}")


def annotations(shop: Shop) -> dict[str, str]:
    """Return the annotations of ours."""
    found = shop.get("covetcluster", "shop")["metadata"].get("annotations") or {}
    return {key: value for key, value in found.items() if key.startswith("covet.dev/")}


def heard(shop: Shop, reason: str) -> bool:
    """Return whether the operator sent an Event with this reason."""
    return any(event["reason"] == reason for event in shop.items("events"))


def roles(shop: Shop) -> dict[str, str]:
    """Return the role label of each pod."""
    return {pod["metadata"]["name"]: pod["metadata"]["labels"].get("covet.dev/role", "") for pod in shop.items("pods")}


def test_a_new_primary_publishes_itself_while_the_operator_is_away(shop: Shop) -> None:
    """The pod of the primary is killed; slice and Lease follow the new one; what happened is told afterwards."""
    first = shard(shop)["primary"]
    _, term = published(shop)
    shops.scale_operator(shop.covet, 0)
    try:
        shop.kubectl("delete", "pod", f"{first}-0", "--grace-period=0", "--force")
        took = shops.until(lambda: published(shop)[1] > term and published(shop)[0] not in {"", f"{first}-0"}, 60)
        leader = published(shop)[0].removesuffix("-0")
        shops.until(lambda: shop.get("lease", "shop-s0")["spec"]["holderIdentity"] == leader, 20)
    finally:
        shops.scale_operator(shop.covet, 1)
    assert took < 30
    shops.until(lambda: "lastFailover" in shard(shop), 60)
    shop.await_ready()
    last = shard(shop)["lastFailover"]
    assert (first, leader, published(shop)[1]) == (last["from"], last["to"], last["term"])
    assert last["writableMs"] < 20_000
    assert heard(shop, "FailedOver")
    wanted = {f"{first}-0": "replica", f"{leader}-0": "primary"}
    shops.until(lambda: wanted.items() <= roles(shop).items(), 30, lambda: str(roles(shop)))


def test_orders_are_carried_out_and_removed(shop: Shop) -> None:
    """A switchover; then the new primary is fenced and stays out; then it is let back."""
    first = shard(shop)["primary"]
    second = next(name for name in ("shop-s0-a", "shop-s0-b", "shop-s0-c") if name != first)
    annotate(shop, f"switchover.s0={second}")
    shops.until(lambda: leads(shop, second), 30, lambda: str(shard(shop)))
    shops.until(lambda: {} == annotations(shop), 20)
    shops.until(lambda: heard(shop, "OrderDone") and heard(shop, "SwitchedOver"), 20)
    annotate(shop, f"fenced={second}")
    shops.until(lambda: shard(shop).get("primary") not in {None, second}, 30)
    members = {member["instance"]: member for member in shard(shop)["members"]}
    shops.until(
        lambda: any(entry["reason"] == "Fenced" for entry in shard(shop)["members"] if entry["instance"] == second), 30
    )
    assert set(members) == {"shop-s0-a", "shop-s0-b", "shop-s0-c"}
    annotate(shop, "fenced-")
    shop.await_ready(120)
    annotate(shop, "switchover.s0=shop-s0-x")
    shops.until(lambda: {} == annotations(shop), 20)
    shop.await_warning("SwitchoverRefused")


def resize(shop: Shop, sizes: tuple[int, ...], record: Callable[[str, object], None]) -> None:
    """Have the shard go through these sizes, each time led by the last instance, which leaves if it shrinks."""
    for size in sizes:
        names = {f"shop-s0-{letter}" for letter in "abcdefg"[:size]}
        last = max(entry["name"] for entry in shard(shop)["instances"])
        if shard(shop)["primary"] != last:
            annotate(shop, f"switchover.s0={last}")
            shops.until(functools.partial(leads, shop, last), 30)
        shop.declare(shards={"count": 1, "instances": size})
        record(f"seconds until {size} vote", round(shop.await_ready(), 1))
        assert names == {entry["name"] for entry in shard(shop)["instances"]}
        assert size == len(shard(shop)["rule"]["cohort"])
        assert max(0, (size - 1) // 2) == shard(shop)["rule"]["acks"]
        shops.until(functools.partial(_only_pods_of, shop, names), 90)


def test_the_number_of_instances_changes_both_ways(shop: Shop, record_property: Callable[[str, object], None]) -> None:
    """From 3 on, led by one that leaves; what was written stays, and leavers take their pods along."""
    ask(shop, shard(shop)["primary"], "CREATE TABLE kept AS SELECT 42 AS answer")
    resize(shop, (5, 3, 1, 3), record_property)
    assert "42" == ask(shop, shard(shop)["primary"], "SELECT answer FROM kept")


@pytest.mark.long
def test_seven_instances_and_back_under_writers(
    shop: Shop, place: Target, record_property: Callable[[str, object], None]
) -> None:
    """On three nodes: nothing acknowledged is lost on the way, and writes stop for switchovers at most."""
    devcluster = place.devcluster_name()
    if devcluster is None:
        pytest.skip("only a devcluster lets the writers in")
    told = write_during(shop, devcluster, functools.partial(resize, shop, (7, 3), record_property))
    record_property("silence", round(told.silence, 2))
    record_property("acknowledged", told.acknowledged)
    assert () == told.problems
    assert told.silence < SWITCHOVER_SECONDS


def _only_pods_of(shop: Shop, names: set[str]) -> bool:
    return shop.names("pods") == {f"{name}-0" for name in names}


def test_a_volume_that_is_gone_is_replaced(shop: Shop) -> None:
    """Claim and pod of a replica are deleted for good; nobody does anything, and it votes again as a new member."""
    first = shard(shop)["primary"]
    lost = next(name for name in ("shop-s0-a", "shop-s0-b", "shop-s0-c") if name != first)
    before = {member["instance"]: member["member"] for member in shard(shop)["members"]}
    shop.kubectl("delete", "pvc", f"data-{lost}-0", "--wait=false")
    shop.kubectl("delete", "pod", f"{lost}-0")
    began = time.monotonic()

    def back() -> bool:
        found = {member["instance"]: member.get("member") for member in shard(shop)["members"]}
        return found[lost] not in {None, before[lost]} and shop.is_ready()

    shops.until(back, 240, lambda: str(shard(shop)))
    assert time.monotonic() - began < 240
    members = {member["member"] for member in shard(shop)["members"]}
    assert members == set(shard(shop)["rule"]["cohort"])


def test_a_node_that_is_gone_for_good_costs_no_human(shop: Shop, place: Target) -> None:
    """The node of a replica dies and is deleted; its volume is given up, and the instance votes from another node."""
    owner = place.devcluster_name()
    if owner is None:
        pytest.skip("only a devcluster gives up a node")
    first = shard(shop)["primary"]
    lost = next(entry for entry in shard(shop)["instances"] if entry["name"] != first)
    before = {member["instance"]: member["member"] for member in shard(shop)["members"]}
    target.devcluster("node", "kill", lost["node"], "--name", owner)
    try:
        shop.covet.kubectl("delete", "node", lost["node"], "--wait=false")

        def back() -> bool:
            found = {member["instance"]: member.get("member") for member in shard(shop)["members"]}
            return found[lost["name"]] not in {None, before[lost["name"]]} and shop.is_ready()

        shops.until(back, 420, lambda: str(shard(shop)))
    finally:
        target.devcluster("node", "start", lost["node"], "--name", owner)
    assert "InstanceReplaced" in shop.warnings()
    moved = next(entry for entry in shard(shop)["instances"] if entry["name"] == lost["name"])
    assert lost["node"] != moved["node"]


@pytest.mark.long
def test_the_primarys_node_is_gone_for_good_under_writers(
    shop: Shop, place: Target, record_property: Callable[[str, object], None]
) -> None:
    """Another writes within seconds, the lost instance is cloned on another node, no acknowledged write is missing."""
    owner = place.devcluster_name()
    if owner is None:
        pytest.skip("only a devcluster gives up a node")
    first = shard(shop)["primary"]
    node = next(entry["node"] for entry in shard(shop)["instances"] if entry["name"] == first)
    before = {member["instance"]: member["member"] for member in shard(shop)["members"]}

    def lose() -> None:
        began = time.monotonic()
        target.devcluster("node", "kill", node, "--name", owner)
        try:
            shop.covet.kubectl("delete", "node", node, "--wait=false")

            def whole() -> bool:
                found = {member["instance"]: member.get("member") for member in shard(shop)["members"]}
                return found[first] not in {None, before[first]} and shop.is_ready()

            shops.until(whole, 420, lambda: str(shard(shop)))
            record_property("whole", round(time.monotonic() - began, 1))
        finally:
            target.devcluster("node", "start", node, "--name", owner)

    told = write_during(shop, owner, lose)
    record_property("silence", round(told.silence, 2))
    record_property("acknowledged", told.acknowledged)
    assert () == told.problems
    assert told.silence < SWITCHOVER_SECONDS
    moved = next(entry for entry in shard(shop)["instances"] if entry["name"] == first)
    assert node != moved["node"]
    assert "InstanceReplaced" in shop.warnings()


def test_a_drain_hands_over_first_and_takes_one_instance_at_a_time(shop: Shop) -> None:
    """The primary's node is drained: SIGTERM, a switchover; a second node waits until the first instance is back."""
    first = shard(shop)["primary"]
    nodes = {entry["name"]: entry["node"] for entry in shard(shop)["instances"]}
    other = next(node for name, node in nodes.items() if name != first)
    drain = ("--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector=covet.dev/cluster=shop")
    try:
        shop.covet.kubectl("drain", nodes[first], *drain, "--timeout=90s")
        shops.until(lambda: shard(shop).get("primary") not in {None, first}, 30)
        shops.until(lambda: shard(shop).get("lastFailover", {}).get("reason") == "Switchover", 30)
        with pytest.raises(InstallationError, match="disruption budget"):
            shop.covet.kubectl("drain", other, *drain, "--timeout=8s")
    finally:
        for node in (nodes[first], other):
            shop.covet.kubectl("uncordon", node)
    shop.await_ready(120)
    assert heard(shop, "SwitchedOver")
