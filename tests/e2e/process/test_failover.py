"""A shard without its leader: who leads next, and what is kept of it."""

import asyncio

from covet.core.agentapi import Serving
from tests.e2e.process.shard import Shard
from tests.e2e.process.test_faults import Writer


async def test_i2_a_failover_keeps_every_acknowledged_write(three: Shard) -> None:
    """Every process of the leader is killed: another leads, nothing acknowledged is lost, the former one follows."""
    former, term = three.leader, (await three.status(three.leader)).promise
    async with Writer(three) as writer:
        former.kill_everything()
        await three.find_leader()
        await writer.more(20)
        former.start()
        await three.wait(former, lambda s: s.serving is Serving.READ_ONLY)
    await writer.check()
    status = await three.status(three.leader)
    assert former is not three.leader
    assert status.promise > term
    assert status.rule is not None
    assert (status.promise, status.member) == (status.rule.term, status.rule.leader)


async def test_a_switchover_keeps_every_acknowledged_write_and_rewinds_nobody(three: Shard) -> None:
    """Ordered to, the leader hands over to the one that was named, and follows it with the log that it has."""
    former, successor = three.leader, three.followers[1]
    member = (await three.status(former)).member
    async with Writer(three) as writer:
        await three.switch_over(successor)
        await writer.more(20)
    await writer.check()
    assert successor is three.leader
    assert member == (await three.status(former)).member
    assert "pg_rewind" not in await asyncio.to_thread(former.log.read_text)
