"""A shard changes its size and replaces lost volumes, while instances are silent, restart or lead elsewhere."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covet.core import events
from covet.core.agentapi import MemberState, Rule
from covet.core.agentorders import SwitchoverOrder
from covet.core.errors import CovetError
from covet.planner import actions as act
from covet.planner import cluster, quorum, scaling
from covet.planner.election import changing
from covet.testing import world as worlds
from covet.testing.world import NOW, World
from tests.unit.planner.turning import settled, turn

SIZES = st.sampled_from([1, 3, 5, 7])
TROUBLE = st.sampled_from(["none", "silent", "back", "restart", "lose", "switch"])


def resized(world: World, size: int) -> None:
    """Ask for another number of instances."""
    world.wanted = worlds.cluster_spec(1, size)
    world.generation += 1


def cohort(world: World) -> list[str]:
    """Return the instances that vote, as their leader says."""
    (leader,) = world.primaries()["s0"]
    volume = world.agents[leader].volume
    assert volume is not None
    assert volume.promised is not None
    return sorted(f"shop-{member[:-13]}" for member in volume.promised.cohort)


def led_by_the_last(world: World) -> None:
    """Have the instance that leaves first lead."""
    (leader,) = world.primaries()["s0"]
    last = max(world.agents)
    if leader != last:
        world.agents[leader].switchover(SwitchoverOrder(last))


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 5), (5, 3), (3, 1), (5, 7), (7, 1), (1, 7)])
def test_a_shard_takes_every_size(before: int, after: int) -> None:
    """The instances that are wanted vote, the others are gone, and W fits; also if the leader has to leave."""
    world = settled(World(worlds.cluster_spec(1, before)))
    led_by_the_last(world)
    resized(world, after)
    settled(world)
    wanted = [f"shop-s0-{letter}" for letter in "abcdefg"[:after]]
    assert wanted == sorted(world.agents) == cohort(world)
    (leader,) = world.primaries()["s0"]
    rule = world.agents[leader].volume.promised  # type: ignore[union-attr]  # it leads
    assert rule is not None
    assert max(0, (after - 1) // 2) == rule.acks


@settings(max_examples=150, deadline=None)
@given(SIZES, st.lists(st.tuples(SIZES, st.lists(st.tuples(TROUBLE, st.integers(0, 6)), max_size=8)), max_size=3))
def test_whatever_happens_on_the_way_it_arrives(first: int, steps: list[tuple[int, list[tuple[str, int]]]]) -> None:
    """No order that breaks an invariant is ever given; once all answer again, the last size is reached.

    At most one volume at a time is lost, and never the leader's: more than that a quorum does not survive.
    """
    world = settled(World(worlds.cluster_spec(1, first)))
    for size, troubles in steps:
        resized(world, size)
        for kind, number in troubles:
            _trouble(world, kind, sorted(world.agents)[number % len(world.agents)])
            turn(world)
        world.unreachable.clear()
        settled(world)
        assert size == len(world.agents) == len(cohort(world))


def _trouble(world: World, kind: str, name: str) -> None:
    agent = world.agents[name]
    leaders = world.primaries().get("s0", [])
    whole = all(other.volume is not None and other.task is None and other.started for other in world.agents.values())
    if kind == "silent":
        world.unreachable.add(name)
    elif kind == "back":
        world.unreachable.clear()
    elif kind == "restart":
        agent.restart()
    elif kind == "lose" and whole and leaders and name not in leaders and cohort(world) == sorted(world.agents):
        agent.lose_volume()
    elif kind == "switch" and leaders and agent.volume is not None and f"{name}" in cohort(world):
        try:
            world.agents[leaders[0]].switchover(SwitchoverOrder(name))
        except CovetError:
            return


def test_a_leader_that_leaves_takes_its_successor_in_first() -> None:
    """The one instance that stays lost its volume: its new member votes before it is handed the lead."""
    world = settled(World(worlds.cluster_spec(1, 3)))
    world.agents["shop-s0-a"].switchover(SwitchoverOrder("shop-s0-b"))
    resized(world, 1)
    world.agents["shop-s0-a"].lose_volume()
    settled(world)
    assert ["shop-s0-a"] == sorted(world.agents) == cohort(world)


def test_a_lost_volume_is_replaced_by_a_new_member() -> None:
    """The instance is cloned anew, votes as another member, and the old member votes no more."""
    world = settled(World(worlds.cluster_spec(1, 3)))
    before = {name: agent.volume.member for name, agent in world.agents.items() if agent.volume is not None}
    world.agents["shop-s0-b"].lose_volume()
    settled(world)
    after = {name: agent.volume.member for name, agent in world.agents.items() if agent.volume is not None}
    assert before["shop-s0-b"] != after["shop-s0-b"]
    assert before["shop-s0-a"] == after["shop-s0-a"]
    (leader,) = world.primaries()["s0"]
    rule = world.agents[leader].volume.promised  # type: ignore[union-attr]  # it leads
    assert rule is not None
    assert set(after.values()) == set(rule.cohort)


def test_silence_takes_nobodys_vote() -> None:
    """A voter that does not answer keeps its vote, and nothing is ordered."""
    world = settled(World(worlds.cluster_spec(1, 3)))
    world.unreachable.add("shop-s0-b")
    facts = world.facts()
    (plan,) = cluster.plan_cluster(facts, NOW).shards
    assert [] == [action for action in plan.actions if isinstance(action, act.GrowCohort | act.RemoveInstances)]
    assert events.SETTLED != plan.reason


def test_nobody_is_removed_before_the_cohort_goes_on_without_it() -> None:
    """The order of a departure: leader first, then the vote, then the pod."""
    world = settled(World(worlds.cluster_spec(1, 5)))
    led_by_the_last(world)
    resized(world, 3)
    world.log.clear()
    settled(world)
    kinds = [
        type(action) for action in world.log if isinstance(action, act.HandOver | act.GrowCohort | act.RemoveInstances)
    ]
    assert act.HandOver is kinds[0]
    assert act.RemoveInstances is kinds[-1]
    assert 1 == kinds.count(act.RemoveInstances)
    assert act.GrowCohort in kinds


@given(SIZES, SIZES)
def test_each_prefix_of_a_change_keeps_its_quorums(before: int, after: int) -> None:
    """In every rule on the way the sets that elect meet the sets that acknowledge, in it and in the one before."""
    members = tuple(f"m{index}" for index in range(max(before, after)))
    world_rule = dataclasses.replace(_rule(members[:before]), seq=1)
    target = members[:after]
    rule, seen = world_rule, 0
    while (step := changing.plan(rule, target, max(0, (after - 1) // 2), members)) is not None:
        for one in (rule, step.rule):
            assert quorum.recruit_size(len(one.cohort), one.acks) + one.acks + 1 > len(one.cohort)
        assert abs(len(step.rule.cohort) - len(rule.cohort)) <= 1
        rule, seen = step.rule, seen + 1
        assert seen < 40
    assert set(target) == set(rule.cohort)


def _rule(cohort_: tuple[str, ...]) -> Rule:
    return Rule(1, 1, cohort_[0], cohort_, max(0, (len(cohort_) - 1) // 2))


def test_a_roster_of_an_older_operator_means_everybody() -> None:
    """A spec without a number of instances asks for all of its peers."""
    world = settled(World(worlds.cluster_spec(1, 3)))
    spec = dataclasses.replace(world.published["s0"], instances=0)
    assert ((), 1) == (scaling.roster(spec).leaving, scaling.roster(spec).acks)
    assert MemberState.LEADER is world.agents["shop-s0-a"].state
