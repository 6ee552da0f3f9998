"""Clients of a company's authority verify real servers by it, while it is renewed; members trust their own alone."""

import asyncio
import contextlib
import datetime as dt
import ssl

import asyncpg
import pytest
from cryptography import x509

from covet.manifests.certificates import Lifetimes
from tests.e2e.process.authority import trusting_context
from tests.e2e.process.shard import LIMIT, Shard
from tests.e2e.process.test_lifecycle import served
from tests.e2e.process.test_rollover import Writer
from tests.e2e.process.vouching import Vouching
from tests.unit.manifests import outers
from tests.unit.manifests.outers import Company

pytestmark = pytest.mark.process

TABLE = "CREATE TABLE t (a integer)"


async def shown(shard: Shard, company: Company, trust: ssl.SSLContext) -> None:
    """Wait until every server shows a way up through a company's present authority."""
    async with asyncio.timeout(LIMIT):
        for agent in shard.agents:
            while company.pem not in (agent.tls / "tls.crt").read_text():  # noqa: ASYNC110 -- a file has no event
                await asyncio.sleep(0.1)
            serial = x509.load_pem_x509_certificate((agent.tls / "tls.crt").read_bytes()).serial_number
            found = 0
            while found != serial:
                await asyncio.sleep(0.1)
                with contextlib.suppress(OSError):
                    peer = agent.peer
                    found = await asyncio.to_thread(served, peer.address, peer.sql_port, trust, sql=True)


async def test_clients_of_a_company_get_in_while_its_authority_is_replaced() -> None:
    """Named while applications write, then replaced: sessions that trust its root alone open, and so do all others."""
    now = dt.datetime.now(dt.UTC)
    root = outers.root(now)
    trust = ssl.create_default_context(cadata=root.pem)
    shard = Shard(3)
    vouching = Vouching(shard, Lifetimes())
    vouching.delivery = 0.5
    async with shard:
        rounds = asyncio.create_task(vouching.run())
        await shard.birth()
        await shard.execute(TABLE)
        term = (await shard.status(shard.leader)).promise
        own = Writer(shard)
        with pytest.raises(ssl.SSLCertVerificationError):
            await shard.connect(ssl=trust)
        vouching.company = root.below("Databases", now)
        await shown(shard, vouching.company, trust)
        theirs = Writer(shard, trust)
        await theirs.until_more(3)
        vouching.company = root.below("Databases", now)
        await shown(shard, vouching.company, trust)
        # Streams begin anew beside the longer certificates: libpq verifies by the authority of the members alone.
        shard.leader.superuser("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
        streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        async with asyncio.timeout(LIMIT):
            while shard.leader.superuser(streaming) != "2":  # noqa: ASYNC110 -- a view has no event
                await asyncio.sleep(0.1)
        for writer in (own, theirs):
            await writer.until_more(3)
            await writer.end()
        rounds.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await rounds
        failures = [str(error) for writer in (own, theirs) for error in writer.failures]
        assert [] == [text for text in failures if "certificate" in text.lower()]
        await no_entry_for_the_company(shard, vouching.company)
        if shard.leader.superuser("SELECT term FROM covet.rule") != str(term):
            return  # a starved machine elected another leader, which ends sessions of the one before
        assert [] == failures


async def no_entry_for_the_company(shard: Shard, company: Company) -> None:
    """Nobody replicates with a certificate that the company gave him, whatever name is in it."""
    posing = company.below("shop-s0-b", dt.datetime.now(dt.UTC), ca=False, signs=False)
    peer, file = shard.leader.peer, shard.folder / "posing.pem"
    file.write_text(posing.values()["tls.crt"] + outers.key_pem(posing.key))
    context = trusting_context(shard.leader.tls / "ca.crt")
    context.load_cert_chain(file)
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await asyncpg.connect(
            host=peer.address, port=peer.sql_port, user="covet_s0_b", database="postgres", ssl=context, timeout=30.0
        )
