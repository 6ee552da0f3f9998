"""What a member does next: the rules that hold whatever the facts are, and the steps of its life."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.core.agentapi import MemberState, Rule
from covet.planner import member
from covet.planner.member import Act, Decision, Facts, ServerState, VolumeState

SELF, OTHER = "s0-a-0123456789ab", "s0-b-0123456789ab"


def facts(**changes: object) -> Facts:
    """Return a follower that streams and is open, with changes."""
    calm = Facts(
        volume=VolumeState.BORN,
        server=ServerState.STANDBY,
        member=SELF,
        promise=1,
        rule=Rule(1, 3, OTHER, (SELF, OTHER), 1),
        busy=False,
        may_start=True,
        open=True,
        shard_opened=True,
        confirmed=False,
        following=OTHER,
        streaming=True,
        unstreamed_seconds=0.0,
        leader_reachable=True,
    )
    return dataclasses.replace(calm, **changes)  # type: ignore[arg-type]  # the names are checked at run time


def leader(**changes: object) -> Facts:
    """Return a leader that serves, with changes."""
    own = Rule(1, 3, SELF, (SELF, OTHER), 1)
    told = {"rule": own, "server": ServerState.PRIMARY, "confirmed": True, "following": None, "streaming": False}
    return facts(**told | changes)


ANY_FACTS = st.builds(
    Facts,
    volume=st.sampled_from(VolumeState),
    server=st.sampled_from(ServerState),
    member=st.sampled_from([None, SELF]),
    promise=st.integers(0, 3),
    rule=st.none()
    | st.builds(
        Rule,
        term=st.integers(1, 3),
        seq=st.integers(1, 3),
        leader=st.sampled_from([SELF, OTHER]),
        cohort=st.just((SELF, OTHER)),
        acks=st.integers(0, 1),
    ),
    busy=st.booleans(),
    may_start=st.booleans(),
    open=st.booleans(),
    shard_opened=st.booleans(),
    confirmed=st.booleans(),
    following=st.sampled_from([None, OTHER]),
    streaming=st.booleans(),
    unstreamed_seconds=st.floats(0, 100),
    leader_reachable=st.booleans(),
    stopping=st.booleans(),
    stalled_seconds=st.sampled_from([0.0, 9.0, 11.0]),
)


@given(ANY_FACTS)
def test_i7_read_write_only_by_the_newest_rule(seen: Facts) -> None:
    """The server starts read-write only where the newest rule names this member, under the term it promised."""
    if member.decide(seen).act is Act.START_PRIMARY:
        assert seen.volume is VolumeState.BORN
        assert seen.rule is not None
        assert (SELF, seen.promise) == (seen.rule.leader, seen.rule.term)


@given(ANY_FACTS)
def test_i4_a_leader_opens_only_confirmed_and_opened(seen: Facts) -> None:
    """A primary lets clients in only with its rule confirmed and the shard opened by the operator."""
    if member.decide(seen).act is Act.OPEN and seen.server is ServerState.PRIMARY:
        assert seen.confirmed
        assert seen.shard_opened
        assert member.leads(seen)


@given(ANY_FACTS)
def test_a_follower_opens_only_while_it_streams(seen: Facts) -> None:
    """A standby lets readers in only while it streams from the leader of the newest rule."""
    if member.decide(seen).act is Act.OPEN and seen.server is ServerState.STANDBY:
        assert seen.streaming
        assert seen.rule is not None
        assert (OTHER, OTHER) == (seen.rule.leader, seen.following)


@given(ANY_FACTS)
def test_a_follower_that_lost_its_stream_does_not_stay_open(seen: Facts) -> None:
    """Past the bound, an open standby without a stream is closed before anything else is done with it."""
    lost = not seen.streaming and seen.unstreamed_seconds > member.STREAM_LOST_SECONDS
    calm = seen.volume is VolumeState.BORN and not (seen.busy or seen.stopping or member.leads(seen))
    if lost and calm and seen.open and seen.server is ServerState.STANDBY and None not in {seen.rule, seen.member}:
        assert Act.CLOSE is member.decide(seen).act


@given(ANY_FACTS)
def test_i13_nothing_starts_on_a_volume_without_a_finished_database(seen: Facts) -> None:
    """On an empty, unfinished or refused volume no server starts, and one that runs is stopped."""
    if seen.volume is not VolumeState.BORN and not (seen.busy or seen.stopping):
        assert (Act.WAIT if seen.server is ServerState.DOWN else Act.STOP) is member.decide(seen).act


@given(ANY_FACTS)
def test_i8_a_primary_that_does_not_lead_is_stopped(seen: Facts) -> None:
    """A server found read-write without its term is stopped at once."""
    calm = seen.volume is VolumeState.BORN and not (seen.busy or seen.stopping)
    if calm and seen.server is ServerState.PRIMARY and not member.leads(seen):
        assert Act.STOP is member.decide(seen).act


@given(ANY_FACTS)
def test_orders_are_left_alone(seen: Facts) -> None:
    """While an order or the end of the agent owns the server, the loop does nothing, unless the volume is refused."""
    if (seen.busy or seen.stopping) and seen.volume is not VolumeState.REFUSED:
        assert Act.WAIT is member.decide(seen).act


@pytest.mark.parametrize(
    ("seen", "decision"),
    [
        (
            facts(volume=VolumeState.EMPTY, server=ServerState.DOWN),
            Decision(Act.WAIT, MemberState.EMPTY, "WaitsForOrder"),
        ),
        (facts(server=ServerState.DOWN), Decision(Act.START_STANDBY, MemberState.STARTING, "StartingStandby")),
        (
            facts(server=ServerState.DOWN, may_start=False),
            Decision(Act.WAIT, MemberState.STOPPED, "ServerBackOff"),
        ),
        (facts(server=ServerState.STARTING), Decision(Act.WAIT, MemberState.STARTING, "ServerStarting")),
        (
            facts(following=None, streaming=False, open=False),
            Decision(Act.FOLLOW, MemberState.FOLLOWER, "NotFollowing"),
        ),
        (facts(open=False), Decision(Act.OPEN, MemberState.FOLLOWER, "Following")),
        (facts(), Decision(Act.WAIT, MemberState.FOLLOWER, "Following")),
        (
            facts(streaming=False, unstreamed_seconds=1.0),
            Decision(Act.FOLLOW, MemberState.FOLLOWER, "StreamLost"),
        ),
        (
            facts(streaming=False, unstreamed_seconds=9.0),
            Decision(Act.CLOSE, MemberState.FOLLOWER, "StreamLost"),
        ),
        (
            facts(streaming=False, open=False, leader_reachable=False),
            Decision(Act.WAIT, MemberState.FOLLOWER, "LeaderAddressUnknown"),
        ),
        (facts(shard_opened=False), Decision(Act.CLOSE, MemberState.FOLLOWER, "ShardNotOpened")),
        (leader(server=ServerState.DOWN), Decision(Act.START_PRIMARY, MemberState.STARTING, "ResumingTerm")),
        (leader(server=ServerState.STANDBY), Decision(Act.STOP, MemberState.STARTING, "StandbyMustLead")),
        (leader(confirmed=False), Decision(Act.CLOSE, MemberState.LEADER, "RuleUnconfirmed")),
        (leader(confirmed=False, open=False), Decision(Act.CONFIRM, MemberState.LEADER, "RuleUnconfirmed")),
        (leader(open=False), Decision(Act.OPEN, MemberState.LEADER, "Leading")),
        (leader(), Decision(Act.WAIT, MemberState.LEADER, "Leading")),
        (leader(promise=2), Decision(Act.STOP, MemberState.STOPPED, "ReadWriteWithoutTerm")),
    ],
)
def test_the_life_of_a_member(seen: Facts, decision: Decision) -> None:
    """Each state of the design leads to its next action, with its reason."""
    assert decision == member.decide(seen)


def test_a_follower_that_does_not_replay_shuts_its_readers_out() -> None:
    """It streams and looks healthy, but its rows grow old: closed after a bound, and not opened again before."""
    assert Decision(Act.WAIT, MemberState.FOLLOWER, "Following") == member.decide(facts(stalled_seconds=9.0))
    assert Decision(Act.CLOSE, MemberState.FOLLOWER, "ReplayStalled") == member.decide(facts(stalled_seconds=11.0))
    closed = facts(stalled_seconds=11.0, open=False)
    assert Decision(Act.WAIT, MemberState.FOLLOWER, "ReplayStalled") == member.decide(closed)
