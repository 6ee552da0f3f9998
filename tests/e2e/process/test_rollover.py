"""An authority is replaced under load, by way of an overlap in which both are trusted: nobody is turned away."""

import asyncio
import contextlib
import ssl

import asyncpg
import pytest
from cryptography import x509

from tests.e2e.process.agents import Agent
from tests.e2e.process.authority import Authority, client_context
from tests.e2e.process.shard import LIMIT, Shard
from tests.e2e.process.test_lifecycle import served

WRITERS = 3


class Writer:
    """Opens a session per row, verifying the server's name; keeps whatever goes wrong.

    Args:
        shard: where to.
        trust: what it trusts all the time; None for what the shard's clients trust at each moment.
    """

    def __init__(self, shard: Shard, trust: ssl.SSLContext | None = None) -> None:
        self.written = 0
        self.failures: list[Exception] = []
        self._shard = shard
        self._trust = trust
        self._ends = asyncio.Event()
        self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while not self._ends.is_set():
            try:
                session = await self._shard.connect(ssl=self._trust or self._shard.trust, timeout=30.0)
                await session.execute("INSERT INTO t VALUES (1)", timeout=30.0)
                await session.close(timeout=30.0)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self.failures.append(error)
            else:
                self.written += 1

    async def until_more(self, rows: int) -> None:
        """Wait until so many more rows were written, or tried in vain."""
        wanted = self.written + len(self.failures) + rows
        async with asyncio.timeout(LIMIT):
            while self.written + len(self.failures) < wanted:  # noqa: ASYNC110 -- counted by another task
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        """End after the row under way."""
        self._ends.set()
        await self._task


async def shown(agent: Agent, tls: ssl.SSLContext) -> None:
    """Wait until agent, voter and server show the certificate that is mounted."""
    peer = agent.peer
    serial = x509.load_pem_x509_certificate((agent.tls / "tls.crt").read_bytes()).serial_number
    found: set[int] = set()
    async with asyncio.timeout(LIMIT):
        while found != {serial}:
            with contextlib.suppress(OSError):
                found = {
                    await asyncio.to_thread(served, peer.address, port, tls, sql=port == peer.sql_port)
                    for port in (peer.agent_port, peer.voter_port, peer.sql_port)
                }
            await asyncio.sleep(0.1)


async def test_an_authority_is_replaced_under_load() -> None:
    """Trusted first, then signing, then alone: sessions that verify the server's name open throughout."""
    async with Shard(3) as shard:
        await shard.birth()
        await shard.execute("CREATE TABLE t (a integer)")
        old, new = shard.authority, Authority("new")
        both = ssl.create_default_context(cadata=(old.pem + new.pem).decode())
        probe = client_context(old.issue(shard.folder / "probe", shard.leader.peer.instance, trust=new.pem))
        term = (await shard.status(shard.leader)).promise
        writers = [Writer(shard, both) for _ in range(WRITERS)]
        lasting = await shard.connect(ssl=both)
        for signing, trusted in ((old, new.pem), (new, old.pem), (new, b"")):
            for agent in shard.agents:
                signing.issue(agent.tls, agent.peer.instance, (agent.peer.address,), trusted)
            if not trusted:
                # From here on only the new one's certificates are taken: so is the probe's.
                probe = client_context(new.issue(shard.folder / "probe", shard.leader.peer.instance, trust=old.pem))
            for agent in shard.agents:
                await shown(agent, probe)
            for writer in writers:
                await writer.until_more(3)
        for writer in writers:
            await writer.end()
        failures = [str(error) for writer in writers for error in writer.failures]
        assert [] == [text for text in failures if "certificate" in text.lower()]
        stale = client_context(old.issue(shard.folder / "stale", "shop-s0-b", trust=new.pem))
        peer = shard.leader.peer
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await asyncpg.connect(
                host=peer.address, port=peer.sql_port, user="covet_s0_b", database="postgres", ssl=stale
            )
        if shard.leader.superuser("SELECT term FROM covet.rule") != str(term):
            return  # a starved machine elected another leader, which ends sessions of the one before
        assert [] == failures
        await lasting.execute("INSERT INTO t VALUES (2)", timeout=30.0)
        await lasting.close()
        # Streams that begin anew show the new certificates.
        shard.leader.superuser("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
        streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        async with asyncio.timeout(LIMIT):
            while shard.leader.superuser(streaming) != "2":  # noqa: ASYNC110 -- a view has no event
                await asyncio.sleep(0.1)
        assert sum(writer.written for writer in writers) >= 9 * WRITERS
