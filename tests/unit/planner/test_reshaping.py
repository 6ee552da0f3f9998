"""Shards come and go while no table exists in any of them, whatever stops where; with one they stay as they are."""

import copy
import functools

import hypothesis
from hypothesis import strategies as st

from covet.api.effective import EffectiveSpec
from covet.core.agentapi import MemberState
from covet.core.errors import CovetError
from covet.planner import cluster, record, reshaping
from covet.planner.plan import Plan
from covet.planner.shapeactions import CancelChange, DecideChange, EndChange, SealShard
from covet.testing.agents import FakeAgent
from covet.testing.world import NOW, World, cluster_spec


def shaped(count: int, **weights: int) -> EffectiveSpec:
    """Return a spec of so many shards of one instance."""
    made = cluster_spec(count, 1)
    return made.model_copy(update={"shards": made.shards.model_copy(update={"weights": weights})})


@functools.cache
def _settled(count: int) -> World:
    world = World(shaped(count))
    world.settle(20)
    return world


def grown(count: int) -> World:
    """Return a cluster of so many shards that serves and holds nothing."""
    return copy.deepcopy(_settled(count))


def wish(world: World, spec: EffectiveSpec) -> None:
    """Edit the cluster."""
    world.wanted, world.generation = spec, world.generation + 1


def plan_of(world: World) -> Plan:
    """Return what is planned now."""
    return cluster.plan_cluster(world.facts(), NOW)


def go_on(world: World, rounds: int = 40, most: int | None = None) -> None:
    """Plan and act; at the first refusal, or after so many actions, a round ends as if the operator had died."""
    for _ in range(rounds):
        facts = world.facts()
        for action in cluster.plan_cluster(facts, NOW).everything[:most]:
            try:
                world.carry_out(action, facts)
            except CovetError:
                break
        world.tick()


def leader(world: World, shard: str) -> FakeAgent:
    """Return the agent that leads a shard."""
    (found,) = [agent for agent in world.siblings[shard].values() if agent.state is MemberState.LEADER]
    return found


def shards(world: World) -> list[str]:
    """Return the shards that are there."""
    return sorted(world.siblings)


def epochs(world: World) -> set[int | None]:
    """Return the epochs of the maps that the shards store."""
    return {agent.volume.map_epoch for agent in world.agents.values() if agent.volume is not None}


def seals(world: World) -> list[str]:
    """Return the shards that are sealed."""
    found = [agent for agent in world.agents.values() if agent.volume is not None]
    return sorted(agent.shard for agent in found if agent.volume is not None and agent.volume.sealed is not None)


def pending(world: World) -> dict[str, str]:
    """Return the reasons of the changes that wait, by field."""
    return {change.field: change.reason for change in plan_of(world).pending}


def test_an_empty_cluster_grows() -> None:
    """New shards are made, every one is sealed and found empty, and the next map reaches them all."""
    world = grown(2)
    wish(world, shaped(3))
    world.log.clear()
    go_on(world)
    assert (["s0", "s1", "s2"], {2}, []) == (shards(world), epochs(world), seals(world))
    assert world.identity is not None
    assert (("s0", 1), ("s1", 1), ("s2", 1)) == world.identity.layout
    assert plan_of(world).empty
    assert {} == pending(world)
    steps = [type(action).__name__ for action in world.log]
    expected = ["BeginChange", "Bootstrap", "RecordOpened", "SealShard", "DecideChange", "CreateMap", "EndChange"]
    assert expected == sorted(expected, key=steps.index)


def test_weights_change_the_map_and_nothing_else() -> None:
    """No shard is made, none is taken away."""
    world = grown(2)
    wish(world, shaped(2, s1=3))
    go_on(world, 8)
    assert world.identity is not None
    assert ((("s0", 1), ("s1", 3)), {2}, []) == (world.identity.layout, epochs(world), seals(world))
    assert ["s0", "s1"] == shards(world)


