"""Three instances over copies of one database, each driven verb by verb."""

import asyncio
import contextlib
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Self

from covet.core import names
from covet.core.agentapi import Durability, Peer, ShardSpec
from tests.e2e.process.agents import give
from tests.e2e.process.authority import Authority
from tests.e2e.process.servercalls import Caller
from tests.e2e.process.shard import free_ports

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
        addresses = [f"127.0.1.{index + 1}" for index in range(3)]
        ports = free_ports(addresses)
        peers = tuple(
            Peer(names.instance("shop", "s0", letter), address, *ports)
            for letter, address in zip("abc", addresses, strict=True)
        )
        self.spec = ShardSpec(
            generation=1,
            cluster="shop",
            cluster_uid=str(uuid.uuid4()),
            namespace="default",
            shard="s0",
            shard_uid=str(uuid.uuid4()),
            engine_version="15",
            bootstrapped_by=peers[0].instance,
            opened=False,
            durability=Durability.QUORUM,
            peers=peers,
        )
        self.all = [Caller(self.folder / peer.instance, peer, self.spec, authority) for peer in peers]
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

    async def write(self, bench: Caller, rows: int = 1000) -> int:
        """Insert rows on a primary and return the end of its log."""
        await bench.query(f"INSERT INTO public.t SELECT generate_series(1, {rows})")
        return int(await bench.query("SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint"))

    async def received(self, bench: Caller, lsn: int) -> None:
        """Wait until a follower has received the log up to an LSN."""
        async with asyncio.timeout(10.0):
            while (await bench.query(_RECEIVED) or 0) < lsn:  # noqa: ASYNC110  a view has no event
                await asyncio.sleep(0.02)
