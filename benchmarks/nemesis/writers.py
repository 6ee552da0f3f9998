"""The clients: sessions that write over the ways to a shard, append to lists and read; they note what they were told.

A process of its own, so that neither the faults nor the checks of the bench delay a figure.
It reads commands, one a line: `run PATH` writes into that log until `stop`; it answers on standard output
with one JSON object a line: {"ready": true}, {"term": T, "at": NS, "way": W} at the first acknowledgement of
a term over a way, {"done": true}. The log has one JSON array a line, times in nanoseconds of the monotonic clock:

    ["ack", id, writer, host, term, sent, acknowledged, way]
    ["doubt", id, writer, host, sent, given up, what happened, way]
    ["read", term, host, sent, answered, since, [id, ...]]
    ["lists", fate, client, host, sent, ended, way, [[key, value or null, items seen or null], ...]]

The host of an answer is the server's own address, told by itself: a Service hides who answers. That of lists is the
one that was dialled.
"""

import asyncio
import json
import os
import pathlib
import subprocess
import sys
import time
from typing import Final

from benchmarks.nemesis import appending
from benchmarks.nemesis.clients import FAILURES, Client, Fleet, Settings, Way, say

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
READ_PACE: Final = 0.2
"""Seconds between an answer and the next read: few beside the writes, whose figures they must not change."""


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


async def write(fleet: Fleet, stopping: asyncio.Event) -> None:
    """Have all clients write into the fleet's log until told to stop, and close it."""
    clients: list[Client] = [Writer(n, fleet, fleet.settings.pace) for n in range(fleet.settings.writers)]
    clients += [appending.Appender(n, fleet, appending.PACE) for n in range(appending.APPENDERS)]
    clients.append(Reader(0, fleet, READ_PACE))
    await asyncio.gather(*(client.run(stopping) for client in clients))
    for client in clients:
        client.leave()
    fleet.close_log()


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
                task = group.create_task(write(fleet, stopping))
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
