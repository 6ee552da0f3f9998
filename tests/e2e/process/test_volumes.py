"""The volume under bad luck, and what stands on it: locks, strangers, no room, and the promise beside the row."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from covet.agent import durable
from covet.agent.volume import Volume
from covet.core.agentapi import MemberState, Serving
from covet.core.errors import RefusedError, UnreachableError
from covet.planner.election.rules import Sworn
from tests.e2e.process.agents import Agent, give
from tests.e2e.process.shard import Shard
from tests.e2e.process.test_faults import kill_postmaster
from tests.e2e.process.test_refusals import digest, make_database

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounting, and files of another user, need root")


def rule_row(agent: Agent) -> tuple[int, int, str, tuple[str, ...], int]:
    """Return the rule that stands in an instance's database."""
    query = "SELECT term, seq, leader, array_to_string(cohort, ','), acks FROM covet.rule"
    term, seq, leader, cohort, acks = agent.superuser(query).split("|")
    return int(term), int(seq), leader, tuple(cohort.split(",")), int(acks)


def settled(sworn: Sworn) -> bool:
    """Tell whether a member has confirmed the rule of the term that it promised."""
    return sworn.rule is not None and sworn.rule.term == sworn.promise


async def test_the_row_and_every_promise_say_the_same(three: Shard) -> None:
    """The rule in the database of each instance is the one in its promise.json, and no rewind is unfinished."""
    for agent in three.agents:
        async with asyncio.timeout(20.0):  # a leader that has just come asks for confirmations while it serves
            while (sworn := Volume(agent.data).read_promise()) is None or not settled(sworn):  # noqa: ASYNC110  a file
                await asyncio.sleep(0.05)
        assert sworn.rule is not None
        assert not sworn.rewinding
        rule = (sworn.rule.term, sworn.rule.seq, sworn.rule.leader, sworn.rule.cohort, sworn.rule.acks)
        assert rule == await asyncio.to_thread(rule_row, agent)


async def test_checksums_are_on(three: Shard) -> None:
    """Every instance checks its pages, the cloned ones too."""
    shown = [agent.superuser("SHOW data_checksums") for agent in three.agents]
    assert ["on"] * 3 == shown


async def test_a_volume_that_another_process_holds_is_waited_for() -> None:
    """While another process holds the lock nothing is touched, and the state says why; afterwards life goes on."""
    async with Shard(1) as shard:
        await shard.bootstrap()
        agent = shard.leader
        assert 0 == await asyncio.to_thread(agent.terminate)
        held = durable.hold(agent.data)
        assert held is not None
        before = digest(agent.data)
        agent.start()
        status = await shard.wait(agent, lambda s: s.reason == "VolumeInUse")
        assert (MemberState.STOPPED, Serving.CLOSED) == (status.state, status.serving)
        with pytest.raises(RefusedError) as refused:
            await shard.client.bootstrap(agent.peer, shard.bootstrap_order())
        assert "VolumeInUse" == refused.value.reason
        await asyncio.sleep(1.0)
        assert (before, ()) == (digest(agent.data), agent.server_processes())
        os.close(held)
        await shard.wait(agent, lambda s: s.state is MemberState.LEADER)


async def test_lock_files_that_name_a_living_process_do_not_matter(one: Shard) -> None:
    """In a new container the numbers in the lock files may be the agent's own; the server starts all the same."""
    agent = one.leader
    agent.kill_everything()
    socket = agent.folder / "run" / f".s.PGSQL.{agent.peer.sql_port}.lock"
    for lock in (agent.pgdata / "postmaster.pid", socket):
        lines = lock.read_text().splitlines()
        lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        give(lock)
    agent.start()
    await one.wait(agent, lambda s: s.serving is Serving.READ_WRITE)
    assert int((agent.pgdata / "postmaster.pid").read_text().splitlines()[0]) in agent.server_processes()


async def test_one_order_from_many_at_once_makes_one_database() -> None:
    """Bootstrap orders that come together initialise once; clone orders likewise."""
    async with Shard(3) as shard:
        agent = shard.leader
        await shard.wait(agent, lambda s: s.state is MemberState.EMPTY)
        order = shard.bootstrap_order()
        await asyncio.gather(*(shard.client.bootstrap(agent.peer, order) for _ in range(8)))
        await shard.wait(agent, lambda s: s.state is MemberState.LEADER)
        assert 1 == agent.log.read_text().count("Born as ")
        follower = shard.followers[0]
        await asyncio.gather(*(shard.clone(follower) for _ in range(4)), return_exceptions=True)
        await shard.wait(follower, lambda s: s.state is MemberState.FOLLOWER)
        assert 1 == follower.log.read_text().count("Cloned from ")


@ROOT_ONLY
async def test_a_volume_of_another_user_is_refused() -> None:
    """What the agent may not read it refuses; it stays up to say so."""
    shard = Shard(1)
    agent = shard.leader
    await asyncio.to_thread(make_database, agent.pgdata)
    (agent.data / "agent").write_text("a file, where a folder should be")
    async with shard:
        status = await shard.wait(agent, lambda s: s.state is MemberState.REFUSED)
        assert "StateUnreadable" == status.reason
        assert agent.exit_code is None


@contextlib.contextmanager
def small_volume(agent: Agent) -> Iterator[None]:
    """Put an instance's volume on a file system of its own that is soon full."""
    options = ["-o", "size=160m,mode=0755", "covet-test", str(agent.data)]
    subprocess.run(["mount", "-t", "tmpfs", *options], check=True)
    try:
        give(agent.data)
        yield
    finally:
        agent.end()
        subprocess.run(["umount", str(agent.data)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room of a file system and return the file that has it."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        except OSError:
            pass
    return ballast


@ROOT_ONLY
async def test_a_full_volume_ends_no_agent() -> None:
    """Without room the agent lives, works by newer specs and tells why; with room again the shard serves."""
    async with Shard(1) as shard:
        agent = shard.leader
        agent.kill_everything()
        with small_volume(agent):
            agent.start()
            await shard.birth()
            pid = agent.pid
            ballast = await asyncio.to_thread(fill, agent.data)
            kill_postmaster(agent)
            await shard.wait(agent, lambda s: s.reason == "VolumeFull")
            for _ in range(3):
                await shard.publish()
                await asyncio.sleep(1.0)
                status = await shard.status(agent)
                assert (shard.spec.generation, Serving.CLOSED) == (status.spec_generation, status.serving)
            assert (None, pid) == (agent.exit_code, agent.pid)
            ballast.unlink()
            await shard.wait(agent, lambda s: s.serving is Serving.READ_WRITE, 60.0)
            await shard.execute("CREATE TABLE t (a int)")


async def test_i13_only_the_record_stops_a_birth_while_every_holder_is_silent() -> None:
    """An agent cannot see data on a peer that is down: then the spec's `opened` forbids, or else the operator's record.

    The record's part is proved where the operator plans: with a system id on record nobody is ordered to bootstrap.
    """
    async with Shard(3) as shard:
        await shard.bootstrap()
        await shard.clone(shard.followers[0])
        for agent in shard.agents[:2]:
            agent.kill_everything()
        shutil.rmtree(shard.leader.data)
        shard.leader.data.mkdir()
        give(shard.leader.data)
        await shard.publish(opened=True)
        shard.leader.start()
        await shard.wait(shard.leader, lambda s: s.state is MemberState.EMPTY)
        with pytest.raises(RefusedError) as refused:
            await shard.client.bootstrap(shard.leader.peer, shard.bootstrap_order())
        assert "ShardOpened" == refused.value.reason
        with pytest.raises(UnreachableError):
            await shard.status(shard.followers[0])
