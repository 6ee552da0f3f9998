"""Shards of a cluster without tables come and go: every object with them, and nothing of a kept volume is taken up."""

from typing import Any

import covet_hasher

from covet.core import names
from covet.core.agentapi import MemberState
from covet.kube import resources
from covet.testing.agents import FakeAgent
from tests.unit.controllers.conftest import NAMESPACE, Bench

ONE = {"count": 1, "instances": 1}
TWO = {"count": 2, "instances": 1}


def leader(bench: Bench, shard: str) -> FakeAgent:
    """Return the agent that leads a shard and has a pod."""
    pods = {name for kind, _, name in bench.server.objects if kind == resources.POD}
    there = [agent for agent in bench.kubelet.agents.values() if names.pod(agent.instance) in pods]
    (one,) = [agent for agent in there if agent.shard == shard and agent.state is MemberState.LEADER]
    return one


def objects(bench: Bench, shard: str) -> dict[str, list[str]]:
    """Return everything of a shard, by kind."""
    found: dict[str, list[str]] = {}
    for (kind, _, name), item in bench.server.objects.items():
        if (item["metadata"].get("labels") or {}).get(names.LABEL_SHARD) == shard:
            found.setdefault(kind.kind, []).append(name)
    return found


def ring(bench: Bench) -> covet_hasher.Map:
    """Return the published map."""
    found = bench.server.objects[resources.CONFIG_MAP, NAMESPACE, "shop-map"]
    return covet_hasher.Map.from_json(found["data"]["map.json"])


def pending(bench: Bench) -> dict[str, str]:
    """Return the sentences of what waits, by field."""
    return {entry["field"]: entry["message"] for entry in bench.status().get("pendingChanges") or []}


async def reshape(bench: Bench, **shards: Any) -> None:
    """Edit the shards and wait until they are as asked for."""
    bench.declare(shards=shards)
    await bench.settle(80)
    assert ({}, "True") == (pending(bench), bench.condition("Ready")["status"])


async def test_a_shard_comes_goes_and_comes_again(bench: Bench) -> None:
    """Each map has the next epoch; what leaves takes all its objects along but its volume, which nobody takes up."""
    await bench.born(shards=ONE)
    await reshape(bench, **TWO)
    assert (2, {"s0": 8192, "s1": 8192}) == (ring(bench).epoch, ring(bench).slot_counts())
    assert {2} == {leader(bench, shard).status().map_epoch for shard in ("s0", "s1")}
    assert "The shards are s0 (weight 1), s1 (weight 1), by the map of epoch 2." == bench.told("ShardsChanged")
    made = leader(bench, "s1").instance
    await reshape(bench, **ONE)
    assert (3, {"s0": 16384}) == (ring(bench).epoch, ring(bench).slot_counts())
    assert {"PersistentVolumeClaim": [names.data_volume_claim(made)]} == objects(bench, "s1")
    assert ["s0"] == [shard["name"] for shard in bench.status()["shards"]]
    await reshape(bench, **TWO)
    again = leader(bench, "s1").instance
    assert ("shop-s1-a", "shop-s1-h", 4) == (made, again, ring(bench).epoch)
    assert 2 == len(objects(bench, "s1")["PersistentVolumeClaim"])
    assert 2 == len(bench.status()["endpoints"]["readWrite"])


async def test_weights_make_another_map(bench: Bench) -> None:
    """The slots go by the weights, and no pod notices."""
    await bench.born(shards=TWO)
    before = bench.pods()
    await reshape(bench, **TWO, weights={"s0": 3})
    assert (2, {"s0": 12288, "s1": 4096}) == (ring(bench).epoch, ring(bench).slot_counts())
    assert before == bench.pods()
    assert {"s0": 3} == bench.status()["effective"]["shards"]["weights"]


async def test_with_a_table_only_the_shards_stay(bench: Bench) -> None:
    """The entry names shard and table; the rest of the same edit is in force."""
    await bench.born(shards=TWO)
    leader(bench, "s1").make("table public.customers")
    engine = {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "8MB"}}
    bench.declare(shards={**TWO, "count": 3}, engine=engine)
    for _ in range(6):
        await bench.reconciler.once()
        await bench.kubelet.sync()
    assert "s1 holds table public.customers" in pending(bench)["spec.shards.count"]
    assert ("False", "ChangesPending") == (bench.condition("Ready")["status"], bench.condition("Ready")["reason"])
    effective = bench.status()["effective"]
    assert (2, {"work_mem": "8MB"}) == (effective["shards"]["count"], effective["engine"]["parameters"])
    assert ({}, 1) == (objects(bench, "s2"), ring(bench).epoch)


async def test_a_lost_map_is_made_again_byte_for_byte(bench: Bench) -> None:
    """The record tells the newest one, whatever its epoch."""
    await bench.born(shards=ONE)
    await reshape(bench, **TWO)
    before = ring(bench).to_json()
    bench.server.delete(resources.CONFIG_MAP, NAMESPACE, "shop-map")
    await bench.settle()
    assert before == ring(bench).to_json()


async def test_an_operator_that_forgets_everything_finishes_the_change(bench: Bench) -> None:
    """Whatever stands between two maps is found in what is observed."""
    await bench.born(shards=TWO)
    bench.declare(shards=ONE)
    for _ in range(40):
        await bench.reconciler.once()
        await bench.reconciler.close()
        bench.restart()
        await bench.kubelet.sync()
        if {"PersistentVolumeClaim"} >= objects(bench, "s1").keys():
            break
    await bench.settle()
    assert (2, ["s0"]) == (ring(bench).epoch, [shard["name"] for shard in bench.status()["shards"]])
