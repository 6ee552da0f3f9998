"""What the agent does beside the election: the rules that hold whatever the facts are, and the steps of a life."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.core.agentapi import MemberState
from covet.planner import member
from covet.planner.election.watch import LEADING, Role
from covet.planner.member import Act, Decision, Facts, ServerState, VolumeState


def facts(**changes: object) -> Facts:
    """Return a follower that streams and is open, with changes."""
    calm = Facts(
        volume=VolumeState.BORN,
        server=ServerState.STANDBY,
        role=Role.FOLLOWER,
        writes=False,
        follows=True,
        busy=False,
        remake=False,
        may_start=True,
        open=True,
        shard_opened=True,
        streaming=True,
        unstreamed_seconds=0.0,
        stalled_seconds=0.0,
    )
    return dataclasses.replace(calm, **changes)  # type: ignore[arg-type]  # the names are checked at run time


def leader(**changes: object) -> Facts:
    """Return a leader that serves, with changes."""
    told = {"role": Role.LEADER, "server": ServerState.PRIMARY, "writes": True, "follows": False, "streaming": False}
    return facts(**told | changes)


ANY_FACTS = st.builds(
    Facts,
    volume=st.sampled_from(VolumeState),
    server=st.sampled_from(ServerState),
    role=st.none() | st.sampled_from(Role),
    writes=st.booleans(),
    follows=st.booleans(),
    busy=st.booleans(),
    remake=st.booleans(),
    may_start=st.booleans(),
    open=st.booleans(),
    shard_opened=st.booleans(),
    streaming=st.booleans(),
    unstreamed_seconds=st.sampled_from([0.0, 1.0, 30.0]),
    stalled_seconds=st.sampled_from([0.0, 1.0, 30.0]),
    stopping=st.booleans(),
    fenced=st.booleans(),
)


@given(ANY_FACTS)
def test_i4_nobody_is_let_in_without_the_word_of_core_and_operator(seen: Facts) -> None:
    """Open means a leader that the core opened, or a follower that streams, of a shard that was opened."""
    if member.decide(seen).act is not Act.OPEN:
        return
    assert seen.shard_opened
    assert seen.volume is VolumeState.BORN
    if seen.role is Role.FOLLOWER:
        assert seen.streaming
        assert seen.follows
        assert seen.stalled_seconds <= member.STALLED_SECONDS
    else:
        assert seen.role in {Role.LEADER, Role.READ_FENCED}
        assert seen.writes


@given(ANY_FACTS)
def test_i13_only_a_finished_database_is_given_to_the_election(seen: Facts) -> None:
    """Neither an empty nor an unfinished nor a refused volume is begun, and what is gone by there is halted."""
    decision = member.decide(seen)
    if seen.volume is VolumeState.BORN or (seen.volume is not VolumeState.REFUSED and (seen.busy or seen.stopping)):
        return
    assert decision.act in {Act.WAIT, Act.HALT}
    if seen.server is not ServerState.DOWN or seen.role is not None:
        assert decision.act is Act.HALT


@given(ANY_FACTS)
def test_a_fenced_instance_ends_up_without_a_server(seen: Facts) -> None:
    """Whatever it was: a leader hands over, then the server is halted, and nothing begins it again."""
    if not seen.fenced or seen.busy or seen.stopping:
        return
    decision = member.decide(seen)
    assert decision.act in {Act.PART, Act.HALT, Act.WAIT}
    if decision.act is Act.WAIT:
        assert (ServerState.DOWN, None) == (seen.server, seen.role)
    if seen.volume is VolumeState.BORN:
        assert (decision.act is Act.PART) is (seen.role in LEADING)
        assert (MemberState.STOPPED, "Fenced") == (decision.state, decision.reason)


@given(ANY_FACTS)
def test_a_busy_or_stopping_agent_leaves_the_server_alone(seen: Facts) -> None:
    """While an order owns the server the loop only waits, but for a volume that is refused."""
    if seen.volume is VolumeState.REFUSED or not (seen.busy or seen.stopping):
        return
    assert Act.WAIT is member.decide(seen).act


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (facts(), Decision(Act.WAIT, MemberState.FOLLOWER, "Following")),
        (facts(open=False), Decision(Act.OPEN, MemberState.FOLLOWER, "Following")),
        (facts(shard_opened=False), Decision(Act.CLOSE, MemberState.FOLLOWER, "ShardNotOpened")),
        (facts(streaming=False), Decision(Act.WAIT, MemberState.FOLLOWER, "StreamLost")),
        (facts(streaming=False, unstreamed_seconds=6.0), Decision(Act.CLOSE, MemberState.FOLLOWER, "StreamLost")),
        (facts(stalled_seconds=11.0), Decision(Act.CLOSE, MemberState.FOLLOWER, "ReplayStalled")),
        (facts(follows=False, streaming=False), Decision(Act.WAIT, MemberState.FOLLOWER, "NotFollowing")),
        (facts(succeeds=True), Decision(Act.CLOSE, MemberState.FOLLOWER, "Succeeding")),
        (facts(succeeds=True, open=False), Decision(Act.WAIT, MemberState.FOLLOWER, "Succeeding")),
        (facts(role=None), Decision(Act.BEGIN, MemberState.STARTING, "StartingStandby")),
        (facts(remake=True), Decision(Act.REMAKE, MemberState.STARTING, "ClonedAnew")),
        (facts(role=Role.RECRUITED), Decision(Act.WAIT, MemberState.STARTING, "Recruited")),
        (
            facts(role=Role.RECRUITED, streaming=False, unstreamed_seconds=6.0),
            Decision(Act.CLOSE, MemberState.STARTING, "Recruited"),
        ),
        (facts(role=Role.BOOT, server=ServerState.DOWN), Decision(Act.WAIT, MemberState.STOPPED, "StartingStandby")),
        (
            facts(role=Role.BOOT, server=ServerState.DOWN, may_start=False),
            Decision(Act.WAIT, MemberState.STOPPED, "ServerBackOff"),
        ),
        (
            facts(role=Role.BOOT, server=ServerState.STARTING),
            Decision(Act.WAIT, MemberState.STARTING, "ServerStarting"),
        ),
        (leader(), Decision(Act.WAIT, MemberState.LEADER, "Leading")),
        (leader(open=False), Decision(Act.OPEN, MemberState.LEADER, "Leading")),
        (leader(role=Role.READ_FENCED), Decision(Act.WAIT, MemberState.LEADER, "ReadFenced")),
        (leader(open=False, shard_opened=False), Decision(Act.WAIT, MemberState.LEADER, "ShardNotOpened")),
        (leader(writes=False, open=False), Decision(Act.WAIT, MemberState.LEADER, "HandingOver")),
        (leader(server=ServerState.DOWN), Decision(Act.WAIT, MemberState.STOPPED, "LeaderDown")),
        (leader(role=Role.PROMOTING), Decision(Act.WAIT, MemberState.STARTING, "Promoting")),
        (facts(volume=VolumeState.EMPTY, role=None), Decision(Act.HALT, MemberState.EMPTY, "WaitsForOrder")),
        (facts(volume=VolumeState.REFUSED), Decision(Act.HALT, MemberState.REFUSED, "VolumeRefused")),
        (facts(busy=True), Decision(Act.WAIT, MemberState.STARTING, "OrderUnderWay")),
    ],
)
def test_the_steps_of_a_life(seen: Facts, wanted: Decision) -> None:
    """Each moment of a member's life has its action, state and reason."""
    assert wanted == member.decide(seen)
