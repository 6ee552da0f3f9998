"""What the clients of a run have in common: the ways to a shard, the log, the numbers, one session at a time."""

import abc
import asyncio
import dataclasses
import io
import json
import pathlib
import random
import ssl
import sys
import time
from typing import Any, Final

import asyncpg

WINDOW: Final = 200
"""So many of the last numbers are read: what it costs does not rise, however long a run lasts."""
LISTS: Final = 4
"""So many lists are appended to at a time."""
LIST_LIFE: Final = 120
"""Transactions after which new lists are taken: what an answer costs does not rise either."""
FAILURES: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a session ends with when its server does, whatever it was amid."""
DSN: Final = "dsn"
"""Way over all members, by a DSN of several hosts."""
RW: Final = "rw"
"""Way over the Service that leads to the primary."""


@dataclasses.dataclass(frozen=True)
class Way:
    """How some of the clients find the server that takes writes.

    Args:
        name: as the log names it.
        hosts: (name or address, port), in the order of the DSN.
    """

    name: str
    hosts: tuple[tuple[str, int], ...]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the clients go by.

    Args:
        ways: dealt to the sessions in turn.
        authority: file of the certificate to trust.
        writers: sessions at a time.
        pace: seconds between an answer and the next write of the same session.
        connect: seconds that one host may take until its session is ready.
        deadline: seconds that a write may take; past that the session is dropped, as at a TCP timeout.
        pause: mean of the seconds between two rounds over the hosts in which none took writes.
        resolver: file to read names by instead of /etc/resolv.conf, in a mount namespace of the process's own;
            empty without.
    """

    ways: tuple[Way, ...]
    user: str
    password: str
    database: str
    authority: str
    writers: int = 8
    pace: float = 0.05
    connect: float = 0.5
    deadline: float = 1.0
    pause: float = 0.2
    resolver: str = ""


class Fleet:
    """The log of all clients, and the numbers of what they write.

    Args:
        settings: what they go by.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.trust = ssl.create_default_context(cafile=settings.authority)
        self._log: io.TextIOBase | None = None
        self._last = time.time_ns() // 1000
        """Numbers of writes go on from the clock, so that none comes twice however often we are started."""
        self._first = self._last + 1
        self._terms: dict[str, int] = {}
        self._lists: list[int] = []
        self._appended = 0

    def number(self) -> int:
        """Return a number that no write had."""
        self._last += 1
        return self._last

    def recent(self) -> int:
        """Return the number from which on a read looks: of this run, and one of the last."""
        return max(self._first, self._last - WINDOW)

    def lists(self) -> list[int]:
        """Return the keys of the lists that the next transaction may append to."""
        if self._appended % LIST_LIFE == 0:
            self._lists = [self.number() for _ in range(LISTS)]
        self._appended += 1
        return self._lists

    def note(self, line: list[object]) -> None:
        """Append to the log, at once."""
        assert self._log is not None
        self._log.write(json.dumps(line) + "\n")

    def tell_term(self, way: str, term: int, at: int) -> None:
        """Say the first acknowledgement of a term over a way."""
        if term > self._terms.get(way, 0):
            self._terms[way] = term
            say({"term": term, "at": at, "way": way})

    def open_log(self, path: str) -> None:
        """Begin a log; each line is written at once."""
        self._log = pathlib.Path(path).open("a", buffering=1)  # noqa: SIM115  closed by `close_log`
        self._terms.clear()
        self._first = self._last + 1
        self._appended = 0

    def close_log(self) -> None:
        """End a log."""
        assert self._log is not None
        self._log.close()


def say(message: dict[str, object]) -> None:
    """Answer the bench."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Client(abc.ABC):
    """One session at a time, found again after each failure.

    Args:
        number: from 0.
        fleet: what it shares with the others.
        pace: seconds between an answer and what it sends next.
    """

    def __init__(self, number: int, fleet: Fleet, pace: float) -> None:
        self._number = number
        self._fleet = fleet
        self._pace = pace
        self._way = fleet.settings.ways[number % len(fleet.settings.ways)]
        self._next = number % len(self._way.hosts)
        self._session: Any = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Send one thing after another until told to stop; what is under way is finished."""
        while not stopping.is_set():
            if self._session is None and not await self._dial():
                await asyncio.sleep(self._fleet.settings.pause * random.uniform(0.5, 1.5))
                continue
            await self._send()
            await asyncio.sleep(self._pace * random.uniform(0.5, 1.5))

    def leave(self) -> None:
        """Drop the session."""
        if self._session is not None:
            self._session.terminate()
            self._session = None

    @abc.abstractmethod
    async def _send(self) -> None:
        """Send one thing, and note what came of it."""

    def _fail(self) -> None:
        """Drop a session that failed, and take the next host."""
        self.leave()
        self._turn()

    async def _dial(self) -> bool:
        """Go over the hosts once, from where it was last well; True with a session that takes writes."""
        settings = self._fleet.settings
        for _ in self._way.hosts:
            host, port = self._way.hosts[self._next]
            try:
                session = await asyncpg.connect(
                    host=host,
                    port=port,
                    user=settings.user,
                    password=settings.password,
                    database=settings.database,
                    ssl=self._fleet.trust,
                    timeout=settings.connect,
                )
            except FAILURES:
                self._turn()
                continue
            if getattr(session.get_settings(), "in_hot_standby", "off") == "off":
                self._session = session
                return True
            session.terminate()
            self._turn()
        return False

    def _turn(self) -> None:
        """Take the next host."""
        self._next = (self._next + 1) % len(self._way.hosts)
