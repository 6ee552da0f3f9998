"""What an order of a person means now: total, and never an order to an instance that was not seen."""

from hypothesis import given
from hypothesis import strategies as st

from covet.core import names
from covet.core.agentapi import AgentStatus, MemberState, Rule, Serving
from covet.planner import actions as act
from covet.planner import orders
from covet.planner.facts import InstanceFacts, ShardFacts, Unreachable
from covet.planner.record import ShardRecord

RECORD = ShardRecord("s0", "uid", "shop-s0-a", "7", opened=True)
COHORT = ("a", "b", "c")


def answer(letter: str, state: MemberState, leader: str) -> AgentStatus:
    """Return what an instance answers."""
    return AgentStatus(
        1,
        "0",
        f"shop-s0-{letter}",
        state,
        state.value,
        "",
        Serving.READ_WRITE if state is MemberState.LEADER else Serving.CLOSED,
        member=None if state is MemberState.EMPTY else letter,
        system_id=None if state is MemberState.EMPTY else "7",
        rule=Rule(3, 1, leader, COHORT, 1),
        shard_uid="uid",
    )


def shard(states: tuple[MemberState | None, ...]) -> ShardFacts:
    """Return a shard whose instances are in these states; None is silent."""
    leader = next((letter for letter, state in zip(COHORT, states, strict=True) if state is MemberState.LEADER), "a")
    return ShardFacts(
        "s0",
        tuple(
            InstanceFacts(
                f"shop-s0-{letter}", agent=Unreachable("silent") if state is None else answer(letter, state, leader)
            )
            for letter, state in zip(COHORT, states, strict=True)
        ),
    )


STATES = st.sampled_from([None, MemberState.FOLLOWER, MemberState.EMPTY, MemberState.STARTING, MemberState.REFUSED])
SHARDS = st.tuples(STATES, STATES, STATES).flatmap(
    lambda states: st.sampled_from([None, 0, 1, 2]).map(
        lambda led: shard(tuple(MemberState.LEADER if led == index else state for index, state in enumerate(states)))
    )
)


@given(
    SHARDS,
    st.sampled_from(["shop-s0-a", "shop-s0-b", "shop-s0-c", "shop-s0-d", ""]),
    st.booleans(),
    st.sets(st.sampled_from(["shop-s0-a", "shop-s0-b", "shop-s0-c"])),
)
def test_every_order_is_given_refused_or_waited_with(
    seen: ShardFacts,
    instance: str,
    promotes: bool,
    fenced: set[str],
) -> None:
    """To a leader that was seen, or to an instance with a database while nobody leads; else there is a sentence."""
    order = orders.Order("x", "s0", instance, promotes=promotes)
    leader = next((entry.name for entry, said in seen.answers() if said.state is MemberState.LEADER), None)
    found = orders.decide(order, seen, RECORD, tuple(sorted(fenced)))
    if isinstance(found, str):
        assert found
        return
    if isinstance(found, act.SettleOrder):
        assert found.message.startswith("s0: ")
        assert found.refused is (leader != instance or not leader)
        return
    assert instance not in fenced
    assert instance != leader
    if isinstance(found, act.OrderSwitchover):
        assert (leader, promotes) == (found.leader, False)
    else:
        assert isinstance(found, act.OrderPromotion)
        assert (leader, promotes) == (None, True)


def test_orders_are_read_from_their_annotations_alone() -> None:
    """Other annotations are nobody's order."""
    found = orders.read(
        {
            names.promote_annotation("s1"): "shop-s1-b",
            names.switchover_annotation("s0"): " shop-s0-b ",
            names.ANNOTATION_FENCED: "shop-s0-c",
            "covet.dev/else": "x",
        }
    )
    assert [("s0", "shop-s0-b", False), ("s1", "shop-s1-b", True)] == [
        (order.shard, order.instance, order.promotes) for order in found
    ]


def test_fenced_instances_are_a_sorted_list() -> None:
    """Spaces, repetitions and empty entries mean nothing."""
    assert ("a", "b") == orders.fenced({names.ANNOTATION_FENCED: " b,,a, b"})
    assert () == orders.fenced({})
