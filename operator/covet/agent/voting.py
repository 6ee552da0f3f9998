"""The agent's side of the voter: starts it, tells it who we are, hears who was heard."""

import asyncio
import contextlib
import json
import logging
import socket
import sys
from collections.abc import Mapping
from typing import Any, Final

from covet.agent.children import Children
from covet.agent.settings import Settings
from covet.core.agentapi import ShardSpec
from covet.core.clock import Clock

LOG: Final = logging.getLogger("covet.voting")

_MAX_PACKET: Final = 65536


class Voting:
    """The voter process and the line to it.

    Args:
        children: starts the process.
        clock: the agent's clock; the voter uses the same monotonic one of the kernel.
    """

    def __init__(self, children: Children, clock: Clock) -> None:
        self._children = children
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._line: socket.socket | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.ended = asyncio.Event()
        self.reported_at = clock.monotonic()
        self.heard: dict[str, dict[str, Any]] = {}
        self.dropped = 0

    @property
    def pid(self) -> int | None:
        """Process id of the voter."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the voter; `ended` is set when it is gone."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # noqa: FBT003  the socket API
        with theirs:
            self._process = await self._children.spawn(
                sys.executable, "-I", "-m", "covet.agent.voter", str(theirs.fileno()), descriptors=(theirs.fileno(),)
            )
        self._line = ours
        self._tasks = [
            asyncio.create_task(self._watch(self._process), name="voter"),
            asyncio.create_task(self._listen(ours), name="voter-reports"),
        ]

    def configure(
        self, settings: Settings, certificate: str, spec: ShardSpec, ips: Mapping[str, tuple[str, ...]]
    ) -> None:
        """Tell the voter whom to speak to, at which addresses, and which certificate is in force.

        Args:
            settings: the agent's environment.
            certificate: digest of the certificate's files; the voter reads them again when it changes.
            spec: whose peers to speak to.
            ips: addresses that the peers' names stood for when they were last resolved.
        """
        own = next((peer for peer in spec.peers if peer.instance == settings.instance), None)
        if own is None:
            return
        others = [peer for peer in spec.peers if peer.instance != settings.instance]
        self._send(
            {
                "config": {
                    "listen": settings.listen,
                    "port": own.voter_port,
                    "tls": str(settings.tls),
                    "certificate": certificate,
                    "peers": [
                        {
                            "instance": peer.instance,
                            "host": peer.address,
                            "ips": ips.get(peer.address, ()),
                            "port": peer.voter_port,
                        }
                        for peer in others
                    ],
                }
            }
        )

    def tell(self, state: dict[str, Any]) -> None:
        """Tell the voter who we are and when the server last answered."""
        self._send({"state": state})

    def age(self, instance: str, kind: str) -> float | None:
        """Return the seconds since a peer's last beat (`at`) or echo (`echoed`), None if never."""
        moment = self.heard.get(instance, {}).get(kind)
        return None if moment is None else self._clock.monotonic() - moment

    def seq_of(self, instance: str, member: str) -> int:
        """Return the change of the rule that a member's heartbeats carry, 0 while it is not heard."""
        heard = self.heard.get(instance, {})
        return int(heard.get("seq", 0)) if heard.get("member") == member else 0

    async def stop(self) -> None:
        """Close the line; the voter ends by itself, and is killed if it does not."""
        for task in self._tasks:
            task.cancel()
        if self._line is not None:
            self._line.close()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(TimeoutError, ProcessLookupError):
                await asyncio.wait_for(self._process.wait(), 1.0)
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        if self._line is None:
            return
        with contextlib.suppress(OSError):  # a full or broken line: the next message says it all again
            self._line.send(json.dumps(message, separators=(",", ":")).encode())

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        LOG.error("The voter ended with %s.", code)
        self.ended.set()

    async def _listen(self, line: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while packet := await loop.sock_recv(line, _MAX_PACKET):
            report = json.loads(packet)
            self.heard, self.dropped = report["heard"], report["dropped"]
            self.reported_at = self._clock.monotonic()
