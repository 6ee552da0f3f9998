"""The agent's own SQL sessions: over the unix socket as superuser, with a pinned search path.

asyncpg's errors become ours here, once. Every statement has a bound; LSNs are plain
integers outside of SQL.
"""

import asyncio
import dataclasses
import ssl
from pathlib import Path
from typing import Any, Final

import asyncpg

from covet.core.errors import CovetError, UnreachableError
from covet.engines.configuration import PROBE_USER, SUPERUSER

Row = Any
"""A row of asyncpg: values by column name; its types are not declared by the library."""

_SETTINGS: Final = {
    "application_name": "covet-agent",
    "search_path": "pg_catalog",
    # What a user sets for all sessions must not end, delay or change the agent's own.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "client_min_messages": "warning",
    # No statement of the agent is logged: one carries a verifier, and a probe comes twice a second.
    "log_statement": "none",
    "log_duration": "off",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_min_error_statement": "panic",
    "debug_print_parse": "off",
    "debug_print_rewritten": "off",
    "debug_print_plan": "off",
}


_WAIT_CANCELLED: Final = frozenset({"01000", "57P01"})
"""SQLSTATEs of the warning that a commit no longer waits for its acknowledgement."""

_BROKEN: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises when a session cannot be opened or goes away under it."""


class SqlError(CovetError):
    """The server answered a statement with an error, or did not answer in time."""


class Session:
    """One session on the local server; one statement at a time, others wait their turn.

    Commits are acknowledged locally unless the session is synchronous: the agent's
    housekeeping must not wait for followers that are still to come.
    """

    def __init__(self, connection: Any) -> None:  # noqa: ANN401  asyncpg declares no types
        self._connection = connection
        self._turn = asyncio.Lock()
        self._unacknowledged = ""
        connection.add_log_listener(self._hear)

    @classmethod
    async def connect(
        cls, sockets: Path, port: int, *, synchronous: bool = False, limit: float = 2.0, database: str = "postgres"
    ) -> "Session":
        """Open a session.

        Args:
            sockets: folder of the server's unix socket.
            port: port that the socket is named by.
            synchronous: commits wait for the rule's followers, instead of for the local disk only.
            limit: seconds that opening may take.
            database: where the statements run; Covet's own tables are in postgres.

        Raises:
            UnreachableError: the server does not accept sessions (yet).
        """
        try:
            connection = await asyncpg.connect(
                host=str(sockets),
                port=port,
                user=SUPERUSER,
                database=database,
                timeout=limit,
                ssl=False,
                server_settings=_SETTINGS | {"synchronous_commit": "on" if synchronous else "local"},
                statement_cache_size=32,
            )
        except _BROKEN as error:
            raise UnreachableError("ServerNotReady", f"The server takes no sessions: {error}.") from error
        return cls(connection)

    @property
    def closed(self) -> bool:
        """True once the session is of no more use."""
        return bool(self._connection.is_closed())

    async def close(self) -> None:
        """End the session, without waiting long for the server's farewell."""
        try:
            await self._connection.close(timeout=1.0)
        except _BROKEN:
            self._connection.terminate()

    def terminate(self) -> None:
        """Drop the connection without a word to the server."""
        self._connection.terminate()

    async def execute(self, statement: str, *values: object, limit: float = 5.0) -> None:
        """Run a statement, or several without values.

        Raises:
            SqlError: the server refused it, or the time is over.
        """
        await self._guard(self._connection.execute, statement, *values, limit=limit)

    async def row(self, statement: str, *values: object, limit: float = 5.0) -> Row | None:
        """Return the first row of a query, None if there is none."""
        return await self._guard(self._connection.fetchrow, statement, *values, limit=limit)

    async def rows(self, statement: str, *values: object, limit: float = 5.0) -> list[Row]:
        """Return the rows of a query."""
        return list(await self._guard(self._connection.fetch, statement, *values, limit=limit))

    async def value(self, statement: str, *values: object, limit: float = 5.0) -> Any:  # noqa: ANN401  any SQL type
        """Return the first column of the first row, None if there is none."""
        return await self._guard(self._connection.fetchval, statement, *values, limit=limit)

    def _hear(self, _connection: object, message: Any) -> None:  # noqa: ANN401  asyncpg declares no types
        """Note a warning that a commit stopped waiting for followers: the server calls such a commit a success."""
        if message.sqlstate in _WAIT_CANCELLED and "synchronous replication" in message.message:
            self._unacknowledged = message.message

    async def _guard(self, call: Any, *arguments: object, limit: float) -> Any:  # noqa: ANN401  asyncpg declares no types
        try:
            # Waiting for one's turn is part of the bound.
            async with asyncio.timeout(limit + 0.5), self._turn:
                self._unacknowledged = ""
                found = await call(*arguments, timeout=limit)
                if self._unacknowledged:
                    raise SqlError(
                        "CommitUnacknowledged", f"A commit was not acknowledged by followers: {self._unacknowledged}."
                    )
                return found
        except TimeoutError as error:
            raise SqlError("StatementTooSlow", "The server did not finish a statement in time.") from error
        except asyncpg.PostgresError as error:
            raise SqlError(type(error).__name__.removesuffix("Error"), f"The server refused: {error}.") from error
        except _BROKEN as error:
            raise SqlError("SessionLost", f"The session on the server was lost: {error}.") from error
        except AttributeError as error:
            # A session dropped between two messages of one statement: asyncpg goes on with a protocol it no longer has.
            if not self.closed:
                raise
            raise SqlError("SessionLost", "The session was dropped amid a statement.") from error


