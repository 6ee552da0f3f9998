"""An agent's days: renewed certificates, newer specs, full slots, and the end."""

import asyncio
import dataclasses
import socket
import ssl
import subprocess

import asyncpg
import pytest

from covet.core import fingerprints
from covet.core.agentapi import AgentStatus, Peer, Serving
from covet.core.errors import RefusedError, UnreachableError
from covet.peers.client import AgentClient
from tests.e2e.process.agents import PROGRAMS, Agent, unprivileged
from tests.e2e.process.authority import Authority, client_context
from tests.e2e.process.shard import Shard


def served(address: str, port: int, tls: ssl.SSLContext, *, sql: bool = False) -> int:
    """Return the serial number of the certificate that a port shows."""
    with socket.create_connection((address, port), timeout=5.0) as plain:
        if sql:
            plain.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")  # SSLRequest
            assert b"S" == plain.recv(1)
        with tls.wrap_socket(plain, server_hostname=address) as secured:
            certificate = secured.getpeercert()
    assert certificate is not None
    return int(str(certificate["serialNumber"]), 16)


async def test_a_renewed_certificate_reaches_everybody_without_a_restart(three: Shard) -> None:
    """API, voter and server show it, the operator is told so, streams go on, and no server is restarted."""
    agent, peer = three.followers[0], three.followers[0].peer
    tls = client_context(three.leader.tls)
    postmaster, pid = agent.postmaster, agent.pid
    before = served(peer.address, peer.sql_port, tls, sql=True)
    three.authority.issue(agent.tls, peer.instance, (peer.address,))
    async with asyncio.timeout(15.0):
        while True:
            shown = {
                served(peer.address, peer.agent_port, tls),
                served(peer.address, peer.voter_port, tls),
                served(peer.address, peer.sql_port, tls, sql=True),
            }
            if len(shown) == 1 and before not in shown:
                break
            await asyncio.sleep(0.2)
    trust, certificate = ((agent.tls / name).read_bytes() for name in ("ca.crt", "tls.crt"))
    await three.wait(agent, lambda s: s.certificates == fingerprints.of_credentials(trust, certificate))
    assert (postmaster, pid) == (agent.postmaster, agent.pid)
    term = (await three.status(agent)).promise
    copied = (agent.data / "agent" / "cred" / str(term) / "tls.crt").read_bytes()
    assert (agent.tls / "tls.crt").read_bytes() == copied
    three.leader.kill_everything()  # the follower has to log in anew
    three.leader.start()
    await three.wait_serving()


async def test_an_authority_can_be_replaced() -> None:
    """Once a new authority alone is trusted, the certificates of the old one stop working."""
    async with Shard(1) as shard:
        await shard.birth()
        new, peer = Authority("new"), shard.leader.peer
        old_operator = client_context(shard.folder / "operator")
        new.issue(shard.leader.tls, peer.instance, (peer.address,))
        operator = client_context(new.issue(shard.folder / "new-operator", "covet-operator"))
        async with AgentClient(operator) as client, asyncio.timeout(15.0):
            while not await answers(client, peer):  # noqa: ASYNC110  a file on disk has no event
                await asyncio.sleep(0.1)
        old_operator.load_verify_locations(cadata=new.pem.decode())
        async with AgentClient(old_operator) as client:
            assert not await answers(client, peer)


async def answers(client: AgentClient, peer: Peer) -> bool:
    """Tell whether an agent answers a client."""
    try:
        await client.status(peer)
    except UnreachableError:
        return False
    return True


async def test_a_half_written_certificate_is_not_taken_up(one: Shard) -> None:
    """A key that does not match its certificate leaves the old pair in use."""
    key = one.leader.tls / "tls.key"
    before = key.read_bytes()
    other = one.authority.issue(one.folder / "other", one.leader.peer.instance)
    key.write_bytes((other / "tls.key").read_bytes())
    await asyncio.sleep(3.0)
    assert Serving.READ_WRITE is (await one.status(one.leader)).serving
    await one.execute("SELECT 1")
    key.write_bytes(before)


