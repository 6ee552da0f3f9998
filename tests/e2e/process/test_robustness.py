"""Members whose volume, disk or voter fails them: what a shard of real agents makes of it."""

from pathlib import Path

from covet.core.agentapi import Serving
from covet.engines import timelines
from tests.e2e.process.agents import Agent
from tests.e2e.process.shard import Shard
from tests.e2e.process.test_faults import Writer

MEND_SECONDS = 90.0
"""Bound of what takes the agent several tries, each later than the one before."""


def damage_log(agent: Agent) -> tuple[Path, ...]:
    """Fill every segment of a stopped server's log with nothing, and return them."""
    segments = tuple(agent.pgdata / "pg_wal" / name for name in timelines.segments(agent.pgdata))
    for segment in segments:
        segment.write_bytes(bytes(segment.stat().st_size))
    return segments


async def test_a_follower_whose_log_is_damaged_is_cloned_anew_by_itself(three: Shard) -> None:
    """Its server cannot start and its position cannot be read: with the leader's leave it becomes a new member."""
    follower = three.followers[0]
    before = (await three.status(follower)).member
    async with Writer(three) as writer:
        follower.kill_everything()
        assert () != damage_log(follower)
        follower.start()
        status = await three.wait(
            follower, lambda s: s.serving is Serving.READ_ONLY and s.member != before, MEND_SECONDS
        )
        await writer.more(5)
    await three.grow()
    await writer.check()
    assert status.streaming
    assert "Gave leave to" in three.leader.log.read_text()
