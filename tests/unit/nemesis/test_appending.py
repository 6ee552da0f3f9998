"""What a client notes of a transaction is what it may know of its end."""

import asyncio

import asyncpg
import pytest

from benchmarks.nemesis import appending
from benchmarks.nemesis.appending import Outcome
from benchmarks.nemesis.lists import Fate


class Session:
    """A session whose server answers until a statement that begins with some words.

    Args:
        fails: these words.
        error: what the client sees then; None if the server says that it rolled back.
    """

    def __init__(self, fails: str, error: Exception | None) -> None:
        self._fails = fails
        self._error = error
        self._items: dict[object, list[int]] = {}
        self.said: list[str] = []

    async def execute(self, query: str) -> str:
        """Run a statement."""
        self._meet(query)
        return "ROLLBACK" if query.startswith(self._fails) else query

    async def fetchval(self, query: str, *args: object) -> list[int] | None:
        """Append to a list, or read it."""
        self._meet(query)
        key, *values = args
        if not values and key not in self._items:
            return None
        self._items[key] = [*self._items.get(key, ()), *(value for value in values if isinstance(value, int))]
        return self._items[key]

    def _meet(self, query: str) -> None:
        self.said.append(query.split(maxsplit=1)[0])
        if self._error is not None and query.startswith(self._fails):
            raise self._error


STEPS: list[appending.Step] = [(1, 10), (1, 11), (2, None)]
SEEN: tuple[list[int], ...] = [10], [10, 11], []


@pytest.mark.parametrize(
    ("fails", "error", "expected"),
    [
        ("nothing", None, Outcome(Fate.COMMITTED, SEEN, alive=True)),
        ("COMMIT", OSError("reset"), Outcome(Fate.UNKNOWN, SEEN, alive=False)),
        ("COMMIT", asyncpg.AdminShutdownError("ended"), Outcome(Fate.UNKNOWN, SEEN, alive=False)),
        ("COMMIT", asyncpg.SerializationError("pivot"), Outcome(Fate.ABORTED, SEEN, alive=True)),
        ("COMMIT", None, Outcome(Fate.ABORTED, SEEN, alive=True)),
        ("SELECT", OSError("reset"), Outcome(Fate.ABORTED, SEEN[:2], alive=False)),
        ("INSERT", asyncpg.DeadlockDetectedError("circle"), Outcome(Fate.ABORTED, (), alive=True)),
    ],
)
def test_only_an_unanswered_commit_is_in_doubt(fails: str, error: Exception | None, expected: Outcome) -> None:
    """What fails before the end was asked for never happened, and neither did what the server refused."""
    session = Session(fails, error)
    assert expected == asyncio.run(appending.transact(session, STEPS, 5.0))
    if expected.alive and isinstance(error, asyncpg.PostgresError):
        assert "ROLLBACK" == session.said[-1]
