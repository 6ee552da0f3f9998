"""A shard that cannot elect a leader: it waits, or goes on with a loss once the missing are known to be off."""

import dataclasses
import datetime as dt
import functools
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covet.api.spec import WhenUnsafe
from covet.core.agentapi import AgentStatus, MemberState, Position
from covet.planner import forcing
from covet.planner.actions import EndPods, ForcePromotion
from covet.planner.facts import InstanceFacts, PodFacts, ShardFacts, Unreachable
from covet.planner.forcing import PATIENCE, Case
from covet.planner.record import ShardRecord
from covet.planner.scaling import Roster
from covet.testing import world as worlds
from covet.testing.world import NOW, World

LONG = PATIENCE + 1


@functools.cache
def born(size: int = 3) -> tuple[World, ShardFacts, ShardRecord]:
    """Return a shard that serves."""
    world = World(worlds.cluster_spec(1, size))
    world.settle()
    facts = world.facts()
    assert facts.identity is not None
    record = facts.identity.shard("s0")
    assert record is not None
    return world, facts.shards[0], record


def case(*left_over: str, pods: Mapping[str, PodFacts | None] | None = None, stuck: float = LONG) -> Case:
    """Return a shard of three in which these instances answer and the others have these pods."""
    world, seen, record = born()
    gone = pods or {}
    instances = []
    for number, instance in enumerate(seen.instances):
        answer = instance.agent
        assert isinstance(answer, AgentStatus)
        if instance.name in left_over:
            agent = dataclasses.replace(
                answer,
                state=MemberState.STOPPED,
                reason="Recruited",
                position=Position(1, number),
                quorum_missing="too few",
            )
            instances.append(dataclasses.replace(instance, agent=agent))
        else:
            pod = gone.get(instance.name)
            instances.append(InstanceFacts(instance.name, pod, Unreachable("silent", 99.0) if pod else None))
    facts = dataclasses.replace(seen, instances=tuple(instances), stuck=stuck)
    who = Roster(world.name, tuple(found.name for found in instances), (), 1)
    return Case(facts, record, who, WhenUnsafe.PROMOTE_WITH_LOSS)


def pod(name: str, *, running: bool = True, deleting: bool = False, ready: bool = False, age: int = 3600) -> PodFacts:
    """Return a pod whose agent does not answer."""
    created = NOW - dt.timedelta(seconds=age)
    return PodFacts(f"{name}-0", "10.0.0.1", "n", running=running, ready=ready, deleting=deleting, created=created)


def test_who_is_left_goes_on_without_those_that_are_off() -> None:
    """No pod at all, or one that does not run: nobody there can acknowledge anything."""
    found = case("shop-s0-b", pods={"shop-s0-a": pod("shop-s0-a", running=False)})
    assert ForcePromotion("s0", "shop-s0-b", ("shop-s0-a", "shop-s0-c")) == forcing.decide(found, NOW)


def test_by_default_it_waits() -> None:
    """Nobody loses a commit who did not ask for it."""
    found = dataclasses.replace(case("shop-s0-b"), mode=WhenUnsafe.WAIT)
    assert "" == forcing.decide(found, NOW)


def test_it_waits_first() -> None:
    """Machines that start again are given their time."""
    assert "after 300 s" in str(forcing.decide(case("shop-s0-b", stuck=PATIENCE - 1), NOW))


def test_pods_that_do_not_answer_are_ended_first() -> None:
    """They are deleted; until they are gone nobody is promoted, and a node that is silent is named."""
    running = {"shop-s0-a": pod("shop-s0-a")}
    assert EndPods("s0", ("shop-s0-a",)) == forcing.decide(case("shop-s0-b", pods=running), NOW)
    going = {"shop-s0-a": pod("shop-s0-a", deleting=True)}
    said = forcing.decide(case("shop-s0-b", pods=going), NOW)
    assert "out-of-service" in str(said)
    assert "shop-s0-a" in str(said)


def test_a_pod_that_has_just_begun_is_given_time() -> None:
    """What was ended begins anew, and may be the quorum."""
    young = {"shop-s0-a": pod("shop-s0-a", age=20)}
    assert "may answer yet" in str(forcing.decide(case("shop-s0-b", pods=young), NOW))


@pytest.mark.parametrize(
    "found",
    [
        case("shop-s0-a", "shop-s0-b"),
        case("shop-s0-b", pods={"shop-s0-a": pod("shop-s0-a", ready=True)}),
        case(),
    ],
    ids=["two of three reach nobody but the operator", "a kubelet says that a server serves", "nobody answers"],
)
def test_what_is_no_outage_of_the_members_is_left_alone(found: Case) -> None:
    """A cut network looks like an outage from one side: where a quorum may be at work, nothing is done."""
    assert not forcing.is_stuck(found.seen, found.record, "shop")
    assert "" == forcing.decide(found, NOW)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["answers", "none", "running", "ready", "ending", "off"]), min_size=3, max_size=3),
    st.floats(0, 1000),
)
def test_nobody_is_promoted_beside_a_server_that_may_run(states: list[str], stuck: float) -> None:
    """Whatever is seen: a promotion only with fewer than a quorum left, and with every other pod at its end."""
    letters = dict(zip(("shop-s0-a", "shop-s0-b", "shop-s0-c"), states, strict=True))
    flags: dict[str, dict[str, bool]] = {
        "running": {}, "ready": {"ready": True}, "ending": {"deleting": True}, "off": {"running": False},
    }  # fmt: skip
    pods = {name: pod(name, **flags[state]) if state in flags else None for name, state in letters.items()}
    left_over = [name for name, state in letters.items() if state == "answers"]
    found = forcing.decide(case(*left_over, pods=pods, stuck=stuck), NOW)
    safe = len(left_over) == 1 and not {"running", "ready", "ending"} & set(states) and stuck >= PATIENCE
    assert safe is isinstance(found, ForcePromotion)
    if isinstance(found, EndPods):
        assert "ready" not in states
        assert stuck >= PATIENCE
