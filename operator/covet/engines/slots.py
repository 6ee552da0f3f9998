"""Replication slots: each keeps the log for one member, and a member is admitted to its own.

A slot's name begins with its instance's, so the members that an instance was before can be told.
"""

from collections.abc import Mapping, Sequence

from covet.core.agentapi import Position
from covet.core.errors import RefusedError
from covet.engines import wal, walsenders
from covet.engines.configuration import MEMBERS
from covet.engines.quoting import identifier
from covet.engines.sessions import Session


async def make(session: Session, slots: Sequence[str]) -> None:
    """Make physical slots that keep the log from the last checkpoint on, unless they exist."""
    await session.execute(
        "SELECT pg_create_physical_replication_slot(wanted, true) FROM unnest($1::text[]) AS wanted"
        " WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = wanted)",
        list(slots),
    )


async def drop(session: Session, prefix: str, kept: Sequence[str]) -> None:
    """Drop the slots with a prefix that nobody streams through: all but those to keep, and those whose log is gone."""
    await session.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        " WHERE slot_type = 'physical' AND starts_with(slot_name, $1) AND NOT active"
        "   AND (slot_name <> ALL ($2::text[]) OR wal_status = 'lost')",
        prefix,
        list(kept),
    )


async def drop_strange(session: Session, prefix: str, kept: Sequence[str]) -> None:
    """Drop the slots with a prefix that nobody streams through and whose names begin with none of those to keep."""
    await session.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        " WHERE slot_type = 'physical' AND starts_with(slot_name, $1) AND NOT active"
        "   AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS known WHERE starts_with(slot_name, known))",
        prefix,
        list(kept),
    )


async def advance(session: Session, reached: Mapping[str, int]) -> None:
    """Let go of log before these ends, in bytes, and before the last checkpoint; no slot ever goes back."""
    await session.execute(
        "SELECT pg_replication_slot_advance(slot_name, wanted.lsn) FROM"
        " (SELECT slot_name, restart_lsn, least('0/0'::pg_lsn + lsn, control.redo_lsn) AS lsn"
        "    FROM unnest($1::text[], $2::bigint[]) AS reached (name, lsn)"
        "    JOIN pg_replication_slots ON slot_name = name CROSS JOIN pg_control_checkpoint() AS control"
        "   WHERE NOT active AND wal_status <> 'lost') AS wanted WHERE restart_lsn < lsn",
        list(reached),
        list(reached.values()),
    )


async def admit(session: Session, role: str, member: str, slot: str, slots_of_instance: str) -> None:
    """Make a member's role and exclusive slot; end what streams in its name, drop its predecessors' slots.

    Args:
        session: on the leader.
        role: the replication role of the instance.
        member: the member's name, also its application name.
        slot: name of the member's slot.
        slots_of_instance: prefix of the slots of every member this instance ever was.

    Raises:
        RefusedError: the log that the member needs is gone, or an older stream in its name does not end.
    """
    if await session.value("SELECT 1 FROM pg_roles WHERE rolname = $1", role) is None:
        await session.execute(f"CREATE ROLE {identifier(role)} LOGIN REPLICATION IN ROLE {identifier(MEMBERS)}")
    await walsenders.end(session, "usename = $1 OR application_name = $2", role, member)
    await session.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        " WHERE starts_with(slot_name, $1) AND slot_name <> $2 AND NOT active",
        slots_of_instance,
        slot,
    )
    kept = await session.row("SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1", slot)
    if kept is not None and kept["wal_status"] == "lost":
        raise RefusedError(
            "LogMissing",
            f"{member} was away for longer than its slot keeps the log: give the instance a new volume, to clone it.",
        )
    if kept is None:
        await session.execute("SELECT pg_create_physical_replication_slot($1, true)", slot)


async def admitted(session: Session, role: str, member: str, slot: str, slots_of_instance: str) -> Position | None:
    """Return where a primary stands if `admit` has nothing to do, else None: as a rule it has not."""
    row = await session.row(
        f"{wal.LOG_END} AND EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"  # noqa: S608  fixed texts
        " AND EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $3 AND wal_status <> 'lost')"
        " AND NOT EXISTS (SELECT FROM pg_stat_replication WHERE usename = $1 OR application_name = $2)"
        " AND NOT EXISTS (SELECT FROM pg_replication_slots"
        " WHERE starts_with(slot_name, $4) AND slot_name <> $3 AND NOT active)",
        role,
        member,
        slot,
        slots_of_instance,
    )
    return Position(row["timeline"], row["lsn"]) if row is not None else None
