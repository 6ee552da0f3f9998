"""A router before a shard of real agents: it follows the leader that they tell of, without anybody's help."""

import asyncio
import contextlib
import pathlib
import ssl

import asyncpg
import pytest

from covet.core import names
from covet.core.agentorders import DatabaseOrder
from tests.e2e.process import shard as shards
from tests.e2e.process.router.front import LIMIT, Front, Upstream, free_ports
from tests.e2e.process.shard import DATABASE, OWNER, PASSWORD, Shard


def before(shard: Shard, program: pathlib.Path, folder: pathlib.Path, verifier: str) -> tuple[Front, int]:
    """Return a router that knows a shard's agents, not started yet, and its port for reads."""
    tls = shard.authority.issue(folder / "own", names.ROUTER_COMMON_NAME, ("127.0.0.1",))
    replica = free_ports(1)[0]
    front = Front(
        program,
        folder,
        shard.authority,
        Upstream(0, verifier),
        cluster={"name": "shop", "uid": shard.spec.cluster_uid},
        tls={"certificate": str(tls / "tls.crt"), "key": str(tls / "tls.key"), "authority": str(tls / "ca.crt")},
        users=[{"name": OWNER, "verifier": verifier}],
        databases=[{"name": DATABASE}],
        shards=[
            {
                "name": shard.spec.shard,
                "uid": shard.spec.shard_uid,
                "instances": [
                    {
                        "name": peer.instance,
                        "address": peer.address,
                        "port": peer.sql_port,
                        "agentPort": peer.agent_port,
                    }
                    for peer in shard.spec.peers
                ],
            }
        ],
    )
    front.document["listen"] = {"address": "127.0.0.1", "primary": front.port, "replica": replica}
    return front, replica


async def enter(front: Front, port: int) -> "asyncpg.Connection[asyncpg.Record]":
    """Return a session at one of a router's ports."""
    return await asyncpg.connect(
        host="127.0.0.1",
        port=port,
        user=OWNER,
        password=PASSWORD,
        database=DATABASE,
        ssl=ssl.create_default_context(cafile=str(front.authority)),
        timeout=LIMIT,
        command_timeout=LIMIT,
    )


async def write(front: Front, acknowledged: list[int], enough: asyncio.Event) -> None:
    """Insert one number after the other through the router, in new sessions when one ends; note those acknowledged."""
    number = 0
    # The last is what asyncpg makes of a connection that ends between Describe and Bind.
    ends = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncpg.InternalClientError)
    while not enough.is_set():
        with contextlib.suppress(*ends):
            session = await enter(front, front.port)
            try:
                while not enough.is_set():
                    number += 1
                    await session.execute("INSERT INTO followed VALUES ($1)", number)
                    acknowledged.append(number)
            finally:
                session.terminate()


async def test_sessions_go_on_at_the_leader_of_a_new_term(
    three: Shard, program: pathlib.Path, folder: pathlib.Path
) -> None:
    """After a switchover the router leads to the new leader; what it acknowledged is there, reads are on a replica."""
    verifier = shards.verifier(PASSWORD)
    await three.client.put_database(three.leader.peer, DatabaseOrder(DATABASE, OWNER, verifier))
    front, replica = before(three, program, folder, verifier)
    with front:
        first = await enter(front, front.port)
        await first.execute("CREATE TABLE followed (number int)")
        assert three.leader.peer.address == str(await first.fetchval("SELECT host(inet_server_addr())"))
        acknowledged: list[int] = []
        enough = asyncio.Event()
        writing = asyncio.create_task(write(front, acknowledged, enough))
        await three.switch_over(three.followers[0])
        behind = len(acknowledged)
        async with asyncio.timeout(LIMIT):
            while len(acknowledged) < behind + 10:  # noqa: ASYNC110 - what is waited for rings no bell
                await asyncio.sleep(0.02)
        enough.set()
        await writing
        assert three.leader.peer.address == str(await first.fetchval("SELECT host(inet_server_addr())"))
        kept = {row["number"] for row in await first.fetch("SELECT number FROM followed")}
        assert set() == set(acknowledged) - kept
        reader = await enter(front, replica)
        assert await reader.fetchval("SELECT pg_is_in_recovery()")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await reader.execute("INSERT INTO followed VALUES (0)")
        for session in (first, reader):
            await session.close()