async def test_the_newest_spec_wins_and_a_foreign_one_is_refused(one: Shard) -> None:
    """A mounted spec and a pushed one both count by generation; one of another shard is refused."""
    old = one.spec
    await one.publish(parameters={"work_mem": "5MB", "max_connections": "250", "fsync": "off"})
    status = await one.wait(one.leader, lambda s: s.pending_restart == ("max_connections",))
    assert old.generation + 1 == status.spec_generation
    assert ("5MB", "on") == (await one.value("SHOW work_mem"), await one.value("SHOW fsync"))
    await one.client.put_spec(one.leader.peer, old)
    assert old.generation + 1 == (await one.status(one.leader)).spec_generation
    one.spec = dataclasses.replace(one.spec, generation=old.generation + 5)
    one.mount()
    await one.wait(one.leader, lambda s: s.spec_generation == old.generation + 5)
    foreign = dataclasses.replace(old, generation=old.generation + 6, shard_uid="another")
    with pytest.raises(RefusedError, match="another"):
        await one.client.put_spec(one.leader.peer, foreign)


def last_state(agent: Agent) -> str:
    """Return what pg_controldata says of how the server ended."""
    command = [*unprivileged(), str(PROGRAMS / "pg_controldata"), str(agent.pgdata)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return next(
        line.split(":", 1)[1].strip() for line in output.splitlines() if line.startswith("Database cluster state")
    )


async def test_a_stop_is_in_order(three: Shard) -> None:
    """Told to end, a leader stops its server cleanly, which ends every session, and exits with 0; so do followers."""
    connection = await three.connect()
    await connection.execute("CREATE TABLE t (a int)")
    before = len(await asyncio.to_thread(three.leader.log.read_text))
    assert 0 == await asyncio.to_thread(three.leader.terminate)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.execute("INSERT INTO t VALUES (1)", timeout=2.0)
    log = (await asyncio.to_thread(three.leader.log.read_text))[before:]
    assert -1 < log.index("received fast shutdown request") < log.index('"Stopped."')
    assert "shut down" == await asyncio.to_thread(last_state, three.leader)
    clean = {"shut down in recovery", "shut down"}  # one of them leads meanwhile
    for agent in three.followers:
        assert 0 == await asyncio.to_thread(agent.terminate)
        assert await asyncio.to_thread(last_state, agent) in clean
    assert () == three.leader.server_processes()


async def test_a_stop_is_bounded_by_a_client_that_never_ends(one: Shard) -> None:
    """A statement that runs for an hour does not hold up the end."""
    connection = await one.connect()
    query = asyncio.create_task(connection.execute("SELECT pg_sleep(3600)"))
    await asyncio.sleep(0.3)
    assert 0 == await asyncio.to_thread(one.leader.terminate, 12.0)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await query


def log_bytes(agent: Agent) -> int:
    """Return the size of the write-ahead log on disk."""
    return sum(path.stat().st_size for path in (agent.pgdata / "pg_wal").iterdir() if path.is_file())


async def test_slots_keep_no_more_log_than_allowed() -> None:
    """A follower that stays away costs the leader a bounded amount of log, then its slot; it is cloned anew."""
    async with Shard(3, slot_bytes=64 << 20, parameters={"max_wal_size": "48MB", "min_wal_size": "32MB"}) as shard:
        await shard.birth()
        member = (await shard.status(shard.followers[1])).member
        shard.followers[1].kill_everything()
        switches = ["INSERT INTO t VALUES (1)", "SELECT pg_switch_wal()"] * 14
        await asyncio.to_thread(shard.leader.superuser, "CREATE TABLE t (a int)", *switches, "CHECKPOINT", "CHECKPOINT")
        query = "SELECT wal_status FROM pg_replication_slots WHERE NOT active AND slot_type = 'physical'"
        assert "lost" == await shard.value(query)
        size = log_bytes(shard.leader)
        shard.followers[1].start()
        again = shard.followers[1]
        status = await shard.wait(
            again, lambda s: s.serving is Serving.READ_ONLY and s.streaming and s.member != member
        )
        assert size <= 144 << 20

        def streams(leader: AgentStatus) -> bool:
            return "streaming" in {link.state for link in leader.followers if link.member == status.member}

        assert streams(await shard.wait(shard.leader, streams))
