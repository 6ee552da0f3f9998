"""Ordered restarts: replicas first, the primary last, never two instances away, and always to an end."""

import dataclasses
import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covet.api import effective, spec
from covet.core import events, names
from covet.core.agentapi import AgentStatus
from covet.core.agentorders import SwitchoverOrder
from covet.core.errors import CovetError
from covet.planner import actions as act
from covet.planner import cluster, restarts, rollout
from covet.planner.facts import ClusterFacts
from covet.testing import world as worlds
from covet.testing.world import NOW, World
from tests.unit.planner.turning import settled, turn

SIZES = st.sampled_from([1, 3, 5])
CHANGES = st.sampled_from(["template", "setting", "order", "upgrade"])
TROUBLE = st.sampled_from(["none", "silent", "back", "restart", "switch", "template", "setting"])


def whole(shards: int = 1, instances: int = 3) -> World:
    """Return a cluster in which everything is where it should be, with nothing done yet."""
    world = settled(World(worlds.cluster_spec(shards, instances)))
    world.log.clear()
    return world


def change(world: World, kind: str, instances: list[str] | None = None) -> None:
    """Have instances, all by default, wait for a restart."""
    for name in world.agents if instances is None else instances:
        if kind == "setting":
            world.agents[name].pending_restart = ("shared_buffers",)
        elif kind in {"template", "upgrade"}:
            world.pods[name].outdated, world.pods[name].edited = True, kind == "template"
    if kind == "order":
        world.annotations[names.ANNOTATION_RESTART] = (NOW - dt.timedelta(minutes=1)).isoformat()


def restarted(world: World) -> list[str]:
    """Return the instances in the order in which they were restarted; `>` is a switchover."""
    found = []
    for action in world.log:
        if isinstance(action, act.RestartInstance):
            found.append(action.instance.removeprefix("shop-"))
        elif isinstance(action, act.HandOver):
            found.append(f">{action.to.removeprefix('shop-')}")
    return found


def waiting(facts: ClusterFacts) -> list[tuple[str, str]]:
    """Return reasons and sentences of what waits for a restart."""
    plan = cluster.plan_cluster(facts, NOW)
    return [(entry.reason, entry.message) for entry in plan.pending if entry.reason in rollout.REASONS]


@pytest.mark.parametrize("kind", ["template", "setting", "order"])
def test_replicas_come_first_and_the_primary_last(kind: str) -> None:
    """Each replica, then one switchover, then the former primary; afterwards nothing waits."""
    world = whole()
    change(world, kind)
    settled(world)
    assert ["s0-b", "s0-c", ">s0-b", "s0-a"] == restarted(world)
    assert [] == waiting(world.facts())
    assert {} == world.annotations


def test_a_single_instance_is_restarted_at_once() -> None:
    """Nobody can take over: the one server is away for as long as its start takes."""
    world = whole(instances=1)
    change(world, "template")
    settled(world)
    assert ["s0-a"] == restarted(world)


def test_shards_are_restarted_one_after_the_other() -> None:
    """The second shard begins when the first one is whole again."""
    world = whole(shards=2)
    change(world, "setting")
    settled(world)
    assert ["s0-b", "s0-c", ">s0-b", "s0-a", "s1-b", "s1-c", ">s1-b", "s1-a"] == restarted(world)


def test_an_upgrade_waits_for_a_persons_word() -> None:
    """What only a new operator brings is listed and restarts nothing, until a person orders it."""
    world = whole()
    change(world, "upgrade")
    for _ in range(5):
        turn(world)
    assert [] == restarted(world)
    assert ["UpgradeWaits"] == [reason for reason, _ in waiting(world.facts())]
    change(world, "order")
    settled(world)
    assert ["s0-b", "s0-c", ">s0-b", "s0-a"] == restarted(world)
    assert [] == waiting(world.facts())


def test_an_upgrade_is_rolled_out_in_the_maintenance_window() -> None:
    """Until it opens the pods run on, and it is said when that is; then they are made anew without a word."""
    world = whole()
    change(world, "upgrade")
    keep_window(world, "Fri")
    for _ in range(5):
        turn(world)
    assert [] == restarted(world)
    ((reason, message),) = waiting(world.facts())
    assert "UpgradeWaits" == reason
    assert "run on until the maintenance window (Fri from 00:00 UTC, 1 hour long)" in message
    keep_window(world, "Thu")
    assert "the maintenance window is open" in waiting(world.facts())[0][1]
    settled(world)
    assert ["s0-b", "s0-c", ">s0-b", "s0-a"] == restarted(world)
    assert [] == waiting(world.facts())


def keep_window(world: World, day: str) -> None:
    """Have the first hour of a day be the maintenance window; `NOW` is the first moment of a Thursday."""
    window = effective.EffectiveWindow(days=(spec.Weekday(day),), start="00:00", hours=1)
    kept = world.wanted.maintenance.model_copy(update={"window": window})
    world.wanted = world.wanted.model_copy(update={"maintenance": kept})


def test_an_open_window_takes_nothing_from_a_shard_that_is_not_whole() -> None:
    """What is waited for stands in the entry."""
    world = whole()
    change(world, "upgrade", ["shop-s0-b"])
    keep_window(world, "Thu")
    world.unreachable.add("shop-s0-c")
    for _ in range(5):
        turn(world)
    assert [] == restarted(world)
    assert "The agent of shop-s0-c does not answer." in waiting(world.facts())[0][1]


