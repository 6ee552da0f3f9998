"""Certificates that live for a minute and authorities that live for three, under load: nobody is ever turned away.

Nor is a client that knows the root of a company alone, whose authority is replaced every few seconds besides.
"""

import asyncio
import contextlib
import datetime as dt
import ssl

import asyncpg
import pytest

from covet.manifests.certificates import Lifetimes
from tests.e2e.process.shard import Shard
from tests.e2e.process.test_rollover import Writer
from tests.e2e.process.vouching import Vouching
from tests.unit.manifests import outers

pytestmark = [pytest.mark.process, pytest.mark.long, pytest.mark.timeout(900)]

LIFETIMES = Lifetimes(dt.timedelta(seconds=60), dt.timedelta(seconds=180))
WRITERS = 3
CHANGES = 2
LIMIT = 600.0


async def test_certificates_and_authorities_end_under_load_and_nobody_notices() -> None:
    """Two authorities come and end in turn, every certificate many times: not one of thousands of sessions fails."""
    shard = Shard(3)
    root = outers.root(dt.datetime.now(dt.UTC))
    company = ssl.create_default_context(cadata=root.pem)
    vouching = Vouching(shard, LIFETIMES, root.below("Databases", dt.datetime.now(dt.UTC)))
    first = (shard.leader.tls / "tls.crt").read_bytes()
    async with shard:
        rounds = asyncio.create_task(vouching.run())
        await shard.birth()
        await shard.execute("CREATE TABLE t (a integer)")
        term = (await shard.status(shard.leader)).promise
        writers = [*(Writer(shard) for _ in range(WRITERS)), Writer(shard, company)]
        lasting = await shard.connect()
        async with asyncio.timeout(LIMIT):
            while vouching.steps.count("DropAuthority") < CHANGES and not rounds.done():
                await writers[0].until_more(200)
                vouching.company = root.below("Databases", dt.datetime.now(dt.UTC))
        for writer in writers:
            await writer.end()
        rounds.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await rounds
        failures = [str(error) for writer in writers for error in writer.failures]
        print(f"{sum(writer.written for writer in writers)} sessions, {vouching.issued} certificates, {vouching.steps}")  # noqa: T201 - figures of a long run
        assert [] == [text for text in failures if "certificate" in text.lower()]
        assert ["AnnounceAuthority", "SwitchAuthority", "DropAuthority"] * CHANGES == vouching.steps
        assert first != (shard.leader.tls / "tls.crt").read_bytes()
        if shard.leader.superuser("SELECT term FROM covet.rule") != str(term):
            return  # a starved machine elected another leader, which ends sessions of the one before
        assert [] == failures
        await lasting.execute("INSERT INTO t VALUES (2)", timeout=30.0)
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            await lasting.close()