@dataclasses.dataclass(frozen=True)
class Vitals:
    """What the server says of itself, in one cheap query.

    Args:
        standby: True in recovery: the server is read-only.
        lsn: end of what is flushed here, in bytes.
        term: timeline the server is on (a standby: the one it receives, or restarted on).
        receiver: state of the WAL receiver, None without one.
        source_end: a standby: the leader's last known end, None while unknown.
        replayed: a standby: end of what queries on it see, in bytes; a primary: its flushed end.
        paused: a standby: replay is paused, by a person or because a setting is too small.
    """

    standby: bool
    lsn: int
    term: int
    receiver: str | None
    source_end: int | None
    replayed: int = 0
    paused: bool = False

    @property
    def streaming(self) -> bool:
        """True while a standby's receiver is connected and in the streaming state."""
        return self.standby and self.receiver == "streaming"


_VITALS: Final = """
SELECT state.standby,
       (CASE WHEN state.standby THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
             ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn)::bigint AS lsn,
       (CASE WHEN state.standby THEN pg_last_wal_replay_lsn()
             ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn)::bigint AS replayed,
       (CASE WHEN state.standby THEN pg_get_wal_replay_pause_state() <> 'not paused' ELSE false END) AS paused,
       -- A primary's control file speaks of its last checkpoint, which a promotion does not wait for.
       -- Timelines are unsigned; SQL's integers are not.
       coalesce(receiver.received_tli::bigint & 4294967295,
                CASE WHEN state.standby THEN control.timeline_id::bigint & 4294967295
                     ELSE ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::bigint END) AS term,
       receiver.status AS receiver,
       (receiver.latest_end_lsn - '0/0'::pg_lsn)::bigint AS source_end
  FROM (SELECT pg_is_in_recovery() AS standby) AS state
 CROSS JOIN pg_control_checkpoint() AS control
  LEFT JOIN pg_stat_get_wal_receiver() AS receiver ON receiver.pid IS NOT NULL
"""


async def read_vitals(session: Session, limit: float = 2.0) -> Vitals:
    """Ask the server how it is.

    Raises:
        SqlError: no answer in time.
    """
    row = await session.row(_VITALS, limit=limit)
    if row is None:
        raise SqlError("VitalsEmpty", "The server answered its probe with no row.")
    return Vitals(
        row["standby"],
        row["lsn"] or 0,
        row["term"],
        row["receiver"],
        row["source_end"],
        row["replayed"] or 0,
        row["paused"],
    )


async def admits_clients(address: str, port: int, tls: ssl.SSLContext, limit: float = 2.0) -> bool:
    """Dial the server as a client would, and tell an open server from a closed one.

    An open server asks the unknown user for a password; a closed one refuses before.

    Raises:
        UnreachableError: neither, so nothing is known.
    """
    try:
        async with asyncio.timeout(limit):
            connection = await asyncpg.connect(
                host=address,
                port=port,
                user=PROBE_USER,
                password="-",  # noqa: S106  the user does not exist
                database="postgres",
                ssl=tls,
                timeout=limit,
            )
    except asyncpg.InvalidPasswordError:
        return True
    except asyncpg.InvalidAuthorizationSpecificationError:
        return False
    except _BROKEN as error:
        raise UnreachableError("ProbeFailed", f"A dial to the own server ended with: {error}.") from error
    await connection.close(timeout=1.0)
    return True
