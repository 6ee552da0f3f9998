"""One line of log: who lost some does not lead, who is ahead does not follow, what stands still does not serve."""

import asyncio
import contextlib
import shutil
import subprocess

import asyncpg
import pytest

from covet.core.agentapi import Serving
from covet.core.agentorders import MapOrder
from covet.core.errors import RefusedError, UnreachableError
from tests.e2e.process.agents import PROGRAMS, Agent, unprivileged
from tests.e2e.process.shard import Shard


def copy_database(agent: Agent, name: str) -> None:
    """Keep a copy of a stopped server's data directory."""
    shutil.copytree(agent.pgdata, agent.folder / name, copy_function=shutil.copy2, dirs_exist_ok=False)
    subprocess.run(["chown", "-R", "--reference", agent.pgdata, agent.folder / name], check=True)


def restore_database(agent: Agent, name: str) -> None:
    """Put a copy back in the place of the data directory."""
    shutil.rmtree(agent.pgdata)
    (agent.folder / name).rename(agent.pgdata)


async def test_i8_a_leader_that_lost_log_does_not_lead_again() -> None:
    """An older copy of the leader's database loses the election to whoever holds more, and is brought up to date."""
    async with Shard(3) as shard:
        await shard.birth()
        await shard.execute("CREATE TABLE t AS SELECT 1 AS a")
        first = shard.leader
        await asyncio.to_thread(first.terminate)
        await asyncio.to_thread(copy_database, first, "old")
        first.start()
        await shard.wait_serving()
        await shard.execute("INSERT INTO t SELECT generate_series(2, 1000)")
        for agent in shard.agents:
            agent.kill_everything()
        await asyncio.to_thread(restore_database, first, "old")
        for agent in shard.agents:
            agent.start()
        await shard.wait_serving()
        assert first is not shard.leader
        assert 1000 == await shard.value("SELECT count(*) FROM t")
        assert 1000 == await shard.value("SELECT count(*) FROM t", agent=first)


async def test_i2_a_stale_stream_in_a_members_name_ends_when_the_member_joins(three: Shard) -> None:
    """A second walsender under the name of a member would acknowledge in its place: the rejoin ends it."""
    follower = three.followers[0]
    status = await three.status(follower)
    member, tls = status.member, follower.data / "agent" / "cred" / str(status.promise)
    follower.kill_everything()
    peer = three.leader.peer
    conninfo = (
        f"host={peer.address} port={peer.sql_port} user=covet_s0_b application_name={member} sslmode=verify-full"
        f" sslrootcert={tls / 'ca.crt'} sslcert={tls / 'tls.crt'} sslkey={tls / 'tls.key'}"
    )
    folder = follower.folder / "run"
    argv = [*unprivileged(), str(PROGRAMS / "pg_receivewal"), "--no-loop", "-D", str(folder), "-d", conninfo]
    null = asyncio.subprocess.DEVNULL
    stale = await asyncio.create_subprocess_exec(*argv, stdin=null, stdout=null, stderr=null)
    query = "SELECT pid FROM pg_stat_replication WHERE usename = 'covet_s0_b'"
    try:
        async with asyncio.timeout(10.0):
            while not (pids := three.leader.superuser(query)):  # noqa: ASYNC110  a view has no event
                await asyncio.sleep(0.05)
        follower.start()
        await three.wait(follower, lambda s: s.streaming)
        async with asyncio.timeout(10.0):
            await stale.wait()
        assert pids not in three.leader.superuser(query).split()
    finally:
        if stale.returncode is None:
            stale.kill()
            await stale.wait()


async def test_i2_a_write_that_nobody_acknowledged_is_not_called_done_when_it_is_repeated(three: Shard) -> None:
    """The row stands on the leader's disk, but a repeated order waits for followers like the first one."""
    epoch = ((await three.status(three.leader)).map_epoch or 0) + 1
    for agent in three.followers:
        agent.freeze_server()
    for _ in range(2):
        with pytest.raises((RefusedError, UnreachableError)):
            await three.client.put_map(three.leader.peer, MapOrder(epoch, "{}"))
    assert epoch == int(three.leader.superuser("SELECT epoch FROM covet.map"))
    assert (await three.status(three.leader)).map_epoch is None
    for agent in three.followers:
        agent.thaw_server()
    await three.client.put_map(three.leader.peer, MapOrder(epoch, "{}"))
    assert epoch == (await three.status(three.leader)).map_epoch


async def test_a_replica_whose_replay_is_paused_shuts_its_readers_out(three: Shard) -> None:
    """It streams, but what it shows grows old: it closes with the reason, and opens when it goes on."""
    follower = three.followers[0]
    follower.superuser("SELECT pg_wal_replay_pause()")
    status = await three.wait(follower, lambda s: s.serving is Serving.CLOSED)
    assert (True, "ReplayStalled") == (status.streaming, status.reason)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await three.connect(follower)
    # What is replayed from then on may need what this very session still sees, and ends it.
    with contextlib.suppress(subprocess.CalledProcessError):
        follower.superuser("SELECT pg_wal_replay_resume()")
    await three.wait(follower, lambda s: s.serving is Serving.READ_ONLY)


async def test_i2_a_commit_whose_wait_is_cancelled_is_not_called_acknowledged(three: Shard) -> None:
    """Whoever cancels the agent's waiting session makes the server say success; the order fails all the same."""
    epoch = ((await three.status(three.leader)).map_epoch or 0) + 1
    for agent in three.followers:
        agent.freeze_server()
    storing = asyncio.create_task(three.client.put_map(three.leader.peer, MapOrder(epoch, "{}")))
    waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    async with asyncio.timeout(3.0):
        while not three.leader.superuser(waiting):  # noqa: ASYNC110  a view has no event
            await asyncio.sleep(0.02)
    with pytest.raises(UnreachableError) as refused:
        await storing
    assert "CommitUnacknowledged" == refused.value.reason
