"""Names of peers, looked up in threads of their own, with the last answers kept on the volume (I9).

A resolver that is away answers after many seconds or never. Its threads are therefore none of those
that write the agent's files, no name is looked up again while its lookup hangs, and whoever asks gets the last
answer instead. An address that is out of date does no harm: the certificate has to fit the name.
"""

import asyncio
import contextlib
import dataclasses
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aiohttp import abc

from covet.agent import durable
from covet.core.errors import SpecError
from covet.peers import codec

LOG: Final = logging.getLogger("covet.naming")

LIMIT: Final = 0.5
"""How long whoever asks waits for a resolver that has answered before."""
FIRST_LIMIT: Final = 2.0
"""How long one waits if there is no last answer."""
THREADS: Final = 2

Addresses = tuple[str, ...]
Lookup = Callable[[str], Addresses]


def look_up(name: str) -> Addresses:
    """Return the addresses that a name stands for; may take as long as the resolver likes.

    Raises:
        OSError: there are none, or the resolver is away.
    """
    return tuple(sorted({str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}))


@dataclasses.dataclass(frozen=True)
class Kept:
    """addresses.json: the last answers by name."""

    addresses: dict[str, Addresses] = dataclasses.field(default_factory=dict)


class Names(abc.AbstractResolver):
    """The addresses of names, never later than its bounds; also the resolver of the agent's own calls.

    Args:
        path: addresses.json on the volume.
        lookup: asks the resolver; runs in a thread.
    """

    def __init__(self, path: Path, lookup: Lookup = look_up) -> None:
        self._path = path
        self._lookup = lookup
        self._known = _read(path)
        self._stored = dict(self._known)
        self._running: dict[str, asyncio.Future[Addresses]] = {}

    def known(self, name: str) -> Addresses:
        """Return the last answer, empty if there never was one."""
        return self._known.get(name, ())

    async def addresses(self, name: str) -> Addresses:
        """Return the addresses of a name: the resolver's answer, past the bound the last one, else nothing."""
        if _is_address(name):
            return (name,)
        if name in self._running and self.known(name):
            return self.known(name)  # it hangs: it is not waited for twice
        running = self._running.get(name) or self._begin(name)
        if running is not None:
            limit = LIMIT if self.known(name) else FIRST_LIMIT
            with contextlib.suppress(OSError, TimeoutError):
                return await asyncio.wait_for(asyncio.shield(running), limit)
        return self.known(name)

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002  the shape of the base class
    ) -> list[abc.ResolveResult]:
        """Return the addresses of a host in the form of an HTTP client.

        Raises:
            OSError: none is known.
        """
        found = await self.addresses(host)
        if not found:
            raise OSError(f"no address of {host} is known")
        return [
            abc.ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is held open: a client that closes leaves the names to the next one."""

    def forget_others(self, names: frozenset[str]) -> None:
        """Drop the answers for names that nobody has any more."""
        self._known = {name: known for name, known in self._known.items() if name in names}

    def store(self) -> None:
        """Write the last answers to the volume if they changed.

        Raises:
            OSError: the volume refuses.
        """
        known = dict(self._known)
        if known != self._stored:
            durable.make_folder(self._path.parent)
            durable.write(self._path, codec.encode(Kept(known)) + b"\n")
            self._stored = known

    def _begin(self, name: str) -> asyncio.Future[Addresses] | None:
        """Look a name up in a thread of its own; None while too many of them hang."""
        if len(self._running) >= THREADS:
            return None
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Addresses] = loop.create_future()
        self._running[name] = future

        def work() -> None:
            found: Addresses | OSError
            try:
                found = self._lookup(name)
            except OSError as error:
                found = error
            with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
                loop.call_soon_threadsafe(self._end, name, future, found)

        # A daemon: the end of the agent does not wait for a resolver.
        threading.Thread(target=work, name="names", daemon=True).start()
        return future

    def _end(self, name: str, future: asyncio.Future[Addresses], found: Addresses | OSError) -> None:
        del self._running[name]
        if isinstance(found, OSError):
            future.set_exception(found)
            future.exception()  # whoever waited may be gone, which is no defect
            return
        self._known[name] = found
        future.set_result(found)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _read(path: Path) -> dict[str, Addresses]:
    """Return what is kept; what cannot be read is worth no more than nothing."""
    try:
        return codec.decode(path.read_bytes(), Kept).addresses
    except FileNotFoundError:
        return {}
    except (OSError, SpecError) as error:
        LOG.warning("The addresses kept on the volume cannot be read: %s", error)
        return {}
