"""A run begins with a shard that lacks nothing, and ends with one."""

import dataclasses

from benchmarks.nemesis import health
from covet.core.agentapi import PROTOCOL, AgentStatus, FollowerLink, MemberState, Rule, Serving

A, B, C = "s0-a-000000000001", "s0-b-000000000001", "s0-c-000000000001"
RULE = Rule(3, 1, B, (A, B, C), 1)
LINKS = tuple(FollowerLink(member, "streaming", 0, synchronous=True) for member in (A, C))


def follower(member: str) -> AgentStatus:
    """Return the status of a follower that streams and serves reads."""
    state, serving = MemberState.FOLLOWER, Serving.READ_ONLY
    return AgentStatus(PROTOCOL, "1", "i", state, "Following", "", serving, member=member, streaming=True)


LEADER = dataclasses.replace(
    follower(B), state=MemberState.LEADER, serving=Serving.READ_WRITE, streaming=False, rule=RULE, followers=LINKS
)


def test_a_shard_with_everybody_in_place_is_whole() -> None:
    """Its leader is named by its index."""
    assert 1 == health.find_leader_of_whole([follower(A), LEADER, follower(C)])


def test_a_shard_that_lacks_anything_is_not_whole() -> None:
    """A silent member, one off the stream, one off the cohort, one the leader does not see, and two leaders."""
    away = dataclasses.replace(follower(C), streaming=False)
    stranger = follower("s0-c-000000000002")
    unseen = dataclasses.replace(LEADER, followers=LINKS[:1])
    wanting = (
        [follower(A), LEADER, None],
        [follower(A), LEADER, away],
        [follower(A), LEADER, stranger],
        [follower(A), unseen, follower(C)],
        [LEADER, LEADER, follower(C)],
        [follower(A), follower(B), follower(C)],
    )
    assert [None] * len(wanting) == [health.find_leader_of_whole(told) for told in wanting]
