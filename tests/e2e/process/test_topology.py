"""What agents push to routers: the leader of a new term at once, whoever else reads or does not, to routers only."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from covet.core import names, topology
from covet.core.agentapi import Peer, Serving
from covet.core.agentorders import SwitchoverOrder
from covet.core.errors import RefusedError, UnreachableError
from covet.peers import topology as stream
from covet.peers.client import AgentClient
from tests.e2e.process.authority import Authority, client_context, trusting_context
from tests.e2e.process.routers import Listener
from tests.e2e.process.shard import LIMIT, Shard
from tests.e2e.process.test_faults import Writer


async def first_line(tls: ssl.SSLContext, peer: Peer) -> topology.Topology:
    """Return what a stream says first; an agent that a busy machine holds up is dialled again."""
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            async with stream.follow(tls, peer) as lines:
                return await anext(aiter(lines))
        except UnreachableError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.1)


@contextlib.contextmanager
def deaf_reader(shard: Shard, peer: Peer) -> Iterator[ssl.SSLSocket]:
    """Ask for the stream of an agent, and read nothing of it."""
    tls = client_context(shard.authority.issue(shard.folder / "router", names.ROUTER_COMMON_NAME))
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(LIMIT)
        sock.connect((peer.address, peer.agent_port))
        with tls.wrap_socket(sock, server_hostname=peer.address) as line:
            line.sendall(f"GET {topology.ROUTE} HTTP/1.1\r\nHost: {peer.address}\r\n\r\n".encode())
            yield line


@contextlib.asynccontextmanager
async def two_listeners(shard: Shard) -> AsyncIterator[tuple[Listener, Listener]]:
    """Two routers that hear every agent."""
    async with Listener(shard) as one, Listener(shard) as other:
        for listener in (one, other):
            await listener.until(lambda who: who.outlook.writes and len(who.lines) == len(shard.agents))
        yield one, other


async def test_a_new_leader_is_announced_to_every_router_that_reads(three: Shard) -> None:
    """The leader is killed: two routers hear of a higher term, and of its leader's writes; deaf ones hold up nobody."""
    async with two_listeners(three) as (one, other):
        before = one.outlook
        former = next(
            agent for agent in three.agents if before.leader and agent.peer.instance == before.leader.instance
        )
        with contextlib.ExitStack() as deaf:
            for agent in three.agents:
                await asyncio.to_thread(deaf.enter_context, deaf_reader(three, agent.peer))
            former.kill_everything()
            for listener in (one, other):
                await listener.until(lambda who: who.outlook.term > before.term)
                await listener.until(lambda who: who.outlook.writes)
        leader = await three.find_leader()
        assert leader is not former
        for listener in (one, other):
            await listener.until(lambda who: leads(who) == leader.peer.instance)
        former.start()
        await one.until(lambda who: former.peer.instance in who.lines and who.outlook.writes)
    await three.wait(former, lambda s: s.serving is Serving.READ_ONLY)


def leads(listener: Listener) -> str:
    """Return the instance that a router takes for the leader, empty for none."""
    return listener.outlook.leader.instance if listener.outlook.leader else ""


async def test_only_routers_and_the_operator_hear_who_leads(three: Shard, tmp_path: Path) -> None:
    """An instance's certificate, none at all, and one of another authority open no stream."""
    peer = three.leader.peer
    for subject in (names.ROUTER_COMMON_NAME, names.OPERATOR_COMMON_NAME):
        allowed = client_context(three.authority.issue(tmp_path / subject, subject))
        assert peer.instance == (await first_line(allowed, peer)).instance
    bare = trusting_context(three.folder / "operator" / "ca.crt")
    for refused in (client_context(three.leader.tls), bare):
        with pytest.raises(RefusedError) as said:
            await first_line(refused, peer)
        assert "Forbidden" == said.value.reason
    foreign = client_context(
        Authority("foreign").issue(tmp_path / "foreign", names.ROUTER_COMMON_NAME, trust=three.authority.pem)
    )
    with pytest.raises(UnreachableError):
        async with stream.follow(foreign, peer) as lines:
            await anext(aiter(lines))


async def test_a_router_gives_no_order(three: Shard) -> None:
    """Its certificate opens the stream, and neither the status nor any order."""
    tls = client_context(three.authority.issue(three.folder / "router", names.ROUTER_COMMON_NAME))
    async with AgentClient(tls, LIMIT) as client:
        with pytest.raises(RefusedError):
            await client.status(three.leader.peer)
        with pytest.raises(RefusedError):
            await client.switchover(three.leader.peer, SwitchoverOrder(three.followers[0].peer.instance))


async def test_routers_hear_how_old_a_replica_is_that_replays_nothing(three: Shard) -> None:
    """Its replay is paused under writes: the age of what it shows grows, until it goes on."""
    late = three.followers[0]
    name = late.peer.instance

    def age(listener: Listener) -> float:
        own = [member for line in listener.lines.values() for member in line.members if member.instance == name]
        return next((member.lag_seconds for member in own if member.lag_seconds is not None), -1.0)

    async with two_listeners(three) as (listener, _), Writer(three) as writer:
        await listener.until(lambda who: age(who) >= 0.0)
        late.superuser("SELECT pg_wal_replay_pause()")
        try:
            await writer.more(5)
            await listener.until(lambda who: age(who) > 5.0)
            told = await three.wait(late, lambda s: (s.lag_seconds or 0.0) > 5.0)
            assert name == told.instance
        finally:
            late.superuser("SELECT pg_wal_replay_resume()")
        await listener.until(lambda who: 0.0 <= age(who) < 5.0)
