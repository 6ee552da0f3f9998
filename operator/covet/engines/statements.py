"""What the agent writes into and reads from its server: roles, slots, rule, map, database.

Schema `covet` lives in database `postgres`, which exists from birth; the application's owner
can read it and change nothing in it.
"""

import asyncio
import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Final

from covet.core.agentapi import FollowerLink, Position, Rule
from covet.core.agentorders import DatabaseOrder, MapOrder
from covet.core.errors import RefusedError, SpecError
from covet.engines.configuration import MEMBERS, SUPERUSER
from covet.engines.quoting import identifier, literal
from covet.engines.sessions import Session, SqlError

_VERIFIER: Final = re.compile(
    r"SCRAM-SHA-256\$\d{4,7}:[A-Za-z0-9+/]{16,88}={0,2}\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}="
)
DATABASE_SECONDS: Final = 30.0
"""CREATE DATABASE copies a template: on a slow disk that takes longer than a row."""
END_SECONDS: Final = 2.0
"""How long walsenders may take to end."""
_AGAIN_SECONDS: Final = 0.01
_RESERVED: Final = re.compile(r"covet($|_)|pg_|postgres$|template[01]$|public$|none$")

SCHEMA: Final = """
BEGIN;
CREATE ROLE covet_members NOLOGIN;
CREATE SCHEMA covet;
GRANT USAGE ON SCHEMA covet TO PUBLIC;
CREATE TABLE covet.rule (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    term bigint NOT NULL, seq bigint NOT NULL, leader text NOT NULL, cohort text[] NOT NULL, acks integer NOT NULL);
CREATE TABLE covet.map (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    epoch bigint NOT NULL, document text NOT NULL);
CREATE TABLE covet.application (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    database text NOT NULL, owner text NOT NULL);
GRANT SELECT ON covet.rule, covet.map, covet.application TO PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    pg_catalog.pg_ls_dir(text, boolean, boolean),
    pg_catalog.pg_stat_file(text, boolean),
    pg_catalog.pg_read_binary_file(text),
    pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO covet_members;
COMMIT;
"""

_WRITE_RULE: Final = """
INSERT INTO covet.rule (term, seq, leader, cohort, acks) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (single) DO UPDATE SET term = $1, seq = $2, leader = $3, cohort = $4, acks = $5
"""


@dataclasses.dataclass(frozen=True)
class Walsender:
    """A connection that streams from this server, by the role that it came with."""

    role: str
    application: str
    state: str
    flushed: int
    lag: int
    synchronous: bool


async def create_schema(session: Session) -> None:
    """Create schema `covet`, its tables and the group role of the members."""
    await session.execute(SCHEMA)


async def write_rule(session: Session, rule: Rule, limit: float) -> int:
    """Commit the rule row on a synchronous session and return the LSN up to which it is written.

    Raises:
        SqlError: not acknowledged in time. The row may be committed here all the same.
    """
    await session.execute(_WRITE_RULE, rule.term, rule.seq, rule.leader, list(rule.cohort), rule.acks, limit=limit)
    return await flushed_end(session)


async def flushed_end(session: Session) -> int:
    """Return the end of the flushed log of a primary, in bytes."""
    return int(await session.value("SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint"))


_LOG_END: Final = """
SELECT ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::bigint AS timeline,
       (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint AS lsn
 WHERE NOT pg_is_in_recovery()
"""


async def log_end(session: Session) -> Position | None:
    """Return a primary's timeline and the end of its flushed log; None on a standby.

    The control file speaks of the timeline of the last checkpoint: after a promotion that is the old one.
    """
    row = await session.row(_LOG_END)
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


async def make_slots(session: Session, slots: Sequence[str]) -> None:
    """Make physical slots that keep the log from the last checkpoint on, unless they exist."""
    await session.execute(
        "SELECT pg_create_physical_replication_slot(wanted, true) FROM unnest($1::text[]) AS wanted"
        " WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = wanted)",
        list(slots),
    )


async def drop_slots(session: Session, prefix: str, kept: Sequence[str]) -> None:
    """Drop the slots with a prefix that nobody streams through: all but those to keep, and those whose log is gone."""
    await session.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        " WHERE slot_type = 'physical' AND starts_with(slot_name, $1) AND NOT active"
        "   AND (slot_name <> ALL ($2::text[]) OR wal_status = 'lost')",
        prefix,
        list(kept),
    )


async def drop_strange_slots(session: Session, prefix: str, kept: Sequence[str]) -> None:
    """Drop the slots with a prefix that nobody streams through and whose names begin with none of those to keep."""
    await session.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        " WHERE slot_type = 'physical' AND starts_with(slot_name, $1) AND NOT active"
        "   AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS known WHERE starts_with(slot_name, known))",
        prefix,
        list(kept),
    )


