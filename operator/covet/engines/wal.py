"""The log of the running server: how far it reaches on a primary and on a standby, and what moves it on.

`covet.engines.position` tells the same of a server that does not run, by the files.
"""

import dataclasses
from typing import Final

from covet.core.agentapi import Position
from covet.engines.sessions import Session

LOG_END: Final = """
SELECT ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::bigint AS timeline,
       (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint AS lsn
 WHERE NOT pg_is_in_recovery()
"""


async def flushed_end(session: Session) -> int:
    """Return the end of the flushed log of a primary, in bytes."""
    return int(await session.value("SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint"))


async def log_end(session: Session) -> Position | None:
    """Return a primary's timeline and the end of its flushed log; None on a standby.

    The control file speaks of the timeline of the last checkpoint: after a promotion that is the old one.
    """
    row = await session.row(LOG_END)
    return Position(row["timeline"], row["lsn"]) if row is not None else None


async def control_timeline(session: Session) -> int:
    """Return the timeline of the last checkpoint."""
    return int(await session.value("SELECT timeline_id::bigint & 4294967295 FROM pg_control_checkpoint()"))


async def checkpoint(session: Session, limit: float) -> None:
    """Write a checkpoint at once, not spread over time.

    Raises:
        SqlError: it took longer than the limit, in seconds.
    """
    await session.execute("CHECKPOINT", limit=limit)


async def switch_segment(session: Session) -> None:
    """Begin a new segment of the log."""
    await session.execute("SELECT pg_switch_wal()")


async def await_acknowledgement(session: Session, limit: float) -> None:
    """Write a message into the log and commit it on a synchronous session.

    A write that a repeated order finds done may never have been acknowledged; once this commit is, everything
    before it is too.

    Raises:
        SqlError: not acknowledged in time.
    """
    await session.execute("SELECT pg_logical_emit_message(true, 'covet', '')", limit=limit)


@dataclasses.dataclass(frozen=True)
class Receiving:
    """What a standby's receiver did: the timeline that it flushed last, and up to where, in bytes."""

    streaming: bool
    timeline: int
    flushed: int


async def receiving(session: Session, limit: float = 1.0) -> Receiving | None:
    """Return what the receiver does; None while there is none, or it is still connecting."""
    row = await session.row(
        "SELECT status = 'streaming' AS streaming, coalesce(received_tli, 0)::bigint & 4294967295 AS timeline,"
        " coalesce(flushed_lsn - '0/0'::pg_lsn, 0)::bigint AS flushed"
        " FROM pg_stat_get_wal_receiver() WHERE pid IS NOT NULL",
        limit=limit,
    )
    return Receiving(row["streaming"], row["timeline"], row["flushed"]) if row is not None else None


async def replayed_all(session: Session) -> bool:
    """Tell whether a standby has replayed all the log it holds: its startup process waits for more."""
    found = await session.value(
        "SELECT wait_event IN ('RecoveryRetrieveRetryInterval', 'RecoveryWalStream') FROM pg_stat_activity"
        " WHERE backend_type = 'startup'"
    )
    return bool(found)
