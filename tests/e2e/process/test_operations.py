"""What people do to a living shard: fence an instance, end a leader's pod; and what is told of it afterwards."""

import asyncio
import time

from covet.core.agentapi import AgentStatus, MemberState, Serving
from tests.e2e.process.shard import Shard


def is_fenced(status: AgentStatus) -> bool:
    """Tell whether an instance was taken out of service."""
    return (status.state, status.reason) == (MemberState.STOPPED, "Fenced")


async def test_a_fenced_leader_hands_over_and_stays_out_until_it_is_let_back() -> None:
    """No server, no vote, over a restart of its agent; then it comes back as a replica with everything."""
    async with Shard(3) as shard:
        await shard.birth()
        await shard.execute("CREATE TABLE t AS SELECT 1 AS a")
        first = shard.leader
        await shard.publish(fenced=(first.peer.instance,))
        await shard.wait(first, lambda status: is_fenced(status) and status.serving is Serving.CLOSED)
        second = await shard.find_leader()
        assert first is not second
        async with asyncio.timeout(10.0):
            while first.server_processes():  # noqa: ASYNC110  it may be on its way to follow; /proc has no event
                await asyncio.sleep(0.05)
        assert is_fenced(await shard.status(first))
        await shard.execute("INSERT INTO t VALUES (2)")
        last = (await shard.status(second)).last_failover
        assert last is not None
        assert ("Switchover", first.peer.instance, second.peer.instance) == (last.reason, last.former, last.to)
        await asyncio.to_thread(first.terminate)
        first.start()
        await shard.wait(first, is_fenced)
        await shard.publish(fenced=())
        await shard.wait(first, lambda status: status.serving is Serving.READ_ONLY)
        assert 2 == await shard.value("SELECT count(*) FROM t", agent=first)


async def test_the_two_others_elect_without_a_fenced_member() -> None:
    """Its voter neither asks for elections nor holds theirs up."""
    async with Shard(3) as shard:
        await shard.birth()
        fenced, third = shard.followers
        await shard.publish(fenced=(fenced.peer.instance,))
        await shard.wait(fenced, is_fenced)
        await shard.execute("CREATE TABLE t AS SELECT 1 AS a")
        first = shard.leader
        first.kill_everything()
        began = time.monotonic()
        first.start()
        leader = await shard.find_leader()
        took = time.monotonic() - began
        assert leader in {first, third}
        assert took < 10.0
        await shard.execute("INSERT INTO t VALUES (2)")


async def test_a_leader_that_is_told_to_end_hands_over_first() -> None:
    """What an eviction, a drain and a rolling restart do to its pod: SIGTERM; the shard misses it for a moment."""
    async with Shard(3) as shard:
        await shard.birth()
        first = shard.leader
        ending = asyncio.create_task(asyncio.to_thread(first.terminate))
        assert 0 == await ending
        assert await shard.find_leader() is not first
        last = (await shard.status(shard.leader)).last_failover
        assert last is not None
        assert ("Switchover", first.peer.instance) == (last.reason, last.former)
        first.start()
        await shard.wait_serving()
        spans = [span for span in (last.fence_ms, last.promote_ms) if span is not None]
        assert last.writable_ms is not None
        assert sum(spans) <= last.writable_ms
