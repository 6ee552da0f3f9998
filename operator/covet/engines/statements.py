"""What the agent writes into and reads from its server: roles, slots, rule, map, database.

Schema `covet` lives in database `postgres`, which exists from birth; the application's owner
can read it and change nothing in it.
"""

import dataclasses
import re
from typing import Final

from covet.core.agentapi import DatabaseOrder, FollowerLink, MapOrder, Rule
from covet.core.errors import RefusedError, SpecError
from covet.engines.configuration import MEMBERS, SUPERUSER
from covet.engines.quoting import identifier, literal
from covet.engines.sessions import Session, SqlError

_VERIFIER: Final = re.compile(
    r"SCRAM-SHA-256\$\d{4,7}:[A-Za-z0-9+/]{16,88}={0,2}\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}="
)
DATABASE_SECONDS: Final = 30.0
"""CREATE DATABASE copies a template: on a slow disk that takes longer than a row."""
_END_SECONDS: Final = 20.0
"""Walsenders end one after the other, each within two seconds."""
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


async def end_walsenders(session: Session, condition: str, *values: object) -> None:
    """End the walsenders of pg_stat_replication that a condition names, and look that none of them is left.

    Raises:
        RefusedError: some did not end within two seconds: they may still acknowledge commits.
    """
    rows = await session.rows(
        f"SELECT pid, pg_terminate_backend(pid, 2000) AS ended FROM pg_stat_replication WHERE {condition}",  # noqa: S608  fixed texts
        *values,
        limit=_END_SECONDS,
    )
    left = await session.rows(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walsender' AND pid = ANY($1)",
        [row["pid"] for row in rows],
    )
    if left:
        pids = ", ".join(str(row["pid"]) for row in left)
        raise RefusedError("WalsendersRemain", f"Walsenders that were told to end still run: {pids}.")


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
    if not _VERIFIER.fullmatch(order.verifier):
        raise SpecError("VerifierInvalid", "The verifier is not one of SCRAM-SHA-256.")
    known = await session.row("SELECT rolpassword FROM pg_authid WHERE rolname = $1", order.owner)
    if known is None or known["rolpassword"] != order.verifier:
        verb = "CREATE" if known is None else "ALTER"
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