async def advance_slots(session: Session, reached: Mapping[str, int]) -> None:
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


async def flushed_by(session: Session, member: str) -> int | None:
    """Return the end of the log that a member has flushed, in bytes; None while it does not stream."""
    found = await session.value(
        "SELECT (flush_lsn - '0/0'::pg_lsn)::bigint FROM pg_stat_replication"
        " WHERE application_name = $1 AND state = 'streaming'",
        member,
        limit=1.0,
    )
    return int(found) if found is not None else None


async def replayed_all(session: Session) -> bool:
    """Tell whether a standby has replayed all the log it holds: its startup process waits for more."""
    found = await session.value(
        "SELECT wait_event IN ('RecoveryRetrieveRetryInterval', 'RecoveryWalStream') FROM pg_stat_activity"
        " WHERE backend_type = 'startup'"
    )
    return bool(found)


async def admit_member(session: Session, role: str, member: str, slot: str, slots_of_instance: str) -> None:
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
    await end_walsenders(session, "usename = $1 OR application_name = $2", role, member)
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
    """Return where a primary stands if `admit_member` has nothing to do, else None: as a rule it has not."""
    row = await session.row(
        f"{_LOG_END} AND EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"  # noqa: S608  fixed texts
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


async def end_walsenders(session: Session, condition: str, *values: object, limit: float = END_SECONDS) -> None:
    """End the walsenders of pg_stat_replication that a condition names, and look that none of them is left.

    Each is told again and again: one whose receiver stands still hangs in sending that it ends, and only a second
    signal has it give up on that.

    Args:
        session: on the server that sends.
        condition: fixed text over the columns of pg_stat_replication.
        values: for its $1, $2 ...
        limit: seconds that they may take.

    Raises:
        RefusedError: some did not end in time: they may still acknowledge commits.
    """
    rows = await session.rows(
        f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_replication WHERE {condition}",  # noqa: S608  fixed texts
        *values,
    )
    pids = [row["pid"] for row in rows]
    deadline = asyncio.get_running_loop().time() + limit
    while pids:
        left = await session.rows(
            "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'walsender' AND pid = ANY($1)",
            pids,
        )
        pids = [row["pid"] for row in left]
        if pids and asyncio.get_running_loop().time() > deadline:
            listed = ", ".join(map(str, pids))
            raise RefusedError("WalsendersRemain", f"Walsenders that were told to end still run: {listed}.")
        await asyncio.sleep(_AGAIN_SECONDS if pids else 0.0)


async def await_acknowledgement(session: Session, limit: float) -> None:
    """Write a message into the log and commit it on a synchronous session.

    A write that a repeated order finds done may never have been acknowledged; once this commit is, everything
    before it is too.

    Raises:
        SqlError: not acknowledged in time.
    """
    await session.execute("SELECT pg_logical_emit_message(true, 'covet', '')", limit=limit)


async def walsenders(session: Session) -> tuple[Walsender, ...]:
    """Return who streams from this primary."""
    rows = await session.rows(
        "SELECT usename, application_name, state, coalesce(flush_lsn - '0/0'::pg_lsn, 0)::bigint AS flushed,"
        " coalesce(pg_current_wal_flush_lsn() - flush_lsn, 0)::bigint AS lag,"
        " sync_state IN ('sync', 'quorum') AS synchronous FROM pg_stat_replication"
    )
    return tuple(
        Walsender(r["usename"], r["application_name"], r["state"], r["flushed"], max(0, r["lag"]), r["synchronous"])
        for r in rows
    )


@dataclasses.dataclass(frozen=True)
class Reply:
    """A member that streams from this primary, and when its last reply was sent.

    Args:
        at: seconds since the epoch by the clock of the member's host: good for telling one reply from another.
        lag: bytes that it has not flushed yet.
    """

    member: str
    state: str
    at: float
    lag: int


async def replies(session: Session, limit: float) -> tuple[Reply, ...]:
    """Return what the walsenders of this primary heard last; copies under way are left out."""
    rows = await session.rows(
        "SELECT application_name AS member, state, coalesce(extract(epoch FROM reply_time), 0)::float8 AS at,"
        " coalesce(pg_current_wal_flush_lsn() - flush_lsn, 0)::bigint AS lag FROM pg_stat_replication"
        " WHERE NOT starts_with(application_name, 'clone_')",
        limit=limit,
    )
    return tuple(Reply(r["member"], r["state"], r["at"], max(0, r["lag"])) for r in rows)


def links(senders: tuple[Walsender, ...], cohort: tuple[str, ...], leader: str) -> tuple[FollowerLink, ...]:
    """Return the followers of a leader: who streams, and who of the cohort is absent."""
    by_member = {s.application: s for s in senders if not s.application.startswith("clone_")}
    members = sorted((set(cohort) | set(by_member)) - {leader})
    return tuple(
        FollowerLink(member, sender.state, sender.lag, sender.synchronous)
        if (sender := by_member.get(member))
        else FollowerLink(member, "absent", None, synchronous=False)
        for member in members
    )


async def ensure_database(session: Session, order: DatabaseOrder, limit: float) -> None:
    """Make the application's owner and database, or bring the owner's verifier up to date; on a synchronous session.

    The verifier never reaches the log: the agent's sessions log no statement, whatever the user's
    parameters say.

    Raises:
        SpecError: a name is reserved, or the verifier is not one.
        SqlError: the server refused, or acknowledgements did not come in time.
    """
    for name in (order.name, order.owner):
        if _RESERVED.match(name):
            raise SpecError("NameReserved", f"{name!r} belongs to Covet or to PostgreSQL: choose another name.")
    if order.verifier and not is_verifier(order.verifier):
        raise SpecError("VerifierInvalid", "The verifier is not one of SCRAM-SHA-256.")
    known = await session.row("SELECT rolpassword FROM pg_authid WHERE rolname = $1", order.owner)
    verb = "CREATE" if known is None else "ALTER"
    if known is None and not order.verifier:
        await session.execute(f"CREATE ROLE {identifier(order.owner)} NOLOGIN", limit=limit)
    elif order.verifier and (known is None or known["rolpassword"] != order.verifier):
        await session.execute(
            f"{verb} ROLE {identifier(order.owner)} LOGIN PASSWORD {literal(order.verifier)}", limit=limit
        )
    if await session.value("SELECT 1 FROM pg_database WHERE datname = $1", order.name) is None:
        await session.execute(
            f"CREATE DATABASE {identifier(order.name)} OWNER {identifier(order.owner)} TEMPLATE template0",
            limit=DATABASE_SECONDS,
        )
    await session.execute(
        "INSERT INTO covet.application (database, owner) VALUES ($1, $2)"
        " ON CONFLICT (single) DO UPDATE SET database = $1, owner = $2"
        " WHERE (application.database, application.owner) IS DISTINCT FROM ($1, $2)",
        order.name,
        order.owner,
        limit=limit,
    )
    await await_acknowledgement(session, limit)


def is_verifier(text: str) -> bool:
    """Return whether a text is a SCRAM-SHA-256 verifier as pg_authid stores it."""
    return _VERIFIER.fullmatch(text) is not None


async def store_map(session: Session, order: MapOrder, limit: float) -> None:
    """Store a map whose epoch is newer than the stored one; an older or equal one changes nothing."""
    await session.execute(
        "INSERT INTO covet.map (epoch, document) VALUES ($1, $2)"
        " ON CONFLICT (single) DO UPDATE SET epoch = $1, document = $2 WHERE map.epoch < $1",
        order.epoch,
        order.document,
        limit=limit,
    )
    await await_acknowledgement(session, limit)


@dataclasses.dataclass(frozen=True)
class Contents:
    """What the database holds of Covet's own."""

    database: str | None
    map_epoch: int | None
    server_version: str
    pending_restart: tuple[str, ...]


async def read_contents(session: Session) -> Contents:
    """Return what stands in schema `covet`, the server's version, and what waits for a restart."""
    row = await session.row(
        "SELECT (SELECT database FROM covet.application JOIN pg_database ON datname = database) AS database,"
        " (SELECT epoch FROM covet.map) AS epoch, current_setting('server_version') AS version,"
        " ARRAY(SELECT name FROM pg_settings WHERE pending_restart ORDER BY name) AS pending"
    )
    if row is None:
        raise SqlError("ContentsEmpty", "The server answered with no row.")
    return Contents(row["database"], row["epoch"], row["version"].split(" ")[0], tuple(row["pending"]))


async def end_sessions(session: Session) -> int:
    """End every client session but the agent's own and the members' replication; return how many."""
    return int(
        await session.value(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND usename <> $1",
            SUPERUSER,
        )
    )


async def known_processes(session: Session) -> frozenset[int]:
    """Return the process ids that the server shows; a backend that still authenticates is not among them."""
    return frozenset(row["pid"] for row in await session.rows("SELECT pid FROM pg_stat_activity"))
