"""Callers that hold connections and ask nothing do not keep the kubelet's probes out."""

import asyncio
import contextlib
import signal
import ssl
import time

from covet.agent import door
from tests.e2e.process.authority import trusting_context
from tests.e2e.process.shard import Shard
from tests.e2e.process.test_access import get

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def test_probes_answer_while_callers_hold_every_place(one: Shard) -> None:
    """More half-open callers than there are places: probes and status answer at once, and the callers are cut off."""
    bare = trusting_context(one.folder / "operator" / "ca.crt")
    callers: list[Line] = []
    try:
        # The first come while the agent stands still, as many as its queue takes: it finds them all at once.
        one.leader.send(signal.SIGSTOP)
        callers += [await dial(one, None) for _ in range(door.BACKLOG + 1)]
        one.leader.send(signal.SIGCONT)
        callers += [await dial(one, None) for _ in range(door.PLACES)]
        slow = [await dial(one, bare) for _ in range(8)]
        callers += slow
        for _, writer in slow:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        began = time.monotonic()
        assert 200 == await get(one.leader, "/livez", bare)
        await one.status(one.leader)
        assert time.monotonic() - began < 2.0
        # Each is cut within its bound; a busy machine comes round to all of them later.
        async with asyncio.timeout(60.0):
            for reader, _ in callers:
                await until_cut(reader)
    finally:
        one.leader.send(signal.SIGCONT)
        for _, writer in callers:
            writer.transport.abort()
    assert 200 == await get(one.leader, "/livez", bare)


async def test_a_caller_that_asked_may_wait_with_its_next_question(one: Shard) -> None:
    """A connection that brought a request outlives the bound of those that never did."""
    reader, writer = await dial(one, trusting_context(one.folder / "operator" / "ca.crt"))
    for pause in (door.REQUEST_SECONDS + 2.0, 0.0):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await asyncio.wait_for(reader.readuntil(b"ok\n"), 3.0)
        assert answer.startswith(b"HTTP/1.1 200")
        await asyncio.sleep(pause)
    writer.transport.abort()


async def dial(shard: Shard, tls: ssl.SSLContext | None) -> Line:
    """Return a connection to the leader's agent."""
    peer = shard.leader.peer
    return await asyncio.open_connection(peer.address, peer.agent_port, ssl=tls)


async def until_cut(reader: asyncio.StreamReader) -> None:
    """Read until the other end closes."""
    with contextlib.suppress(OSError):
        while await reader.read(1024):
            pass
