"""Waits until a shard lacks nothing, and does the operator's part in that: lost volumes are cloned and admitted."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from benchmarks.nemesis.nodes import NodeAgent, NodeShard
from covet.core.agentapi import AgentStatus, CohortOrder, MemberState, Serving
from covet.core.errors import CovetError
from covet.planner import quorum

Statuses = Sequence[AgentStatus | None]
"""Of every member in the order of their letters, None of one that is silent."""


class BrokenRunError(Exception):
    """The run cannot go on; the sentence says why."""


async def await_whole(shard: NodeShard, limit: float) -> NodeAgent:
    """Wait until one member leads and takes writes and all others stream from it; return the leader.

    Raises:
        BrokenRunError: that does not come within so many seconds.
    """
    deadline = time.monotonic() + limit
    told: Statuses = ()
    while time.monotonic() < deadline:
        told = await asyncio.gather(*(_status(shard, member) for member in shard.members))
        leader = find_leader_of_whole(told)
        if leader is not None:
            shard.leader = shard.members[leader]
            return shard.members[leader]
        await _tend(shard, told)
        await asyncio.sleep(0.1)
    raise BrokenRunError(f"the shard is not whole after {limit:.0f} s: {'; '.join(map(describe, told))}")


async def _status(shard: NodeShard, member: NodeAgent) -> AgentStatus | None:
    try:
        return await shard.status(member)
    except CovetError:
        return None


async def _tend(shard: NodeShard, told: Statuses) -> None:
    """Have an empty volume cloned, and the cohort made of the members that there are."""
    leading = next((s for s in told if s is not None and s.serving is Serving.READ_WRITE), None)
    if leading is None or leading.rule is None:
        return
    shard.leader = next(member for member in shard.members if member.peer.instance == leading.instance)
    for member, status in zip(shard.members, told, strict=True):
        if status is not None and status.state is MemberState.EMPTY:
            with contextlib.suppress(CovetError, AssertionError):
                await shard.clone(member)
    members = {status.member for status in told if status is not None and status.member}
    if len(members) == len(told) and members != set(leading.rule.cohort):
        instances = tuple(member.peer.instance for member in shard.members)
        acks = quorum.acks_for(len(instances), shard.spec.durability)
        with contextlib.suppress(CovetError):
            await shard.client.cohort(shard.leader.peer, CohortOrder(instances, acks))


def find_leader_of_whole(told: Statuses) -> int | None:
    """Return the index of the leader of a shard that lacks nothing, else None."""
    statuses = [status for status in told if status is not None]
    if len(statuses) < len(told):
        return None
    leaders = [index for index, status in enumerate(statuses) if status.serving is Serving.READ_WRITE]
    if len(leaders) != 1:
        return None
    leader = statuses[leaders[0]]
    followers = [status for status in statuses if status is not leader]
    following = all(
        status.state is MemberState.FOLLOWER and status.streaming and status.serving is Serving.READ_ONLY
        for status in followers
    )
    members = {status.member for status in statuses}
    if leader.rule is None or not following or set(leader.rule.cohort) != members:
        return None
    streaming = {link.member for link in leader.followers if link.state == "streaming"}
    return leaders[0] if streaming >= members - {leader.member} else None


def describe(status: AgentStatus | None) -> str:
    """Return a status in a few words."""
    if status is None:
        return "silent"
    links = ", ".join(f"{link.member} {link.state}" for link in status.followers)
    cohort = ", ".join(status.rule.cohort) if status.rule is not None else ""
    return f"{status.member} {status.state} {status.reason} {status.serving} [{links}] of {{{cohort}}}"
