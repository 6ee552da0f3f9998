"""The agent's own sessions: bounds that hold, and commits that nobody acknowledged."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from covet.core.errors import RefusedError
from covet.engines import sessions, walsenders
from covet.engines.sessions import Session, SqlError

CANCELLED = SimpleNamespace(sqlstate="01000", message="canceling wait for synchronous replication due to user request")


class Connection:
    """A connection whose statements take as long as they are told, and whose server warns."""

    def __init__(self, seconds: float = 0.0, warning: SimpleNamespace | None = None) -> None:
        self._seconds = seconds
        self._warning = warning
        self._listeners: list[Callable[[object, Any], None]] = []
        self.answers: list[list[dict[str, int]]] = []

    def add_log_listener(self, listener: Callable[[object, Any], None]) -> None:
        """Call a listener with what the server says."""
        self._listeners.append(listener)

    async def execute(self, *_: object, timeout: float) -> str:  # noqa: ASYNC109  the signature of asyncpg
        """Take the time, and warn."""
        del timeout
        await asyncio.sleep(self._seconds)
        for listener in self._listeners if self._warning else ():
            asyncio.get_running_loop().call_soon(listener, self, self._warning)
            await asyncio.sleep(0)
        return "OK"

    async def fetch(self, *_: object, timeout: float) -> list[dict[str, int]]:  # noqa: ASYNC109  likewise
        """Give the next prepared answer."""
        del timeout
        return self.answers.pop(0)


async def test_a_commit_whose_wait_was_cancelled_is_a_failure() -> None:
    """The server calls it a success and warns; here it is an error, and the next statement starts anew."""
    connection = Connection(warning=CANCELLED)
    session = Session(connection)
    with pytest.raises(SqlError) as refused:
        await session.execute("COMMIT")
    assert "CommitUnacknowledged" == refused.value.reason
    connection._warning = None
    await session.execute("COMMIT")


async def test_another_warning_is_no_failure() -> None:
    """Only the warning about acknowledgements counts."""
    session = Session(Connection(warning=SimpleNamespace(sqlstate="01000", message="hm")))
    await session.execute("COMMIT")
    assert "" == session._unacknowledged


async def test_waiting_for_a_turn_is_part_of_the_bound() -> None:
    """Behind a statement that hangs another one gives up in its own time."""
    session = Session(Connection(seconds=5.0))
    hanging = asyncio.create_task(session.execute("SELECT 1", limit=5.0))
    await asyncio.sleep(0)
    began = time.monotonic()
    with pytest.raises(SqlError):
        await session.execute("SELECT 2", limit=0.1)
    assert time.monotonic() - began < 2.0
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)


@pytest.mark.parametrize(
    "name",
    [
        "statement_timeout", "lock_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout",
        "default_transaction_read_only", "client_min_messages",
    ],
)  # fmt: skip
def test_what_could_end_or_change_the_agents_sessions_is_pinned(name: str) -> None:
    """A setting in the startup packet wins over the one of the file, of the role and of the database."""
    assert name in sessions._SETTINGS


async def test_walsenders_that_do_not_end_are_a_refusal() -> None:
    """A stale stream that goes on may acknowledge commits: whoever wanted it ended is told."""
    connection = Connection()
    connection.answers = [[{"pid": 7}, {"pid": 8}], [{"pid": 8}]]
    with pytest.raises(RefusedError) as refused:
        await walsenders.end(Session(connection), "true", limit=-1.0)
    assert "WalsendersRemain" == refused.value.reason
    assert refused.value.message.endswith(" 8.")


class Dropped(Connection):
    """A connection that another task drops amid a statement, the way asyncpg then fails."""

    def __init__(self, *, dropped: bool) -> None:
        super().__init__()
        self._dropped = dropped

    def is_closed(self) -> bool:
        """Tell whether it was dropped."""
        return self._dropped

    async def execute(self, *_: object, timeout: float) -> str:  # noqa: ASYNC109  the signature of asyncpg
        """Fail as a statement does whose protocol is gone."""
        del timeout
        raise AttributeError("'NoneType' object has no attribute 'bind_execute'")


async def test_a_session_dropped_amid_a_statement_is_lost_and_no_defect() -> None:
    """The agent lives on: a start of the server drops the session that the probe is just using."""
    with pytest.raises(SqlError) as refused:
        await Session(Dropped(dropped=True)).execute("SELECT 1")
    assert "SessionLost" == refused.value.reason


async def test_a_defect_on_an_open_session_stays_a_defect() -> None:
    """Only a dropped session explains a missing protocol."""
    with pytest.raises(AttributeError):
        await Session(Dropped(dropped=False)).execute("SELECT 1")
