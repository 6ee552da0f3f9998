"""Waits until a shard lacks nothing."""

import asyncio
import time
from typing import Any

from benchmarks.nemesis.stage import Stage, Statuses
from covet.core.agentapi import AgentStatus, MemberState, Serving


class BrokenRunError(Exception):
    """The run cannot go on; the sentence says why."""


async def await_whole(stage: Stage[Any], limit: float) -> str:
    """Wait until one instance leads and takes writes and all others stream from it; return the leader.

    Raises:
        BrokenRunError: that does not come within so many seconds.
    """
    deadline = time.monotonic() + limit
    told: Statuses = ()
    while time.monotonic() < deadline:
        told = await stage.statuses()
        leader = find_leader_of_whole(told)
        if leader is not None:
            return stage.instances[leader]
        await stage.tend(told)
        await asyncio.sleep(0.1)
    raise BrokenRunError(f"the shard is not whole after {limit:.0f} s: {'; '.join(map(describe, told))}")


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
