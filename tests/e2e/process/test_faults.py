"""Processes that die: the agent puts things right by itself, and no acknowledged write is missing."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Self

import asyncpg
import pytest

from covet.core.agentapi import MemberState, Serving
from covet.engines import processes
from tests.e2e.process.agents import Agent, command
from tests.e2e.process.shard import Shard

LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a client of asyncpg sees when its server goes away."""


class Writer:
    """Writes numbers all the time and remembers which were acknowledged."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self.acknowledged: list[int] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._shard.execute("CREATE TABLE IF NOT EXISTS w (a int PRIMARY KEY)")
        self._task = asyncio.create_task(self._write())
        await self.more(20)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def more(self, count: int) -> None:
        """Wait until so many further writes were acknowledged."""
        wanted = len(self.acknowledged) + count
        async with asyncio.timeout(30.0):
            while len(self.acknowledged) < wanted:
                assert self._task is not None
                assert not self._task.done()
                await asyncio.sleep(0.01)

    async def _write(self) -> None:
        number = 0
        while True:
            try:
                connection = await self._shard.connect()
            except LOST:
                await asyncio.sleep(0.05)
                continue
            try:
                while True:
                    number += 1
                    await connection.execute("INSERT INTO w VALUES ($1)", number, timeout=10.0)
                    self.acknowledged.append(number)
            except LOST:
                continue
            finally:
                connection.terminate()

    async def check(self) -> None:
        """Compare what was acknowledged with what is there."""
        connection = await self._shard.connect()
        rows = {row["a"] for row in await connection.fetch("SELECT a FROM w")}
        await connection.close()
        assert set() == set(self.acknowledged) - rows


def kill_postmaster(agent: Agent) -> None:
    """Kill -9 of the postmaster alone; its backends are orphans."""
    assert agent.postmaster is not None
    os.kill(agent.postmaster, signal.SIGKILL)


def kill_backend(agent: Agent) -> None:
    """Kill -9 of the log writer, a backend process: shared memory is suspect from then on."""
    for pid in agent.server_processes():
        if b"walwriter" in command(pid):
            os.kill(pid, signal.SIGKILL)


def state_of(pid: int) -> str:
    """Return the letter of a process's state, Z for a zombie."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


@pytest.mark.parametrize("kill", [kill_postmaster, kill_backend], ids=["postmaster", "backend"])
async def test_i7_a_killed_server_comes_back_as_a_follower(three: Shard, kill: Callable[[Agent], None]) -> None:
    """The leader's server dies, another member leads, and it follows; every acknowledged write is there."""
    victim, agent, before = three.leader, three.leader.pid, three.leader.postmaster
    async with Writer(three) as writer:
        kill(victim)
        # Backends outlive their postmaster for a moment and may still acknowledge: those writes count as well.
        await three.wait(victim, lambda s: s.state is not MemberState.LEADER)
        await three.find_leader()
        await writer.more(20)
        await three.wait(victim, lambda s: s.serving is Serving.READ_ONLY)
    await writer.check()
    assert victim is not three.leader
    assert agent == victim.pid
    assert before != victim.postmaster


async def test_i7_a_killed_agent_boots_with_a_fresh_server(three: Shard) -> None:
    """The agent dies and is started again: what it left behind is reaped, and a new term begins."""
    victim, before = three.leader, three.leader.postmaster
    term = (await three.status(victim)).promise
    async with Writer(three) as writer:
        victim.kill()
        victim.start()
        await three.wait(victim, lambda s: s.serving is not Serving.CLOSED and s.promise > term)
        await three.find_leader()
        assert before != victim.postmaster
        await writer.more(20)
    await writer.check()


async def test_a_follower_that_was_killed_comes_back_and_streams(three: Shard) -> None:
    """A follower's pod dies whole; it comes back as the same member and catches up."""
    follower = three.followers[0]
    member = (await three.status(follower)).member
    async with Writer(three) as writer:
        follower.kill_everything()
        await writer.more(20)
        follower.start()
        status = await three.wait(follower, lambda s: s.streaming and s.serving is Serving.READ_ONLY)
    assert member == status.member
    assert len(writer.acknowledged) <= await three.value("SELECT count(*) FROM w")


async def test_without_its_voter_an_agent_stops_the_server_and_ends(one: Shard) -> None:
    """The voter dies: the agent stops the server and ends with 1, so that the kubelet starts all anew."""
    os.kill(one.leader.voter, signal.SIGKILL)
    assert 1 == await asyncio.to_thread(one.leader.wait)
    assert () == one.leader.server_processes()
    one.leader.start()
    await one.wait_serving()


async def test_all_processes_at_once_while_the_api_server_is_away(three: Shard) -> None:
    """Every process dies at once; all come back by the spec on their volumes, and nothing acknowledged is missing."""
    async with Writer(three) as writer:
        pass
    for agent in three.agents:
        agent.kill_everything()
        (agent.folder / "spec.json").unlink()
    for agent in three.agents:
        agent.start()
    await three.wait_serving()
    await writer.check()
    assert {three.spec.generation} == {(await three.status(agent)).spec_generation for agent in three.agents}


async def test_orphans_are_reaped(one: Shard) -> None:
    """Backends whose postmaster was killed do not stay as zombies of the agent."""
    before = one.leader.postmaster
    kill_postmaster(one.leader)
    await one.wait(
        one.leader, lambda s: s.serving is Serving.READ_WRITE and one.leader.postmaster not in {before, None}
    )
    await asyncio.sleep(2.5)
    states = [state_of(pid) for pid in processes.children(one.leader.pid)]
    assert "Z" not in states
    assert len(states) >= 2
