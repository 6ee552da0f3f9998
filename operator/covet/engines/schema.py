"""Schema `covet` of the shard: the rule in force, the newest map, the name of the application's database.

It lives in database `postgres`, which exists from birth; everybody can read it, and only the agent writes it.
"""

import dataclasses
from typing import Final

from covet.core.agentapi import Rule
from covet.core.agentorders import MapOrder
from covet.engines import wal
from covet.engines.sessions import Session, SqlError

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


async def create(session: Session) -> None:
    """Create schema `covet`, its tables and the group role of the members."""
    await session.execute(SCHEMA)


async def write_rule(session: Session, rule: Rule, limit: float) -> int:
    """Commit the rule row on a synchronous session and return the LSN up to which it is written.

    Raises:
        SqlError: not acknowledged in time. The row may be committed here all the same.
    """
    await session.execute(_WRITE_RULE, rule.term, rule.seq, rule.leader, list(rule.cohort), rule.acks, limit=limit)
    return await wal.flushed_end(session)


async def store_map(session: Session, order: MapOrder, limit: float) -> None:
    """Store a map whose epoch is newer than the stored one; an older or equal one changes nothing."""
    await session.execute(
        "INSERT INTO covet.map (epoch, document) VALUES ($1, $2)"
        " ON CONFLICT (single) DO UPDATE SET epoch = $1, document = $2 WHERE map.epoch < $1",
        order.epoch,
        order.document,
        limit=limit,
    )
    await wal.await_acknowledgement(session, limit)


async def read_epoch(session: Session) -> int:
    """Return the epoch of the stored map, 0 before there is one."""
    return int(await session.value("SELECT epoch FROM covet.map") or 0)


@dataclasses.dataclass(frozen=True)
class Contents:
    """What the database holds of Covet's own.

    Args:
        sealed: what the application's database says of a seal; `sealing.look` reads the seal itself.
    """

    database: str | None
    map_epoch: int | None
    server_version: str
    pending_restart: tuple[str, ...]
    sealed: int | None = None


async def read_contents(session: Session) -> Contents:
    """Return what stands in schema `covet`, the server's version, and what waits for a restart."""
    row = await session.row(
        "SELECT (SELECT database FROM covet.application JOIN pg_database ON datname = database) AS database,"
        " (SELECT epoch FROM covet.map) AS epoch, current_setting('server_version') AS version,"
        " ARRAY(SELECT name FROM pg_settings WHERE pending_restart ORDER BY name) AS pending,"
        " (SELECT substr(entry, strpos(entry, '=') + 1) FROM covet.application JOIN pg_database ON datname = database"
        "   JOIN pg_db_role_setting ON setdatabase = pg_database.oid AND setrole = 0, unnest(setconfig) AS entry"
        "  WHERE split_part(entry, '=', 1) = 'covet.sealed' LIMIT 1) AS sealed"
    )
    if row is None:
        raise SqlError("ContentsEmpty", "The server answered with no row.")
    sealed = row["sealed"] or ""
    return Contents(
        row["database"],
        row["epoch"],
        row["version"].split(" ")[0],
        tuple(row["pending"]),
        int(sealed) if sealed.isdecimal() else None,
    )