def test_an_empty_cluster_shrinks_down_to_one_and_grows_again() -> None:
    """The shard that comes back is another one, with letters of its own: a kept volume is never taken for it."""
    world = grown(3)
    assert world.identity is not None
    before = world.identity.shard("s2")
    wish(world, shaped(1))
    go_on(world)
    assert (["s0"], {2}) == (shards(world), epochs(world))
    wish(world, shaped(3))
    go_on(world)
    after = world.identity.shard("s2")
    assert before is not None
    assert after is not None
    assert (["s0", "s1", "s2"], {3}) == (shards(world), epochs(world))
    assert ("shop-s2-a", "shop-s2-h") == (before.bootstrapped_by, after.bootstrapped_by)
    assert before.uid != after.uid


def test_with_a_table_the_shards_stay_and_the_entry_names_it() -> None:
    """Nothing is made, nothing is sealed, and everything else of the same edit goes on."""
    world = grown(2)
    assert leader(world, "s1").make("table public.customers")
    wish(world, shaped(4))
    world.log.clear()
    go_on(world, 5)
    assert [] == world.log
    (change,) = plan_of(world).pending
    assert ("spec.shards.count", reshaping.REFUSED) == (change.field, change.reason)
    assert "until resharding exists, and s1 holds table public.customers" in change.message
    assert (["s0", "s1"], {1}, []) == (shards(world), epochs(world), seals(world))


def test_once_the_table_is_gone_the_change_is_made() -> None:
    """Nobody has to write the change again."""
    world = grown(1)
    leader(world, "s0").make("table public.customers")
    wish(world, shaped(2))
    go_on(world, 5)
    leader(world, "s0").drop()
    go_on(world)
    assert (["s0", "s1"], {2}) == (shards(world), epochs(world))


def test_a_table_that_is_made_meanwhile_ends_the_change() -> None:
    """What was made for it goes again, and the seals are off."""
    world = grown(2)
    wish(world, shaped(3))
    go_on(world, 2)
    assert "s2" in shards(world)
    assert leader(world, "s0").make("table public.t")
    go_on(world)
    assert (["s0", "s1"], {1}, []) == (shards(world), epochs(world), seals(world))
    assert {"spec.shards.count": reshaping.REFUSED} == pending(world)


def test_a_change_that_is_taken_back_leaves_nothing() -> None:
    """Before the next map is decided an edit goes back to what was."""
    world = grown(2)
    wish(world, shaped(3))
    go_on(world, 3)
    wish(world, shaped(2))
    go_on(world)
    assert (["s0", "s1"], {1}, []) == (shards(world), epochs(world), seals(world))
    assert (True, {}) == (plan_of(world).empty, pending(world))
    assert any(isinstance(action, CancelChange) for action in world.log)


def test_a_shard_that_does_not_answer_holds_a_change_up() -> None:
    """Silence does not make a shard empty."""
    world = grown(2)
    world.unreachable = {"shop-s1-a"}
    wish(world, shaped(1))
    world.log.clear()
    go_on(world, 5)
    assert [] == world.log
    assert {"spec.shards.count": reshaping.CHANGING} == pending(world)


def test_an_open_transaction_is_waited_for_and_named() -> None:
    """It may have made a table that nobody sees yet."""
    world = grown(2)
    leader(world, "s0").busy = "session 7 of app has a transaction open"
    wish(world, shaped(2, s0=2))
    world.log.clear()
    go_on(world, 3)
    assert [] == world.log
    (change,) = plan_of(world).pending
    assert "in s0, session 7 of app has a transaction open" in change.message


def test_a_stray_seal_is_taken_off() -> None:
    """An order that arrived late seals nothing for good."""
    world = grown(1)
    volume = leader(world, "s0").volume
    assert volume is not None
    volume.sealed = 2
    go_on(world, 1)
    assert [] == seals(world)


