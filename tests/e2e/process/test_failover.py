"""A shard without its leader: who leads next, what is kept of it, and when nobody may."""

import asyncio
import time

from covet.core.agentapi import MemberState, Serving
from covet.core.agentorders import PromoteOrder
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


async def test_after_a_total_outage_a_quorum_of_volumes_is_enough(three: Shard) -> None:
    """All are killed at once; two of three volumes come back, elect a leader, and have every acknowledged write."""
    async with Writer(three) as writer:
        for agent in three.agents:
            agent.kill_everything()
        began = time.monotonic()
        for agent in three.agents[1:]:
            agent.start()
        await three.find_leader(60.0)
        assert time.monotonic() - began < 60.0
        await writer.more(20)
    await writer.check()


async def test_i5_one_volume_of_three_waits_and_names_who_is_missing(three: Shard) -> None:
    """Alone it is elected by nobody, and says who would have to come back; a person may accept the loss instead."""
    await three.execute("CREATE TABLE t AS SELECT 1 AS a")
    for agent in three.agents:
        agent.kill_everything()
    alone = three.agents[2]
    alone.start()
    status = await three.wait(alone, lambda s: "no line to" in s.message and s.position is not None)
    assert "2 of 3 members elect a leader and 1 can be reached: no line to shop-s0-a, shop-s0-b." in status.message
    assert (MemberState.STARTING, Serving.CLOSED) == (status.state, status.serving)
    await three.client.promote(alone.peer, PromoteOrder(accept_loss=True))
    status = await three.wait(alone, lambda s: s.serving is Serving.READ_WRITE)
    assert status.rule is not None
    assert (status.member,) == status.rule.cohort
    three.leader = alone
    assert 1 == await three.value("SELECT count(*) FROM t")
    for agent in three.agents[:2]:
        agent.start()
    await three.wait_serving()
    rule = await three.grow()
    assert (3, 1) == (len(rule.cohort), rule.acks)
