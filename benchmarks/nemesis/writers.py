"""The clients: sessions that write over the ways to a shard, and one that reads, and note what they were answered.

A process of its own, so that neither the faults nor the checks of the bench delay a figure.
It reads commands, one a line: `run PATH` writes into that log until `stop`; it answers on standard output
with one JSON object a line: {"ready": true}, {"term": T, "at": NS, "way": W} at the first acknowledgement of
a term over a way, {"done": true}. The log has one JSON array a line, times in nanoseconds of the monotonic clock:

    ["ack", id, writer, host, term, sent, acknowledged, way]
    ["doubt", id, writer, host, sent, given up, what happened, way]
    ["read", term, host, sent, answered, since, [id, ...]]

The host of an answer is the server's own address, told by itself: a Service hides who answers.
"""

import abc
import asyncio
import dataclasses
import io
import json
import os
import pathlib
import random
import ssl
import subprocess
import sys
import time
from typing import Any, Final

import asyncpg

INSERT: Final = (
    "INSERT INTO nemesis (id, writer) VALUES ($1, $2) "
    "RETURNING ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int, "
    "host(inet_server_addr())"
)
"""Answers the timeline, which is the term, and who answers."""
SELECT: Final = (
    "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int, "
    "host(inet_server_addr()), array(SELECT id FROM nemesis WHERE id >= $1)"
)
"""Answers the same, and the writes from a number on."""
WINDOW: Final = 200
"""So many of the last numbers are read: what it costs does not rise, however long a run lasts."""
READ_PACE: Final = 0.2
"""Seconds between an answer and the next read: few beside the writes, whose figures they must not change."""
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


class Client(abc.ABC):
    """One session at a time, found again after each failure.

    Args:
        number: from 0.
        fleet: what it shares with the others.
        pace: seconds between an answer and what it sends next.
    """

    def __init__(self, number: int, fleet: "Fleet", pace: float) -> None:
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


class Writer(Client):
    """Writes numbers."""

    async def _send(self) -> None:
        fleet, way = self._fleet, self._way.name
        host, _ = self._way.hosts[self._next]
        number = fleet.number()
        sent = time.monotonic_ns()
        try:
            async with asyncio.timeout(fleet.settings.deadline):
                term, server = await self._session.fetchrow(INSERT, number, self._number)
        except FAILURES as error:
            cause = f"{type(error).__name__}: {error}"[:200]
            fleet.note(["doubt", number, self._number, host, sent, time.monotonic_ns(), cause, way])
            self._fail()
            return
        acknowledged = time.monotonic_ns()
        fleet.note(["ack", number, self._number, server, term, sent, acknowledged, way])
        fleet.tell_term(way, term, acknowledged)


class Reader(Client):
    """Reads the run's last numbers at whoever takes writes."""

    async def _send(self) -> None:
        fleet, since, sent = self._fleet, self._fleet.recent(), time.monotonic_ns()
        try:
            async with asyncio.timeout(fleet.settings.deadline):
                term, server, numbers = await self._session.fetchrow(SELECT, since)
        except FAILURES:
            self._fail()
            return
        fleet.note(["read", term, server, sent, time.monotonic_ns(), since, numbers])


class Fleet:
    """All clients, their log and the numbers of the writes.

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

    def number(self) -> int:
        """Return a number that no write had."""
        self._last += 1
        return self._last

    def recent(self) -> int:
        """Return the number from which on a read looks: of this run, and one of the last."""
        return max(self._first, self._last - WINDOW)

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
        self._log = pathlib.Path(path).open("a", buffering=1)  # noqa: SIM115  closed by `write`
        self._terms.clear()
        self._first = self._last + 1

    async def write(self, stopping: asyncio.Event) -> None:
        """Write into the log until told to stop, and close it."""
        clients: list[Client] = [Writer(n, self, self.settings.pace) for n in range(self.settings.writers)]
        clients.append(Reader(0, self, READ_PACE))
        await asyncio.gather(*(client.run(stopping) for client in clients))
        for client in clients:
            client.leave()
        assert self._log is not None
        self._log.close()


def say(message: dict[str, object]) -> None:
    """Answer the bench."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def obey(settings: Settings) -> None:
    """Take commands until there are none."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    fleet, stopping, task = Fleet(settings), asyncio.Event(), None
    say({"ready": True})
    async with asyncio.TaskGroup() as group:  # a defect of a writer ends us all: the bench has to see it
        while line := (await reader.readline()).decode().split():
            if line[0] == "run":
                stopping = asyncio.Event()
                fleet.open_log(line[1])
                task = group.create_task(fleet.write(stopping))
            elif task is not None:
                stopping.set()
                await task
                say({"done": True})


def main() -> None:
    """Read the settings from the file named, then take commands."""
    told = json.loads(pathlib.Path(sys.argv[1]).read_text())
    told["ways"] = tuple(Way(way["name"], tuple((host, port) for host, port in way["hosts"])) for way in told["ways"])
    settings = Settings(**told)
    if os.geteuid() == 0:
        os.nice(-10)  # an answer is to be noted when it came, not when this process had its turn
    if settings.resolver:
        subprocess.run(["mount", "--bind", settings.resolver, "/etc/resolv.conf"], check=True, timeout=10.0)
    asyncio.run(obey(settings))


if __name__ == "__main__":
    main()
