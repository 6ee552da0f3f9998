"""Passwords are replaced while they are in use: whatever stops where, nobody is locked out."""

import copy
import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covet.core import names
from covet.core.agentapi import AgentStatus, Login, MemberState, Serving
from covet.core.errors import CovetError
from covet.planner import cluster, record, rotation
from covet.planner.facts import InstanceFacts, ShardFacts, Unreachable
from covet.planner.rotation import Phase
from covet.testing.world import NOW, World, cluster_spec


def grown(shards: int = 2) -> World:
    """Return a cluster that serves."""
    return copy.deepcopy(settled(shards))


@functools.cache
def settled(shards: int) -> World:
    """Return the one that the others are copies of."""
    world = World(cluster_spec(shards))
    world.settle()
    return world


def order(world: World, token: str) -> None:
    """Ask for a new password."""
    world.annotations[names.ANNOTATION_ROTATE] = token


def verdict(world: World) -> rotation.Verdict | None:
    """Return where the rotation stands."""
    assert world.identity is not None
    return rotation.decide(world.facts(), world.identity)


def admitted(world: World, login: str) -> list[str | None]:
    """Return the password that each shard takes of a login."""
    leaders = (agent for agent in world.agents.values() if agent.state is MemberState.LEADER)
    return [leader.volume.logins.get(login) for leader in leaders if leader.volume is not None]


def steps(world: World, most: int) -> int:
    """Plan and act until there is nothing left or so many actions are done; what then dies has done no more."""
    done = 0
    for _ in range(40):
        facts = world.facts()
        plan = cluster.plan_cluster(facts, NOW)
        if plan.empty:
            return done
        for action in plan.everything:
            if done == most:
                return done
            try:
                world.carry_out(action, facts)
            except CovetError:
                break
            done += 1
            opens(world)
        world.tick()
    return done


def opens(world: World) -> None:
    """Check that what stands in the Secret opens sessions on every shard that was given it.

    One that was not, after somebody deleted the Secret, is given the new password next; the world itself refuses
    a Secret that names a login before every shard takes it.
    """
    assert world.identity is not None
    for known, password in zip(world.identity.shards, admitted(world, world.username), strict=True):
        assert not world.user or world.password not in {known.password, known.staged} or world.password == password


def test_a_rotation_goes_from_the_owner_to_its_first_login_and_on_to_the_second() -> None:
    """The steps of two rotations, in order, and who may log in after each."""
    world = grown()
    order(world, "one")
    world.log.clear()
    steps(world, 100)
    kinds = [type(action).__name__ for action in world.log]
    assert ["BeginRotation", "StageLogin", "PutLogin", "PutLogin", "SwitchLogin"] == kinds
    found = verdict(world)
    assert found is not None
    assert (Phase.DRAINING, "app_a", "app") == (found.phase, found.login, found.former)
    assert [None, None] != admitted(world, "app")
    world.unused = rotation.UNUSED_SECONDS
    world.log.clear()
    steps(world, 100)
    assert ["RetireLogin", "RetireLogin", "EndRotation"] == [type(action).__name__ for action in world.log]
    assert [None, None] == admitted(world, "app")
    assert "app_a" == world.username
    order(world, "two")
    steps(world, 100)
    assert ("app_b", [None, None]) == (world.username, admitted(world, "app_a"))


def test_an_order_is_carried_out_once() -> None:
    """The annotation may stand for ever: the same text asks for nothing more."""
    world = grown()
    order(world, "one")
    world.unused = rotation.UNUSED_SECONDS
    steps(world, 100)
    world.log.clear()
    assert 0 == steps(world, 100)
    found = verdict(world)
    assert found is not None
    assert Phase.DONE is found.phase


def test_a_cluster_that_is_not_asked_rotates_nothing() -> None:
    """Without an order there is nothing to say."""
    assert verdict(grown(1)) is None


@pytest.mark.parametrize("where", ["a", "b"])
def test_a_login_that_a_session_uses_stays(where: str) -> None:
    """A session on a primary or on a replica keeps the former login on every shard, and is named."""
    world = grown()
    order(world, "one")
    world.agents[f"shop-s1-{where}"].sessions.add("app")
    world.unused = rotation.UNUSED_SECONDS
    steps(world, 100)
    found = verdict(world)
    assert found is not None
    assert (Phase.DRAINING, False) == (found.phase, None in admitted(world, "app"))
    assert f"shop-s1-{where}" in found.message
    world.agents[f"shop-s1-{where}"].sessions.clear()
    steps(world, 100)
    assert [None, None] == admitted(world, "app")