def test_nothing_that_serves_is_taken_while_another_instance_is_away() -> None:
    """The wait is listed with who is missing; once it is back, the restarts go on."""
    world = whole()
    change(world, "template", ["shop-s0-b"])
    world.unreachable.add("shop-s0-c")
    for _ in range(5):
        turn(world)
    assert [] == restarted(world)
    assert "The agent of shop-s0-c does not answer." in waiting(world.facts())[0][1]
    world.unreachable.clear()
    settled(world)
    assert ["s0-b"] == restarted(world)


def test_another_shard_that_is_not_whole_holds_restarts_up() -> None:
    """One instance of a cluster is away at a time, in whatever shard."""
    world = whole(shards=2)
    change(world, "template", ["shop-s0-b"])
    world.unreachable.add("shop-s1-c")
    for _ in range(5):
        turn(world)
    assert [] == restarted(world)
    assert "shop-s1-c" in waiting(world.facts())[0][1]


def test_a_pod_that_cannot_run_is_replaced_at_once() -> None:
    """A template that no node takes is corrected while others are away too: nothing is disturbed."""
    world = whole()
    for name in ("shop-s0-b", "shop-s0-c"):
        world.pods[name].broken, world.pods[name].running = True, False
        world.agents[name].restart()
    for _ in range(3):
        turn(world)
    assert [] == restarted(world)
    change(world, "upgrade", ["shop-s0-b", "shop-s0-c"])
    settled(world)
    assert ["s0-b", "s0-c"] == restarted(world)


def test_a_replica_that_does_not_replay_is_restarted_first() -> None:
    """What is broken by the old settings is mended by the new ones before anything that serves is touched."""
    world = whole()
    change(world, "setting")
    facts = world.facts()
    (shard,) = facts.shards
    instances = tuple(
        dataclasses.replace(seen, agent=dataclasses.replace(seen.agent, streaming=False))
        if seen.name == "shop-s0-c" and isinstance(seen.agent, AgentStatus)
        else seen
        for seen in shard.instances
    )
    plan = cluster.plan_cluster(
        dataclasses.replace(facts, shards=(dataclasses.replace(shard, instances=instances),)), NOW
    )
    (step,) = [action for action in plan.shards[0].actions if isinstance(action, act.RestartInstance)]
    assert ("shop-s0-c", False) == (step.instance, step.serves)


def test_a_server_that_cannot_go_by_its_parameters_holds_restarts_up() -> None:
    """A person corrects the parameters first: the next server would fare no better."""
    world = whole()
    change(world, "setting")
    world.agents["shop-s0-b"].parameter_problem = "invalid value"
    for _ in range(3):
        turn(world)
    assert [] == restarted(world)


@pytest.mark.parametrize("text", ["now", "", "2026-01-01T00:00:00", "2027-01-01T00:00:00Z"])
def test_a_moment_that_cannot_be_meant_is_refused(text: str) -> None:
    """No moment, one without a zone, or one that lies ahead: the order goes, with a Warning."""
    world = whole()
    world.annotations[names.ANNOTATION_RESTART] = text
    (order,) = [
        action for action in cluster.plan_cluster(world.facts(), NOW).upkeep if isinstance(action, act.SettleOrder)
    ]
    assert (events.RESTART_REFUSED, True) == (order.reason, order.refused)
    settled(world)
    assert [] == restarted(world)


def test_a_pause_holds_restarts_up() -> None:
    """Nothing is restarted, and what the end of the pause brings is listed."""
    world = whole()
    change(world, "template")
    world.wanted = world.wanted.model_copy(
        update={"maintenance": world.wanted.maintenance.model_copy(update={"paused": True})}
    )
    plan = cluster.plan_cluster(world.facts(), NOW)
    assert () == plan.shards[0].actions
    assert any("RestartInstance" in entry.message for entry in plan.pending)


@settings(max_examples=120, deadline=None)
@given(SIZES, st.integers(1, 2), CHANGES, st.lists(st.tuples(TROUBLE, st.integers(0, 9)), max_size=10))
def test_whatever_happens_on_the_way_it_ends(
    size: int, shards: int, kind: str, troubles: list[tuple[str, int]]
) -> None:
    """No step takes a second instance away or a primary that could hand over; in the end nothing waits."""
    world = whole(shards, size)
    change(world, kind)
    for trouble, number in troubles:
        _trouble(world, trouble, sorted(world.agents)[number % len(world.agents)])
        turn(world)
        assert all(len(leaders) <= 1 for leaders in world.primaries().values())
    world.unreachable.clear()
    settled(world)
    left = waiting(world.facts())
    assert (["UpgradeWaits"] if kind == "upgrade" and left else []) == [reason for reason, _ in left]
    assert all(
        not restarts.judge(seen, restarts.Wanted(record, world.facts().wanted_specs[seen.name])).due
        for seen in world.facts().shards
        if world.identity is not None and (record := world.identity.shard(seen.name)) is not None
    )


def _trouble(world: World, kind: str, name: str) -> None:
    agent = world.agents[name]
    leaders = world.primaries().get(agent.shard, [])
    if kind == "silent":
        world.unreachable.add(name)
    elif kind == "back":
        world.unreachable.clear()
    elif kind == "restart":
        agent.restart()
    elif kind == "switch" and leaders:
        try:
            world.agents[leaders[0]].switchover(SwitchoverOrder(name))
        except CovetError:
            return
    elif kind in {"template", "setting"}:
        change(world, kind, [name])