def test_a_paused_cluster_keeps_its_shards() -> None:
    """The change is listed, and begins after the pause."""
    world = grown(1)
    paused = cluster_spec().maintenance.model_copy(update={"paused": True})
    wish(world, shaped(2).model_copy(update={"maintenance": paused}))
    world.log.clear()
    go_on(world, 3)
    assert ([], {"spec.shards.count": reshaping.CHANGING}) == (world.log, pending(world))


def test_what_was_decided_is_finished_whatever_is_asked_for_next() -> None:
    """Two maps are never decided at once: the next change begins after this one."""
    world = grown(2)
    wish(world, shaped(2, s1=3))
    while not any(isinstance(action, DecideChange) for action in world.log):
        go_on(world, 1)
    wish(world, shaped(2, s1=7))
    go_on(world)
    assert world.identity is not None
    assert (3, (("s0", 1), ("s1", 7))) == (world.identity.epoch, world.identity.layout)
    ends = [action for action in world.log if isinstance(action, EndChange)]
    assert [2, 3] == [action.change.epoch for action in ends]


def test_a_record_tells_the_same_after_it_was_written() -> None:
    """Every state of a change is read as it was written; one that tells of none is as earlier operators wrote it."""
    world = grown(2)
    assert world.identity is not None
    assert '"format": 1' in record.encode(world.identity)
    wish(world, shaped(3, s1=2))
    for _ in range(25):
        go_on(world, 1)
        assert world.identity == record.decode(record.encode(world.identity))
    assert '"format": 2' in record.encode(world.identity)


SHAPES = [(1, {}), (2, {}), (3, {}), (2, {"s0": 3}), (1, {"s0": 2})]
Trouble = tuple[int | None, int | None, int | None, bool, int | None]


@st.composite
def troubles(draw: st.DrawFn) -> list[Trouble]:
    """Draw rounds: when the operator dies, what is asked for, where a table is made, whether all go, who is silent."""
    rare = st.none() | st.none() | st.integers(0, 4)
    one = st.tuples(st.none() | st.integers(0, 6), rare, rare, st.integers(0, 5).map(lambda n: n == 0), rare)
    return draw(st.lists(one, max_size=20))


@hypothesis.settings(max_examples=70, deadline=None)
@hypothesis.given(troubles(), st.sampled_from([1, 2, 3]))
def test_any_prefix_is_safe_and_the_shards_agree_in_the_end(trouble: list[Trouble], count: int) -> None:
    """No table ever lies under another map than it was made under, and none goes with its shard.

    The fakes raise where a map is stored over another without a seal, and where a shard is taken away with a table.
    """
    world = grown(count)
    made: dict[str, int | None] = {}
    for most, shape, table, drop, silent in trouble:
        if shape is not None:
            wish(world, shaped(SHAPES[shape][0], **SHAPES[shape][1]))
        names = sorted(world.agents)
        world.unreachable = {names[silent % len(names)]} if silent is not None else set()
        go_on(world, 1, most)
        if drop:
            for agent in world.agents.values():
                agent.drop()
        if table is not None:
            agent = world.agents[sorted(world.agents)[table % len(world.agents)]]
            if agent.volume is not None and agent.make("table public.t"):
                made[agent.instance] = agent.volume.map_epoch
        for agent in world.agents.values():
            if agent.volume is not None and agent.volume.tables:
                assert made[agent.instance] == agent.volume.map_epoch
    world.unreachable = set()
    go_on(world, 60)
    full = any(agent.volume is not None and agent.volume.tables for agent in world.agents.values())
    assert world.identity is not None
    assert ([], {world.identity.epoch}) == (seals(world) if not full else [], epochs(world))
    if not full:
        assert plan_of(world).empty
        assert world.identity.change is None
        assert [name for name, _ in world.identity.layout] == shards(world)


def test_the_checks_above_can_fail() -> None:
    """A seal is what keeps a table out."""
    world = grown(1)
    world.carry_out(SealShard("s0", "shop-s0-a", 2, leaves=False), world.facts())
    assert not leader(world, "s0").make("table public.t")
