"""The part of a router that hears who leads: one stream to every agent, dialled again whenever it ends."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Self

from covet.core import names, topology
from covet.core.agentapi import Peer
from covet.core.errors import CovetError
from covet.core.topology import Outlook, Topology
from covet.peers import topology as stream
from tests.e2e.process.authority import client_context
from tests.e2e.process.shard import LIMIT, Shard

AGAIN_SECONDS = 0.05


class Listener:
    """Follows every agent of a shard with a router's certificate.

    Args:
        shard: whose agents.

    Attributes:
        lines: per instance its newest line, while its stream is alive.
        outlook: what follows from them.
        heard: (monotonic second, line) of all that came, oldest first.
    """

    def __init__(self, shard: Shard) -> None:
        self._tls = client_context(shard.authority.issue(shard.folder / "router", names.ROUTER_COMMON_NAME))
        self._peers = shard.spec.peers
        self._tasks: list[asyncio.Task[None]] = []
        self._turned = asyncio.Condition()
        self.lines: dict[str, Topology] = {}
        self.outlook = Outlook()
        self.heard: list[tuple[float, Topology]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._follow(peer)) for peer in self._peers]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until(self, true: Callable[["Listener"], bool], limit: float = LIMIT) -> float:
        """Return the monotonic second at which something first held."""
        async with asyncio.timeout(limit), self._turned:
            await self._turned.wait_for(lambda: true(self))
        return time.monotonic()

    async def _follow(self, peer: Peer) -> None:
        while True:
            with contextlib.suppress(CovetError):
                async with stream.follow(self._tls, peer) as lines:
                    async for line in lines:
                        self.heard.append((time.monotonic(), line))
                        await self._learn({**self.lines, peer.instance: line})
            await self._learn({name: line for name, line in self.lines.items() if name != peer.instance})
            await asyncio.sleep(AGAIN_SECONDS)

    async def _learn(self, lines: dict[str, Topology]) -> None:
        async with self._turned:
            self.lines = lines
            self.outlook = topology.conclude(lines.values(), self.outlook)
            self._turned.notify_all()
