"""What an acknowledged commit is worth."""

import asyncio

import asyncpg
import pytest

from covet.core.agentapi import CohortOrder, Durability, MemberState, Serving
from covet.core.errors import RefusedError
from tests.e2e.process.shard import Shard


async def test_i2_a_commit_waits_until_a_follower_flushed_it(three: Shard) -> None:
    """With both followers frozen a commit is not acknowledged; with one back it is."""
    await three.execute("CREATE TABLE t (a int)")
    for agent in three.followers:
        agent.freeze_server()
    connection = await three.connect()
    insert = asyncio.create_task(connection.execute("INSERT INTO t VALUES (1)"))
    done, _ = await asyncio.wait([insert], timeout=1.5)
    assert set() == done
    three.followers[1].thaw_server()
    await asyncio.wait_for(insert, 10.0)
    await connection.close()


async def test_async_durability_waits_for_nobody() -> None:
    """Under Async a commit is acknowledged with every follower frozen."""
    async with Shard(3, Durability.ASYNC) as shard:
        await shard.birth()
        rule = (await shard.status(shard.leader)).rule
        assert rule is not None
        assert (3, 0) == (len(rule.cohort), rule.acks)
        for agent in shard.followers:
            agent.freeze_server()
        await asyncio.wait_for(shard.execute("CREATE TABLE t (a int)"), 5.0)


async def test_i4_a_restarted_leader_stays_closed_until_a_follower_confirms(three: Shard) -> None:
    """Without any follower a restarted leader lets nobody in; with the first one it does."""
    await three.execute("CREATE TABLE t AS SELECT 1 AS a")
    for agent in three.agents:
        agent.kill_everything()
    three.leader.start()
    status = await three.wait(three.leader, lambda s: s.reason == "RuleUnconfirmed")
    assert Serving.CLOSED is status.serving
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await three.connect()
    three.followers[0].start()
    await three.wait(three.leader, lambda s: s.serving is Serving.READ_WRITE)
    assert 1 == await three.value("SELECT count(*) FROM t")


async def test_i6_a_leader_that_dies_amid_a_step_goes_on_with_it() -> None:
    """A step whose row nobody acknowledged stays pending over a restart, and is finished before anyone gets in."""
    async with Shard(3) as shard:
        await shard.bootstrap()
        await shard.clone(*shard.followers)
        shard.followers[0].freeze_server()
        order = CohortOrder((shard.leader.peer.instance, shard.followers[0].peer.instance), 1)
        with pytest.raises(RefusedError) as refused:
            await shard.client.cohort(shard.leader.peer, order)
        assert "RuleUnacknowledged" == refused.value.reason
        shard.leader.kill_everything()
        shard.leader.start()
        status = await shard.wait(shard.leader, lambda s: s.state is MemberState.LEADER)
        assert status.rule is not None
        assert (1, 1, 0) == (status.rule.term, status.rule.seq, status.rule.acks)
        shard.followers[0].thaw_server()
        status = await shard.wait(shard.leader, lambda s: s.rule is not None and s.rule.seq == 2)
        assert status.rule is not None
        assert (2, 1) == (len(status.rule.cohort), status.rule.acks)
        rule = await shard.grow()
        assert (3, 3, 1) == (rule.seq, len(rule.cohort), rule.acks)