def test_another_order_waits_for_the_one_before() -> None:
    """A third login is never made: the second rotation begins once the first is over."""
    world = grown(1)
    order(world, "one")
    steps(world, 100)
    order(world, "two")
    assert 0 == steps(world, 100)
    world.unused = rotation.UNUSED_SECONDS
    steps(world, 100)
    assert ("app_b", [None]) == (world.username, admitted(world, "app_a"))


def test_a_shard_that_is_down_is_waited_for() -> None:
    """The Secret names the new login only once the last shard takes it."""
    world = grown()
    order(world, "one")
    silent = {name for name in world.agents if "-s1-" in name}
    world.unreachable |= silent
    world.unused = rotation.UNUSED_SECONDS
    steps(world, 100)
    assert ("app", [None]) == (world.username, [password for password in admitted(world, "app_a") if not password])
    found = verdict(world)
    assert found is not None
    assert "app_a is made on s1." == found.message
    world.unreachable.clear()
    steps(world, 100)
    assert "app_a" == world.username


@pytest.mark.parametrize("owner", ["app", "a" * 61, "a" * 62, "a" * 61 + "_a"])
def test_logins_have_names_of_their_own_that_the_server_keeps(owner: str) -> None:
    """However long the owner's name is, its logins differ from it and from each other, within 63 bytes."""
    logins = names.logins(owner)
    assert 3 == len({owner, *logins})
    assert max(len(name) for name in logins) <= 63


def seen_by(agent: AgentStatus | Unreachable | None) -> tuple[ShardFacts, ...]:
    """Return a shard of one instance."""
    return (ShardFacts("s0", (InstanceFacts("shop-s0-a", agent=agent),)),)


def answer(serving: Serving, logins: tuple[Login, ...] | None) -> AgentStatus:
    """Return what an agent says."""
    state = MemberState.FOLLOWER
    return AgentStatus(1, "v", "shop-s0-a", state, "Following", "", serving, logins=logins)


@pytest.mark.parametrize(
    ("agent", "used"),
    [
        (None, False),
        (Unreachable("AgentUnreachable"), True),
        (answer(Serving.READ_ONLY, None), True),
        (answer(Serving.CLOSED, None), False),
        (answer(Serving.READ_ONLY, (Login("app", allowed=True, used=False),)), False),
        (answer(Serving.READ_ONLY, (Login("app", allowed=True, used=True),)), True),
        (answer(Serving.READ_ONLY, (Login("app_a", allowed=True, used=True),)), False),
    ],
)
def test_who_says_nothing_may_be_in_use(agent: AgentStatus | Unreachable | None, used: bool) -> None:
    """An instance that does not answer, or serves and does not say who logs in, counts as used."""
    assert used is bool(rotation.in_use(seen_by(agent), "app"))


def test_the_record_of_a_rotation_is_read_back() -> None:
    """What is recorded comes back, and a record without one has none."""
    world = grown(1)
    order(world, "one")
    steps(world, 4)
    assert world.identity is not None
    assert world.identity == record.decode(record.encode(world.identity))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_interruption_locks_anybody_out(data: st.DataObject) -> None:
    """Whenever the operator dies, agents fall silent, the Secret is deleted or sessions stay: it goes on and ends."""
    world = grown()
    for token in ("one", "two"):
        order(world, token)
        for _ in range(data.draw(st.integers(0, 8))):
            steps(world, data.draw(st.integers(0, 4)))
            event = data.draw(st.sampled_from(["die", "silence", "speak", "session", "leave", "idle", "delete"]))
            happen(world, event, data.draw(st.sampled_from(sorted(world.agents))))
            keeps_sessions(world)
        for agent in world.agents.values():
            agent.sessions.clear()
        world.unreachable.clear()
        world.unused = rotation.UNUSED_SECONDS
        steps(world, 100)
        found = verdict(world)
        assert found is not None
        assert (Phase.DONE, token) == (found.phase, found.token)
        assert {login for login in ("app", "app_a", "app_b") if None not in admitted(world, login)} == {world.username}


def happen(world: World, event: str, instance: str) -> None:
    """Let something happen to the cluster."""
    agent = world.agents[instance]
    match event:
        case "silence":
            world.unreachable.add(instance)
        case "speak":
            world.unreachable.clear()
        case "session":
            agent.sessions.add(world.username)
            world.unused = 0.0
        case "leave":
            agent.sessions.clear()
        case "idle":
            world.unused = rotation.UNUSED_SECONDS
        case "delete":
            world.user, world.staged = False, None


def keeps_sessions(world: World) -> None:
    """Check that no login was taken away while a session used it."""
    for agent in world.agents.values():
        assert all(None not in admitted(world, login) for login in agent.sessions)
