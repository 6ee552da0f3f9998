"""The streams of one agent: told at once, to a bounded number of readers, who cannot hold it up."""

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from covet.agent import topology as telling
from covet.agent.instance import Instance
from covet.agent.topology import Hub
from covet.core import topology
from covet.core.agentapi import Peer
from covet.core.errors import UnreachableError
from covet.peers import codec
from tests.unit.agent import instances

LIMIT = 90.0
ASK = f"GET {topology.ROUTE} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Instance, Hub, int]]:
    """An agent over an empty volume whose hub is served without TLS, and its port."""
    inst = instances.make(folder)
    hub = Hub(inst, slow=0.2)

    async def serve(request: web.Request) -> web.StreamResponse:
        try:
            return await hub.serve(request)
        except UnreachableError as error:
            return web.Response(status=503, text=error.reason)

    app = web.Application()
    app.router.add_get(topology.ROUTE, serve)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    turning = asyncio.create_task(hub.run())
    try:
        yield inst, hub, runner.addresses[0][1]
    finally:
        hub.close()
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)
        await runner.cleanup()


async def read(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for the stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ASK)
    return reader, writer


async def line(reader: asyncio.StreamReader) -> topology.Topology:
    """Return the next line."""
    async with asyncio.timeout(LIMIT):
        while not (found := await reader.readline()).startswith(b"{"):
            assert found
    return codec.decode(found, topology.Topology)


async def differing(reader: asyncio.StreamReader, former: topology.Topology) -> topology.Topology:
    """Return the next line that says something else than a former one."""
    while telling.essence(found := await line(reader)) == telling.essence(former):
        pass
    return found


async def test_a_reader_gets_a_whole_line_at_once_and_another_without_news(tmp_path: Path) -> None:
    """The first names the shard and every instance; the next comes although nothing happened."""
    async with serving(tmp_path) as (_, _, port):
        reader, writer = await read(port)
        first, second = await line(reader), await line(reader)
        assert ("s0", "shop-s0-a", ["shop-s0-a", "shop-s0-b"]) == (
            first.shard,
            first.instance,
            [member.instance for member in first.members],
        )
        assert first.serial < second.serial
        assert telling.essence(first) == telling.essence(second)
        writer.close()


async def test_news_reach_every_reader_without_a_pause(tmp_path: Path) -> None:
    """A line that differs is written as soon as somebody says that there is news."""
    async with serving(tmp_path) as (inst, _, port):
        lines = [await read(port) for _ in range(2)]
        before = [await line(reader) for reader, _ in lines]
        inst.map_epoch = 7
        inst.news.set()
        after = [await differing(reader, former) for (reader, _), former in zip(lines, before, strict=True)]
        assert [7, 7] == [news.map_epoch for news in after]
        for _, writer in lines:
            writer.close()


async def test_there_are_readers_enough(tmp_path: Path) -> None:
    """One more than there are places is refused, and taken once another has gone."""
    async with serving(tmp_path) as (_, hub, port):
        lines = [await read(port) for _ in range(telling.READERS)]
        for reader, _ in lines:
            await line(reader)
        reader, writer = await read(port)
        assert b"503" in await reader.readline()
        for _, gone in (*lines, (reader, writer)):
            gone.transport.abort()
        async with asyncio.timeout(LIMIT):
            while hub.readers:  # noqa: ASYNC110  the hub says nothing of who went
                await asyncio.sleep(0.01)
        reader, writer = await read(port)
        await line(reader)
        writer.close()


async def test_a_reader_that_takes_nothing_is_dropped_and_holds_up_nobody(tmp_path: Path) -> None:
    """Its buffers are bounded: it is gone once they are full, while another reads on."""
    async with serving(tmp_path) as (inst, hub, port):
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)  # noqa: FBT003  the socket API
            await asyncio.get_running_loop().sock_connect(deaf, ("127.0.0.1", port))
            await asyncio.get_running_loop().sock_sendall(deaf, ASK)
            reader, writer = await read(port)
            await line(reader)
            long = tuple(Peer(f"shop-s0-{index}", "y" * 200, 1, 1, 1) for index in range(60))
            inst.spec = dataclasses.replace(inst.spec, peers=(*inst.spec.peers, *long))
            async with asyncio.timeout(LIMIT):
                while hub.readers > 1:
                    inst.map_epoch = (inst.map_epoch or 0) + 1
                    inst.news.set()
                    await line(reader)
            assert 1 == hub.readers
            inst.map_epoch = -1
            inst.news.set()
            async with asyncio.timeout(LIMIT):
                while (read_on := await line(reader)).map_epoch != -1:
                    pass
            assert -1 == read_on.map_epoch
        writer.close()
