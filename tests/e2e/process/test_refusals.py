"""What an agent refuses: volumes that are not its own, and a second birth (I13)."""

import asyncio
import contextlib
import dataclasses
import functools
import hashlib
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from covet.agent.volume import Volume
from covet.core.agentapi import MemberState, Serving
from covet.core.agentorders import CloneOrder
from covet.core.errors import RefusedError, UnreachableError
from tests.e2e.process.agents import PROGRAMS, Agent, give, unprivileged
from tests.e2e.process.shard import LIMIT, Shard


def digest(folder: Path) -> str:
    """Return a digest of every name and byte below a folder."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        whole.update(str(path.relative_to(folder)).encode())
        if path.is_file():
            whole.update(path.read_bytes())
    return whole.hexdigest()


def make_database(pgdata: Path) -> None:
    """Make a database that no agent knows."""
    command = [*unprivileged(), str(PROGRAMS / "initdb"), "-D", str(pgdata), "--no-sync"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def system_id(pgdata: Path) -> str:
    """Return the system identifier in a data directory's control file, empty while there is none."""
    try:
        return str(int.from_bytes((pgdata / "global" / "pg_control").read_bytes()[:8], "little") or "")
    except FileNotFoundError:
        return ""


def made_since(path: Path, moment: float) -> bool:
    """Tell whether a file was written after a moment of the wall clock.

    What an earlier round left does not count, nor a file that was made and holds nothing yet: a kill that comes then
    leaves no trace of what was about to be.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return found.st_mtime > moment and found.st_size > 0


async def interrupted(shard: Shard, agent: Agent, order: Callable[[], object], reached: Callable[[], bool]) -> None:
    """Give an order and kill the pod's processes as soon as a point is reached."""
    await shard.wait(agent, lambda s: s.state is MemberState.EMPTY)
    with contextlib.suppress(UnreachableError):
        await order()  # type: ignore[misc]  # a coroutine function without a common type
    async with asyncio.timeout(LIMIT):
        while not reached():  # noqa: ASYNC110  a file of another process has no event
            await asyncio.sleep(0.001)
    agent.kill_everything()


POINTS = ("agent/member.json", "pgdata/PG_VERSION", "pgdata/global/pg_control", "pgdata/postmaster.pid")


async def test_an_interrupted_bootstrap_is_repeated() -> None:
    """Killed at any point before it was marked born, the same order makes the shard anew."""
    async with Shard(1) as shard:
        agent, order = shard.leader, shard.bootstrap_order()
        tried, databases = set(), set()
        for point in POINTS:
            reached = functools.partial(made_since, agent.data / point, time.time())
            await interrupted(shard, agent, lambda: shard.client.bootstrap(agent.peer, order), reached)
            left = Volume(agent.data).read_identity()
            assert left is not None
            assert (False, None) == (left.born, left.system_id)
            assert left.incarnation not in tried
            tried.add(left.incarnation)
            databases.add(system_id(agent.pgdata))
            agent.start()
            status = await shard.wait(agent, lambda s: s.state is not MemberState.STARTING)
            assert (MemberState.EMPTY, "DatabaseUnfinished") == (status.state, status.reason)
        await shard.birth()
        status = await shard.status(agent)
        assert len(POINTS) == len(tried)
        assert status.incarnation not in tried
        assert status.system_id == system_id(agent.pgdata)
        assert databases - {""}, "no database was begun before the one that was finished"
        assert status.system_id not in databases


async def test_an_interrupted_clone_is_repeated() -> None:
    """A follower killed amid its copy is empty to the operator, and the next order copies anew."""
    async with Shard(3) as shard:
        leader = await shard.bootstrap()
        assert leader.system_id is not None
        agent, order = shard.followers[0], CloneOrder(shard.leader.peer.instance, leader.system_id)
        await interrupted(
            shard, agent, lambda: shard.client.clone(agent.peer, order), (agent.pgdata / "backup_label").exists
        )
        agent.start()
        status = await shard.wait(agent, lambda s: s.state is MemberState.EMPTY)
        assert (None, "DatabaseUnfinished") == (status.member, status.reason)
        await shard.clone(agent)


async def test_i13_a_second_bootstrap_is_refused(three: Shard) -> None:
    """Neither the leader nor a follower nor an emptied volume initialises a shard again."""
    order = three.bootstrap_order()
    with pytest.raises(RefusedError) as refused:
        await three.client.bootstrap(three.leader.peer, order)
    assert "ShardOpened" == refused.value.reason
    with pytest.raises(RefusedError):
        await three.client.bootstrap(three.followers[0].peer, order)


