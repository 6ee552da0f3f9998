"""What an acknowledged commit is worth."""

import asyncio
import signal

import asyncpg
import pytest

from covet.core.agentapi import Durability, Serving
from covet.core.agentorders import CohortOrder
from covet.core.errors import RefusedError, UnreachableError
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


async def test_i4_a_member_alone_lets_nobody_in(three: Shard) -> None:
    """One of three that starts alone is elected by nobody and stays closed; with a second one there is a leader."""
    await three.execute("CREATE TABLE t AS SELECT 1 AS a")
    for agent in three.agents:
        agent.kill_everything()
    alone, second, _ = three.agents
    alone.start()
    status = await three.wait(alone, lambda s: s.reason == "Boot" and s.position is not None)
    await asyncio.sleep(3.0)  # longer than it waits before it asks for an election
    status = await three.status(alone)
    assert ("Boot", Serving.CLOSED) == (status.reason, status.serving)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await three.connect(alone)
    second.start()
    await three.find_leader()
    assert 1 == await three.value("SELECT count(*) FROM t")


async def test_i6_a_step_that_nobody_confirms_binds_nobody_after_a_failover() -> None:
    """A wider cohort's row is written and not confirmed: whoever leads next may find either rule, and completes it."""
    async with Shard(3) as shard:
        await shard.bootstrap()
        await shard.clone(*shard.followers)
        narrow = await shard.grow(2, acks=1)
        assert (2, 1) == (len(narrow.cohort), narrow.acks)
        for agent in shard.followers:
            agent.send(signal.SIGSTOP)  # their servers acknowledge the row; nobody confirms it
        wanted = CohortOrder(tuple(agent.peer.instance for agent in shard.agents), 1)
        reason = "MemberLags"
        async with asyncio.timeout(20.0):
            while reason == "MemberLags":  # the third one's server may still be catching up
                with pytest.raises((RefusedError, UnreachableError)) as refused:
                    await shard.client.cohort(shard.leader.peer, wanted)
                reason = refused.value.reason
        assert 2 == shard.leader.superuser("SHOW synchronous_standby_names").count("s0-")
        for agent in shard.followers:
            agent.send(signal.SIGCONT)
        rule = await shard.grow()
        assert (3, 1) == (len(rule.cohort), rule.acks)
        assert 3 == shard.leader.superuser("SHOW synchronous_standby_names").count("s0-")


async def test_i2_a_follower_names_its_rules_members_before_it_leads(three: Shard) -> None:
    """A promotion need not wait for the checkpoint that brings the setting into force."""
    shown = "SHOW synchronous_standby_names"
    wanted = await asyncio.to_thread(three.leader.superuser, shown)
    assert wanted.startswith("ANY 1 (")
    seen = {agent.peer.instance: "" for agent in three.followers}
    for _ in range(200):
        seen = {agent.peer.instance: await asyncio.to_thread(agent.superuser, shown) for agent in three.followers}
        if {wanted} == set(seen.values()):
            break
        await asyncio.sleep(0.05)
    assert dict.fromkeys(seen, wanted) == seen
