"""Members whose volume, disk or voter fails them: what a shard of real agents makes of it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from covet.agent import disk
from covet.core.agentapi import MemberState, Serving
from covet.engines import timelines
from tests.e2e.process.agents import FAKETIME, Agent
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
            follower, lambda s: s.serving is Serving.READ_ONLY and s.streaming and s.member != before, MEND_SECONDS
        )
        await writer.more(5)
    await three.find_leader()
    await three.grow()
    await writer.check()
    assert before != status.member
    assert any(f"Gave leave to {before}" in agent.log.read_text() for agent in three.agents)


@contextlib.contextmanager
def clocks(shard: Shard) -> Iterator[None]:
    """Give every agent a wall clock of its own, and remove what killed processes leave of it."""
    for agent in shard.agents:
        agent.step_clock("+0")
    try:
        yield
    finally:
        for left in Path("/dev/shm").glob("*faketime_s*_*"):  # noqa: S108  named after the processes that made them
            if not Path("/proc", left.name.rsplit("_", 1)[1]).exists():
                left.unlink(missing_ok=True)


async def until_stepped(agent: Agent, offset: int) -> None:
    """Wait until a server goes by a clock that is so many seconds off: libfaketime looks at it every two seconds."""
    async with asyncio.timeout(MEND_SECONDS):
        while True:
            with contextlib.suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
                shown = await asyncio.to_thread(agent.superuser, "SELECT extract(epoch FROM clock_timestamp())")
                if abs(float(shown) - time.time() - offset) < 60.0:
                    return
            await asyncio.sleep(0.1)


async def step_clocks(shard: Shard, writer: Writer, *offsets: int) -> bool:
    """Set the clocks of a follower and of the leader off by so many seconds in turn; True if the reign went on."""
    leader = await shard.find_leader(MEND_SECONDS)
    term = (await shard.status(leader)).promise
    for offset in offsets:
        for agent in (shard.followers[0], leader):
            agent.step_clock(f"{offset:+d}")
            await until_stepped(agent, offset)
        await writer.more(20)
    for agent in shard.agents:
        await shard.wait(agent, lambda s: s.serving is not Serving.CLOSED, MEND_SECONDS)
    status = await shard.status(leader)
    return (term, Serving.READ_WRITE) == (status.promise, status.serving)


@pytest.mark.long
@pytest.mark.skipif(not FAKETIME.exists(), reason="a clock of one's own needs libfaketime")
async def test_i11_a_step_of_the_wall_clock_moves_nobody() -> None:
    """An hour on, then two back: the same leader takes writes, in the same term.

    On a machine that stands still for seconds a reign may end: there are three tries, and one more without a step.
    """
    shard = Shard(3)
    with clocks(shard):
        async with shard:
            for agent in shard.agents:  # libfaketime slows the start of everything
                await shard.wait(agent, lambda s: s.state is MemberState.EMPTY, MEND_SECONDS)
            await shard.birth()
            async with Writer(shard) as writer:
                tries = [await step_clocks(shard, writer, 3600, -3600)]
                while not tries[-1] and len(tries) < 3:
                    tries.append(await step_clocks(shard, writer, 3600, -3600))
                calm = tries[-1] or await step_clocks(shard, writer, -3600, -3600)
            await writer.check()
            if not calm:
                pytest.skip("This machine is too busy: a reign ends here without a step of the clock too.")
            assert tries[-1]


@contextlib.contextmanager
def hanging(agent: Agent) -> Iterator[None]:
    """Let every write of the probe hang: what it opens is a pipe that nobody reads."""
    probe = agent.data / "agent" / "probe"
    probe.unlink()
    os.mkfifo(probe)
    probe.chmod(0o666)
    try:
        yield
    finally:
        reader = os.open(probe, os.O_RDONLY | os.O_NONBLOCK)  # whoever hangs goes on
        probe.unlink()
        os.close(reader)


@contextlib.contextmanager
def read_only(agent: Agent) -> Iterator[None]:
    """Put the file of the probe on a mount that takes no writes, as a file system that found an error does."""
    probe = str(agent.data / "agent" / "probe")
    subprocess.run(["mount", "--bind", probe, probe], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", probe], check=True)
        yield
    finally:
        subprocess.run(["umount", probe], check=True)


@pytest.mark.parametrize(
    ("breaking", "reason"),
    [
        (hanging, disk.STALLED),
        pytest.param(
            read_only,
            disk.READ_ONLY,
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root"),
        ),
    ],
)
async def test_a_leader_whose_volume_takes_no_writes_stands_down_and_says_why(
    three: Shard, breaking: Callable[[Agent], contextlib.AbstractContextManager[None]], reason: str
) -> None:
    """Another member leads, the reason stands in both statuses, and once the volume is well the member says so."""
    victim = three.leader
    await three.wait(victim, lambda s: (victim.data / "agent" / "probe").exists() and not s.volume_problem)
    async with Writer(three) as writer:
        with breaking(victim):
            status = await three.wait(
                victim, lambda s: s.volume_problem == reason and s.state is not MemberState.LEADER
            )
            assert reason == status.reason
            leader = await three.find_leader()
            assert victim is not leader
            former = victim.peer.instance
            said = await three.wait(leader, lambda s: s.last_failover is not None and s.last_failover.former == former)
            assert said.last_failover is not None
            assert reason == said.last_failover.reason
            await writer.more(10)
        await three.wait(victim, lambda s: not s.volume_problem and s.serving is not Serving.CLOSED)
    await writer.check()


async def test_a_leader_stays_while_every_volume_is_ill(three: Shard) -> None:
    """No follower says that its own is well: nobody would be better off, and commits that still work go on."""
    victim = three.leader
    with contextlib.ExitStack() as stack:
        for agent in three.followers:
            stack.enter_context(hanging(agent))
        for agent in three.followers:
            await three.wait(agent, lambda s: s.volume_problem == disk.STALLED)
        term = (await three.status(victim)).promise
        stack.enter_context(hanging(victim))
        await three.wait(victim, lambda s: s.volume_problem == disk.STALLED)
        await three.execute("CREATE TABLE t (a int)")
        status = await three.status(victim)
        assert (term, Serving.READ_WRITE, disk.STALLED) == (status.promise, status.serving, status.reason)
    for agent in three.agents:
        await three.wait(agent, lambda s: not s.volume_problem)


async def test_an_agent_whose_voter_hangs_ends_with_its_server(three: Shard) -> None:
    """The voter is stopped though it lives: others elect a leader, and the agent leaves nothing behind to hang on."""
    victim, voter = three.leader, three.leader.voter
    async with Writer(three) as writer:
        os.kill(voter, signal.SIGSTOP)
        assert 1 == await asyncio.to_thread(victim.wait)
        assert () == victim.server_processes()
        await three.find_leader()
        await writer.more(10)
        assert victim is not three.leader
        victim.start()
        await three.wait(victim, lambda s: s.serving is Serving.READ_ONLY)
    await writer.check()


async def test_slots_of_members_that_left_for_good_are_dropped(three: Shard) -> None:
    """A slot stays while the spec names its instance, though no rule does: it may be being cloned; else it goes."""
    left, learns = "s0_g_0123456789ab", "s0_b_0123456789ab"
    make = [f"SELECT pg_create_physical_replication_slot('{slot}', true)" for slot in (left, learns)]
    await asyncio.to_thread(three.leader.superuser, *make)
    query = "SELECT string_agg(slot_name, ' ') FROM pg_replication_slots"
    async with asyncio.timeout(60.0):
        while left in (kept := await asyncio.to_thread(three.leader.superuser, query)):  # noqa: ASYNC110  no event
            await asyncio.sleep(0.2)
    assert learns in kept
    members = [(await three.status(agent)).member or "" for agent in three.followers]
    assert {member.replace("-", "_") for member in members} <= set(kept.split())
    await asyncio.to_thread(three.leader.superuser, f"SELECT pg_drop_replication_slot('{learns}')")
