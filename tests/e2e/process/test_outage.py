"""Everything of a shard is gone at once: what a quorum of volumes brings back, and what only a person does."""

import asyncio
import itertools
import shutil
import time
from collections.abc import Callable

import pytest

from covet.core.agentapi import AgentStatus, MemberState, Serving
from covet.core.agentorders import PromoteOrder
from tests.e2e.process.agents import Agent
from tests.e2e.process.shard import Shard
from tests.e2e.process.test_faults import Writer

OUTAGE_SECONDS = 60.0
"""Within which a shard takes writes again after a total outage."""


async def kill(*agents: Agent) -> None:
    """Kill every process of all these at once."""
    await asyncio.gather(*(asyncio.to_thread(agent.kill_everything) for agent in agents))


def lose(agent: Agent) -> None:
    """Forget everything that a volume holds; nothing of the instance may run."""
    for path in agent.data.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


async def readmit(shard: Shard, *agents: Agent) -> None:
    """Do what the operator does about empty volumes: have them cloned and voted in, and wait until they serve."""
    await shard.clone(*agents)
    await shard.grow()
    await shard.wait_serving()


def sees(status: AgentStatus, *words: str) -> bool:
    """Tell whether a member says how many elect a leader, and all these words."""
    return all(word in status.quorum_missing for word in ("2 of 3 members elect a leader and 1 can be reached", *words))


@pytest.mark.parametrize("lost", range(3))
async def test_after_a_total_outage_any_two_of_three_volumes_are_enough(three: Shard, lost: int) -> None:
    """All are killed at once and one volume is gone for good: the others lead on with every acknowledged write."""
    gone, kept = three.agents[lost], [agent for agent in three.agents if agent is not three.agents[lost]]
    before = (await three.status(gone)).member
    async with Writer(three) as writer:
        await kill(*three.agents)
        lose(gone)
        began = time.monotonic()
        for agent in three.agents:
            agent.start()
        assert await three.find_leader(OUTAGE_SECONDS) in kept
        assert time.monotonic() - began < OUTAGE_SECONDS
        await writer.more(20)
    await writer.check()
    await readmit(three, gone)
    status = await three.status(gone)
    assert status.rule is not None
    assert before != status.member
    assert status.member in status.rule.cohort
    assert set(writer.acknowledged) <= {row["a"] for row in await rows(three, gone)}


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_after_a_total_outage_any_three_of_five_volumes_are_enough(
    record_property: Callable[[str, object], None],
) -> None:
    """A commit is on three of five volumes: whichever two are gone, the others have every acknowledged write."""
    took: list[float] = []
    async with Shard(5) as shard:
        await shard.birth()
        for gone in itertools.combinations(shard.agents, 2):
            async with Writer(shard) as writer:
                await kill(*shard.agents)
                for agent in gone:
                    lose(agent)
                began = time.monotonic()
                for agent in shard.agents:
                    agent.start()
                assert await shard.find_leader(OUTAGE_SECONDS) not in gone
                took.append(round(time.monotonic() - began, 1))
                await writer.more(20)
            await writer.check()
            await readmit(shard, *gone)
            for agent in gone:
                assert set(writer.acknowledged) <= {row["a"] for row in await rows(shard, agent)}
            await shard.execute("DROP TABLE w")
    record_property("seconds until somebody leads", took)
    assert 10 == len(took)
    assert max(took) < OUTAGE_SECONDS


async def rows(shard: Shard, agent: Agent) -> list[dict[str, int]]:
    """Return what a replica shows of the writes, once it shows what the leader has committed by now."""
    position = await shard.value("SELECT pg_current_wal_flush_lsn()::text")
    shows = f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"
    async with asyncio.timeout(30.0):
        while not await shard.value(shows, agent=agent):  # noqa: ASYNC110  no event
            await asyncio.sleep(0.05)
    connection = await shard.connect(agent)
    try:
        found: list[dict[str, int]] = await connection.fetch("SELECT a FROM w", timeout=10.0)
    finally:
        await connection.close(timeout=2.0)
    return found


async def test_i5_two_lost_volumes_of_three_are_named_and_nobody_leads_without_an_order(three: Shard) -> None:
    """Their instances come back without a vote: the follower that is left says so, and leads by order alone."""
    await three.execute("CREATE TABLE t AS SELECT 1 AS a")
    await three.switch_over(three.agents[0])
    *gone, left = three.agents
    term = (await three.status(left)).promise
    await kill(*gone)
    await three.wait(left, lambda s: sees(s, "no line to shop-s0-a, shop-s0-b"))
    for agent in gone:
        lose(agent)
        agent.start()
    status = await three.wait(left, lambda s: sees(s, "no vote from shop-s0-a, shop-s0-b, though connected"))
    assert (MemberState.FOLLOWER, term) == (status.state, status.promise)
    assert {MemberState.EMPTY} == {(await three.status(agent)).state for agent in gone}
    await three.client.promote(left.peer, PromoteOrder(accept_loss=True))
    status = await three.wait(left, lambda s: s.serving is Serving.READ_WRITE)
    assert status.rule is not None
    assert ((status.member,), "") == (status.rule.cohort, status.quorum_missing)
    assert status.last_failover is not None
    assert "LossAccepted" == status.last_failover.reason
    three.leader = left
    await readmit(three, *gone)
    assert 1 == await three.value("SELECT count(*) FROM t")


async def test_what_a_forced_leader_lacks_is_given_up_by_those_that_come_back_and_said(three: Shard) -> None:
    """Two of three acknowledged what the third lacks: it leads by order, and they report the log that they discard."""
    await three.execute("CREATE TABLE t AS SELECT 1 AS a")
    *away, behind = three.agents
    await three.switch_over(away[0])
    await kill(behind)
    await three.execute("INSERT INTO t VALUES (2)")
    before = {agent.peer.instance: (await three.status(agent)).member for agent in away}
    await kill(*away)
    behind.start()
    await three.wait(behind, lambda s: sees(s, "no line to shop-s0-a, shop-s0-b") and s.position is not None)
    await three.client.promote(behind.peer, PromoteOrder(accept_loss=True))
    await three.wait(behind, lambda s: s.serving is Serving.READ_WRITE)
    three.leader = behind
    assert 1 == await three.value("SELECT count(*) FROM t")
    for agent in away:
        agent.start()
    await three.wait_serving()
    term = (await three.status(behind)).promise
    for agent in away:
        status = await three.status(agent)
        if status.member == before[agent.peer.instance]:  # else nothing could be rewound, and it was cloned anew
            assert status.discarded is not None
            assert (term, True) == (status.discarded.term, status.discarded.size > 0)
    rule = await three.grow()
    assert (3, 1) == (len(rule.cohort), rule.acks)
