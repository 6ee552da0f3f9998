"""One line of log: who lost some does not lead, who is ahead does not follow, what stands still does not serve."""

import asyncio
import contextlib
import dataclasses
import shutil
import signal
import subprocess

import asyncpg
import pytest

from covet.agent.volume import Promise
from covet.core.agentapi import CohortOrder, ConfirmRequest, MapOrder, MemberState, Serving
from covet.core.errors import RefusedError, UnreachableError
from covet.peers import codec
from covet.peers.client import AgentClient
from tests.e2e.process.agents import PROGRAMS, Agent, unprivileged
from tests.e2e.process.authority import client_context
from tests.e2e.process.shard import Shard


def copy_database(agent: Agent, name: str) -> None:
    """Keep a copy of a stopped server's data directory."""
    shutil.copytree(agent.pgdata, agent.folder / name, copy_function=shutil.copy2, dirs_exist_ok=False)
    subprocess.run(["chown", "-R", "--reference", agent.pgdata, agent.folder / name], check=True)


def restore_database(agent: Agent, name: str) -> None:
    """Put a copy back in the place of the data directory."""
    shutil.rmtree(agent.pgdata)
    (agent.folder / name).rename(agent.pgdata)


async def test_i8_a_leader_that_lost_log_is_refused_and_nobody_follows_it() -> None:
    """An older copy of the leader's database under the same term neither writes nor overwrites its followers."""
    async with Shard(3) as shard:
        await shard.birth()
        await shard.execute("CREATE TABLE t AS SELECT 1 AS a")
        await asyncio.to_thread(shard.leader.terminate)
        await asyncio.to_thread(copy_database, shard.leader, "old")
        shard.leader.start()
        await shard.wait_serving()
        await shard.execute("INSERT INTO t SELECT generate_series(2, 1000)")
        # One acknowledged; the other must not lose its leader before it has the rows as well.
        async with asyncio.timeout(20.0):
            for agent in shard.followers:
                while await shard.value("SELECT count(*) FROM t", agent=agent) != 1000:  # noqa: ASYNC110  a table has no event
                    await asyncio.sleep(0.05)
        shard.leader.kill_everything()
        await asyncio.sleep(1.0)  # an agent says what it saw half a second ago
        before = [(await shard.status(agent)).position for agent in shard.followers]
        await asyncio.to_thread(restore_database, shard.leader, "old")
        shard.leader.start()
        status = await shard.wait(shard.leader, lambda s: s.state is MemberState.REFUSED)
        assert ("LeaderBehind", Serving.CLOSED) == (status.reason, status.serving)
        for agent, position in zip(shard.followers, before, strict=True):
            assert position == (await shard.status(agent)).position
            assert "1000" == agent.superuser("\\c app", "SELECT count(*) FROM t").splitlines()[-1]


async def test_i1_a_follower_confirms_what_it_flushed_and_remembers() -> None:
    """It refuses while the log is not there; once it says yes the rule stands in promise.json."""
    async with Shard(3) as shard:
        await shard.birth()
        follower = shard.followers[0]
        rule = (await shard.status(shard.leader)).rule
        position = (await shard.status(follower)).position
        assert rule is not None
        assert position is not None
        wanted = dataclasses.replace(rule, seq=rule.seq + 1)
        kept = follower.data / "agent" / "promise.json"
        async with AgentClient(client_context(shard.leader.tls), 8.0) as client:
            with pytest.raises(RefusedError) as refused:
                await client.confirm(follower.peer, ConfirmRequest(wanted, position.lsn + (1 << 30)))
            assert "LogBehind" == refused.value.reason
            assert rule == codec.decode(kept.read_bytes(), Promise).rule
            assert wanted == (await client.confirm(follower.peer, ConfirmRequest(wanted, position.lsn))).rule
            assert wanted == codec.decode(kept.read_bytes(), Promise).rule
            foreign = dataclasses.replace(wanted, seq=wanted.seq + 1, acks=len(wanted.cohort))
            with pytest.raises(RefusedError) as refused:
                await client.confirm(follower.peer, ConfirmRequest(foreign, position.lsn))
            assert "RuleInvalid" == refused.value.reason


async def test_i2_a_stale_stream_in_a_members_name_ends_when_the_member_joins(three: Shard) -> None:
    """A second walsender under the name of a member would acknowledge in its place: the rejoin ends it."""
    follower = three.followers[0]
    member = (await three.status(follower)).member
    follower.kill_everything()
    tls = follower.data / "agent" / "cred" / "1"
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


async def test_i6_a_leader_that_dies_between_row_and_setting_finishes_the_step() -> None:
    """A wider cohort's row is written, its setting not: after a restart the step goes on from the narrow one."""
    async with Shard(3) as shard:
        await shard.bootstrap()
        await shard.clone(*shard.followers)
        two = CohortOrder((shard.leader.peer.instance, shard.followers[0].peer.instance), 1)
        narrow = await shard.client.cohort(shard.leader.peer, two)
        assert (2, 1) == (len(narrow.cohort), narrow.acks)
        for agent in shard.followers:
            agent.send(signal.SIGSTOP)  # their servers acknowledge the row; nobody confirms it
        wanted = CohortOrder(tuple(agent.peer.instance for agent in shard.agents), 1)
        with pytest.raises((RefusedError, UnreachableError)):
            await shard.client.cohort(shard.leader.peer, wanted)
        row = "SELECT seq || ' ' || cardinality(cohort) FROM covet.rule"
        assert f"{narrow.seq + 1} 3" == shard.leader.superuser(row)
        kept = codec.decode((shard.leader.data / "agent" / "promise.json").read_bytes(), Promise)
        assert (narrow, narrow.seq + 1) == (kept.rule, kept.pending.seq if kept.pending else 0)
        names = shard.leader.superuser("SHOW synchronous_standby_names")
        assert 2 == names.count("s0-")
        shard.leader.kill_everything()
        shard.leader.start()
        status = await shard.wait(shard.leader, lambda s: s.state is MemberState.LEADER)
        assert narrow == status.rule
        for agent in shard.followers:
            agent.send(signal.SIGCONT)
        status = await shard.wait(shard.leader, lambda s: s.rule is not None and s.rule.seq == narrow.seq + 1)
        assert status.rule is not None
        assert 3 == len(status.rule.cohort)
        assert 3 == shard.leader.superuser("SHOW synchronous_standby_names").count("s0-")


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
