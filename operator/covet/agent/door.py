"""The listening end of a port that the kubelet's probes come through: nobody can fill it, nobody can hold it.

Each connection has a few seconds to shake hands and to bring its first complete request. When all places
are taken, whoever has not asked anything for longest makes room.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Final

LOG: Final = logging.getLogger("covet.door")

PLACES: Final = 128
"""Connections at once; a shard of seven with an operator and a scraper needs some thirty."""
BACKLOG: Final = 128
"""Connections that the kernel keeps until the agent comes round to them."""
REQUEST_SECONDS: Final = 5.0
"""How long a connection may take for TLS, and then for its first request."""
IDLE_SECONDS: Final = 45.0
"""How long one that has asked may wait with its next request; longer than our clients keep theirs open."""
_PACE: Final = 0.5


class Visit:
    """One connection: since when it has asked nothing, and how many of its requests are under way."""

    def __init__(self, now: float) -> None:
        self.quiet_since = now
        self.asked = False
        self.under_way = 0
        self.transport: asyncio.BaseTransport | None = None
        self.task: asyncio.Task[None] | None = None

    def overdue(self, now: float) -> bool:
        """Tell whether its time is over."""
        bound = IDLE_SECONDS if self.asked else REQUEST_SECONDS
        return not self.under_way and now - self.quiet_since > bound


class Door:
    """Accepts TLS connections for an HTTP server.

    Args:
        protocol: makes the server's end of one connection.
        monotonic: the clock, in seconds.
        turned_away: told of each connection that is cut off: no place was left, or it asked nothing in time.
    """

    def __init__(
        self,
        protocol: Callable[[], asyncio.Protocol],
        monotonic: Callable[[], float],
        turned_away: Callable[[], None],
    ) -> None:
        self._protocol = protocol
        self._monotonic = monotonic
        self._turned_away = turned_away
        self._context: ssl.SSLContext | None = None
        self._listener: socket.socket | None = None
        self._visits: set[Visit] = set()
        self._by_transport: dict[asyncio.BaseTransport, Visit] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def admit_with(self, context: ssl.SSLContext) -> None:
        """Use a TLS context for connections from now on; those that are open keep theirs."""
        self._context = context

    def open(self, address: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family, backlog=BACKLOG)
        self._listener.setblocking(False)  # noqa: FBT003  the socket API
        self._tasks = [
            asyncio.create_task(self._accept(self._listener), name="door"),
            asyncio.create_task(self._usher(), name="door-bounds"),
        ]

    async def close(self) -> None:
        """Stop listening; connections are left to the server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    def began(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that a complete request came over a connection."""
        if transport is not None and (visit := self._by_transport.get(transport)):
            visit.asked = True
            visit.under_way += 1

    def ended(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that it was answered."""
        if transport is not None and (visit := self._by_transport.get(transport)):
            visit.under_way -= 1
            visit.quiet_since = self._monotonic()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
            except OSError as error:  # out of descriptors, or the caller hung up
                LOG.warning("A connection could not be accepted: %s", error)
                await asyncio.sleep(_PACE)
                continue
            if len(self._visits) >= PLACES and not self._make_room():
                self._turned_away()
                sock.close()
                continue
            visit = Visit(self._monotonic())
            self._visits.add(visit)
            visit.task = asyncio.create_task(self._let_in(sock, visit))
            # A crowd that waits already would be taken in without a pause. It must not hold up everybody else, and
            # whoever is to make room for it must have begun: a task cancelled before that leaves its socket open.
            await asyncio.sleep(0)

    async def _let_in(self, sock: socket.socket, visit: Visit) -> None:
        """Shake hands; from then on the server and the bounds have the connection."""
        loop = asyncio.get_running_loop()
        transport: asyncio.BaseTransport | None = None
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport, _ = await loop.connect_accepted_socket(
                self._protocol,
                sock,
                ssl=self._context,
                ssl_handshake_timeout=REQUEST_SECONDS,
                ssl_shutdown_timeout=1.0,
            )
            visit.transport, visit.quiet_since = transport, self._monotonic()
            self._by_transport[transport] = visit
        except (OSError, TimeoutError, ssl.SSLError) as error:
            LOG.debug("A connection did not get through TLS: %s", error)
        finally:
            if transport is None:
                self._visits.discard(visit)
                sock.close()

    def _make_room(self) -> bool:
        """End the connection that has asked nothing for longest; False if every one waits for an answer."""
        self._sweep()
        if len(self._visits) < PLACES:
            return True
        quiet = [visit for visit in self._visits if not visit.under_way]
        if not quiet:
            return False
        # Who never asked goes before who did: those are the callers that the agent works with.
        self._end(min(quiet, key=lambda visit: (visit.asked, visit.quiet_since)))
        return True

    async def _usher(self) -> None:
        """End connections whose time is over."""
        while True:
            await asyncio.sleep(_PACE)
            self._sweep()
            now = self._monotonic()
            for visit in [visit for visit in self._visits if visit.overdue(now)]:
                self._end(visit)

    def _sweep(self) -> None:
        """Forget the connections that are closed."""
        gone = [transport for transport in self._by_transport if transport.is_closing()]
        self._visits -= {self._by_transport.pop(transport) for transport in gone}

    def _end(self, visit: Visit) -> None:
        self._turned_away()
        self._visits.discard(visit)
        if isinstance(visit.transport, asyncio.Transport):
            visit.transport.abort()
        elif visit.task is not None:
            visit.task.cancel()
