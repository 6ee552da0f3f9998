"""Three instances over copies of one database, each driven verb by verb."""

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Self

import asyncpg

from tests.e2e.process.agents import give
from tests.e2e.process.authority import Authority
from tests.e2e.process.servercalls import Caller
from tests.e2e.process.shard import loopback_spec

_RECEIVED = "SELECT (pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::bigint"


class Benches:
    """Benches a, b and c of shard s0; their databases are copied from one that is made once.

    Args:
        origin: benches whose database is taken over; None makes it.
    """

    def __init__(self, origin: "Benches | None" = None) -> None:
        base = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a folder of our own below it
        self.folder = Path(tempfile.mkdtemp(prefix="covet-verbs-", dir=base))
        self.folder.chmod(0o755)
        give(self.folder)
        authority = Authority()
        self.spec = loopback_spec(3)
        self.all = [Caller(self.folder / peer.instance, peer, self.spec, authority) for peer in self.spec.peers]
        self.a, self.b, self.c = self.all
        self._open = contextlib.ExitStack()
        if origin is not None:
            for bench in self.all:
                bench.take_database(origin.a.pgdata)

    async def __aenter__(self) -> Self:
        for bench in self.all:
            self._open.enter_context(bench)
        return self

    async def __aexit__(self, *_: object) -> None:
        for bench in (bench for bench in self.all if bench.log.exists()):
            print(f"--- {bench.peer.instance}", bench.log.read_text(errors="replace")[-6000:], sep="\n")  # noqa: T201  pytest shows it with a failure
        await asyncio.to_thread(self._open.close)
        await asyncio.to_thread(shutil.rmtree, self.folder)

    async def lead(self, *followers: Caller) -> None:
        """Start instance a as the leader of term 1, and followers that stream from it."""
        await self.a.call("start_primary")
        for follower in followers:
            await follower.call("start_closed")
            await follower.call("stream", leader=self.a.peer.instance, term=1)

    async def reader_of_b(self) -> asyncpg.Connection:
        """Return a client's session of instance b, which is an open standby that led term 2 alone before."""
        await self.b.call("start_closed")
        await self.b.call("promote", term=2, cohort="b", acks=0)
        await self.b.query("DO $$ BEGIN CREATE ROLE app LOGIN PASSWORD 'secret'; END $$")
        await self.b.call("stop_at_once")
        await self.b.call("start_closed")
        await self.b.call("open")
        return await self.connect(self.b)

    async def connect(self, bench: Caller) -> asyncpg.Connection:
        """Return a new session of the client that `reader_of_b` made a role for.

        Raises:
            asyncpg.PostgresError: the server refused it.
        """
        address = {"host": bench.peer.address, "port": bench.peer.sql_port, "user": "app", "password": "secret"}
        return await asyncpg.connect(database="postgres", ssl="require", **address)

    async def write(self, bench: Caller, rows: int = 1000) -> int:
        """Insert rows on a primary and return the end of its log."""
        await bench.query(f"INSERT INTO public.t SELECT generate_series(1, {rows})")
        return int(await bench.query("SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint"))

    async def received(self, bench: Caller, lsn: int) -> None:
        """Wait until a follower has received the log up to an LSN."""
        async with asyncio.timeout(10.0):
            while (await bench.query(_RECEIVED) or 0) < lsn:  # noqa: ASYNC110  a view has no event
                await asyncio.sleep(0.02)