async def test_i13_a_shard_that_others_hold_is_not_initialised_again() -> None:
    """An emptied first instance refuses to bootstrap while another holds the database, opened or not."""
    async with Shard(3) as shard:
        await shard.bootstrap()
        await shard.clone(shard.followers[0])
        shard.leader.kill_everything()
        shutil.rmtree(shard.leader.data)
        shard.leader.data.mkdir()
        give(shard.leader.data)
        shard.leader.start()
        await shard.wait(shard.leader, lambda s: s.state is MemberState.EMPTY)
        with pytest.raises(RefusedError) as refused:
            await shard.client.bootstrap(shard.leader.peer, shard.bootstrap_order())
        assert "PeerHasData" == refused.value.reason


async def test_only_the_instance_of_the_record_bootstraps() -> None:
    """An order to another instance than the spec names is refused, and so is one for another shard."""
    async with Shard(3) as shard:
        follower = shard.followers[0]
        await shard.wait(follower, lambda s: s.state is MemberState.EMPTY)
        with pytest.raises(RefusedError) as refused:
            await shard.client.bootstrap(follower.peer, shard.bootstrap_order())
        assert "NotChosen" == refused.value.reason
        foreign = type(shard.bootstrap_order())(shard.spec.cluster_uid, "another")
        with pytest.raises(RefusedError) as refused:
            await shard.order(lambda: shard.client.bootstrap(shard.leader.peer, foreign))
        assert "ShardForeign" == refused.value.reason


async def test_an_emptied_volume_waits_and_becomes_a_new_member(three: Shard) -> None:
    """A follower that lost its volume is empty, never initialised; cloned, it votes as a new member."""
    follower = three.followers[1]
    old = (await three.status(follower)).member
    follower.kill_everything()
    shutil.rmtree(follower.data)
    follower.data.mkdir()
    give(follower.data)
    follower.start()
    status = await three.wait(follower, lambda s: s.state is MemberState.EMPTY)
    assert (None, Serving.CLOSED) == (status.member, status.serving)
    await asyncio.sleep(1.0)
    assert not (follower.pgdata / "PG_VERSION").exists()
    await three.clone(follower)
    rule = await three.grow()
    new = (await three.status(follower)).member
    assert new is not None
    assert (True, False, 3) == (new in rule.cohort, old in rule.cohort, len(rule.cohort))


async def test_a_foreign_database_is_refused_and_untouched() -> None:
    """A volume with somebody else's database is refused with a reason; not a byte of it changes."""
    shard = Shard(1)
    agent = shard.leader
    await asyncio.to_thread(make_database, agent.pgdata)
    before = digest(agent.data)
    async with shard:
        status = await shard.wait(agent, lambda s: s.state is MemberState.REFUSED)
        assert "VolumeForeign" == status.reason
        with pytest.raises(RefusedError):
            await shard.client.bootstrap(agent.peer, shard.bootstrap_order())
        await shard.publish()
        await asyncio.sleep(1.0)
        assert before == digest(agent.data)


async def test_a_damaged_state_is_refused() -> None:
    """An agent whose promise or identity is damaged or gone starts no server, touches nothing, and says why."""
    async with Shard(1) as shard:
        await shard.bootstrap()
        agent = shard.leader
        assert 0 == await asyncio.to_thread(agent.terminate)
        for name, content, reason in (
            ("promise.json", b'{"term": 1, "ru', "StateCorrupt"),
            ("member.json", None, "VolumeForeign"),
        ):
            state = agent.data / "agent" / name
            whole = state.read_bytes()
            state.unlink() if content is None else state.write_bytes(content)
            before = digest(agent.data)
            agent.start()
            status = await shard.wait(agent, lambda s: s.state is MemberState.REFUSED)
            await asyncio.sleep(0.7)
            assert (reason, before, ()) == (status.reason, digest(agent.data), agent.server_processes())
            agent.kill_everything()
            state.write_bytes(whole)
            give(state)
        agent.start()
        await shard.wait(agent, lambda s: s.state is MemberState.LEADER)


async def test_a_volume_of_another_cluster_is_refused() -> None:
    """A kept volume under a new cluster of the same name is refused, however new the spec kept on it is."""
    async with Shard(1) as shard:
        await shard.birth()
        await shard.publish(generation=57)
        await shard.wait(shard.leader, lambda s: s.spec_generation == 57)
        assert 0 == await asyncio.to_thread(shard.leader.terminate)
        shard.spec = dataclasses.replace(
            shard.spec, generation=1, cluster_uid="a new one", shard_uid="a new one too", opened=False
        )
        shard.mount()
        before = digest(shard.leader.data)
        shard.leader.start()
        status = await shard.wait(shard.leader, lambda s: s.state is MemberState.REFUSED)
        assert ("VolumeForeign", Serving.CLOSED, None) == (status.reason, status.serving, status.system_id)
        await asyncio.sleep(1.0)
        assert (before, ()) == (digest(shard.leader.data), shard.leader.server_processes())
