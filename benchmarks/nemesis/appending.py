"""Clients that append numbers to lists, several in one transaction, and read what the lists hold by then.

A list remembers the order of all that was ever done to it, so what each transaction saw tells before and after which
others it took place. The judge is `benchmarks.nemesis.lists`.
"""

import asyncio
import dataclasses
import itertools
import random
import time
from collections.abc import Sequence
from typing import Final, Protocol

import asyncpg

from benchmarks.nemesis.clients import FAILURES, Client, Fleet
from benchmarks.nemesis.lists import Fate

BEGIN: Final = "BEGIN ISOLATION LEVEL SERIALIZABLE"
APPEND: Final = (
    "INSERT INTO lists (key, items) VALUES ($1, ARRAY[$2::bigint]) "
    "ON CONFLICT (key) DO UPDATE SET items = lists.items || excluded.items RETURNING items"
)
READ: Final = "SELECT items FROM lists WHERE key = $1"
APPENDERS: Final = 2
PACE: Final = 0.15
"""Seconds between two transactions of a client: few beside the writes, whose figures they must not change."""
STEPS: Final = 3
"""So many appends and reads are in a transaction at most."""
READS: Final = 0.3
"""Share of the steps that read only."""

Step = tuple[int, int | None]
"""A key, and the number to append; None to read."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a client knows of a transaction that it sent.

    Args:
        fate: how it ended.
        seen: what the lists held after each step that was answered.
        alive: the session takes another one.
    """

    fate: Fate
    seen: tuple[list[int], ...]
    alive: bool


class Session(Protocol):
    """What is asked of a session with a database, as asyncpg has it."""

    async def execute(self, query: str) -> str:
        """Run a statement; return what the server calls it."""

    async def fetchval(self, query: str, *args: object) -> list[int] | None:
        """Return one value."""


class Appender(Client):
    """Appends to lists."""

    async def _send(self) -> None:
        host, _ = self._way.hosts[self._next]
        steps = draw(self._fleet)
        sent = time.monotonic_ns()
        outcome = await transact(self._session, steps, self._fleet.settings.deadline)
        told = [[*step, seen] for step, seen in itertools.zip_longest(steps, outcome.seen)]
        line = ["lists", outcome.fate, self._number, host, sent, time.monotonic_ns(), self._way.name, told]
        self._fleet.note(line)
        if not outcome.alive:
            self._fail()


def draw(fleet: Fleet) -> list[Step]:
    """Draw what a transaction does: it appends at least once, and goes over the lists in their order.

    One that only reads might see what a server takes back when it is fenced amid a commit; the commit of one that
    appends proves that all it saw is kept. The order keeps two clients from waiting for each other.
    """
    keys = sorted(random.choices(fleet.lists(), k=random.randint(1, STEPS)))
    appends = random.randrange(len(keys))
    return [
        (key, fleet.number() if index == appends or random.random() >= READS else None)
        for index, key in enumerate(keys)
    ]


async def transact(session: Session, steps: Sequence[Step], deadline: float) -> Outcome:
    """Send a transaction; it is in doubt from the moment on when its end was asked for.

    Args:
        session: that takes writes.
        steps: what it does.
        deadline: seconds that all of it may take.
    """
    seen: list[list[int]] = []
    fate = Fate.ABORTED
    try:
        async with asyncio.timeout(deadline):
            try:
                await session.execute(BEGIN)
                for key, value in steps:
                    asked = session.fetchval(READ, key) if value is None else session.fetchval(APPEND, key, value)
                    seen.append(await asked or [])
                fate = Fate.UNKNOWN
                ended = await session.execute("COMMIT")
                fate = Fate.COMMITTED if ended == "COMMIT" else Fate.ABORTED
            except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
                fate = Fate.ABORTED  # said by the server, before it committed
                await session.execute("ROLLBACK")
    except FAILURES:
        return Outcome(fate, tuple(seen), alive=False)
    return Outcome(fate, tuple(seen), alive=True)
