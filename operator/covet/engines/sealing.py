"""A seal on the application's database: nothing can be made in it, so that what was found empty stays so.

Which shard owns which keys may change without moving a row only while there is none. A look alone proves nothing: a
table may be made the moment after it, or have been made in a transaction that is not committed yet. So the order is:
an event trigger that refuses whatever makes something, committed and acknowledged, so that the next leader has it,
too; then every transaction that began before it ends; then the look. All of it happens in the database itself,
whose owner can neither drop nor disable a trigger of the superuser.
"""

import asyncio
import dataclasses
import json
from typing import Final

from covet.core.agentorders import Inside, SealOrder
from covet.core.errors import RefusedError
from covet.engines import wal
from covet.engines.configuration import SUPERUSER
from covet.engines.quoting import identifier, literal
from covet.engines.sessions import Session

DRAIN_SECONDS: Final = 3.0
"""How long transactions that began before the seal may take to end."""
_LOOK_SECONDS: Final = 0.05
_FIRST: Final = 5
"""Holdings that an answer names."""

# The function is in pg_catalog, where no name of a user's is. The setting says in every session what the seal is for,
# as the agent's status does; what counts is the comment on the trigger.
_SEAL: Final = """
BEGIN;
CREATE OR REPLACE FUNCTION pg_catalog.covet_sealed() RETURNS event_trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $body$
BEGIN
    IF session_user <> {superuser} AND tg_tag NOT LIKE 'DROP %' THEN
        RAISE EXCEPTION 'Covet changes the shards of this cluster: nothing can be made here for a moment'
            USING ERRCODE = 'lock_not_available', HINT = 'Try again in a few seconds.';
    END IF;
END $body$;
DROP EVENT TRIGGER IF EXISTS covet_sealed;
CREATE EVENT TRIGGER covet_sealed ON ddl_command_start EXECUTE FUNCTION pg_catalog.covet_sealed();
ALTER EVENT TRIGGER covet_sealed ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER covet_sealed IS {comment};
ALTER DATABASE {database} SET covet.sealed TO {epoch};
{limit}
COMMIT
"""
_UNSEAL: Final = """
BEGIN;
DROP EVENT TRIGGER IF EXISTS covet_sealed;
DROP FUNCTION IF EXISTS pg_catalog.covet_sealed();
ALTER DATABASE {database} RESET covet.sealed;
{limit}
COMMIT
"""
_UNMARK: Final = "ALTER DATABASE {database} RESET covet.sealed"
_LIMIT: Final = "ALTER DATABASE {database} CONNECTION LIMIT {connections:d};"
_KNOWN: Final = """
SELECT current_database() AS database, datconnlimit AS connections,
       (SELECT obj_description(pg_event_trigger.oid, 'pg_event_trigger') FROM pg_event_trigger
         JOIN pg_roles ON pg_roles.oid = evtowner WHERE evtname = 'covet_sealed' AND rolsuper) AS comment
  FROM pg_database WHERE datname = current_database()
"""
_HOLDINGS: Final = """
(SELECT CASE relkind WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table ' WHEN 'S' THEN 'sequence '
             ELSE 'table ' END || quote_ident(nspname) || '.' || quote_ident(relname) AS what
   FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE relkind IN ('r', 'p', 'm', 'f', 'S') AND relpersistence <> 't'
    AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  ORDER BY relkind = 'S', nspname, relname LIMIT $1)
UNION ALL (SELECT 'large object ' || oid FROM pg_largeobject_metadata ORDER BY oid LIMIT 1)
UNION ALL (SELECT 'prepared transaction ' || quote_literal(gid) FROM pg_prepared_xacts
            WHERE database = current_database() ORDER BY gid LIMIT 1)
UNION ALL (SELECT 'database ' || quote_ident(datname) FROM pg_database
            WHERE NOT datistemplate AND datname NOT IN ('postgres', current_database()) ORDER BY datname LIMIT 1)
"""
_BUSY: Final = """
SELECT 'session ' || pid || ' of ' || coalesce(usename, '?') FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
   AND xact_start < clock_timestamp() - interval '1 second'
 ORDER BY xact_start LIMIT 1
"""
_OPEN: Final = """
SELECT virtualtransaction, pid FROM pg_locks JOIN pg_stat_activity USING (pid)
 WHERE locktype = 'virtualxid' AND granted AND datname = current_database() AND pid <> pg_backend_pid()
"""
_END: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@dataclasses.dataclass(frozen=True)
class _Known:
    """What is there of a seal.

    Args:
        connections: how many sessions clients may have, -1 for any number.
        epoch: of the seal, None without one.
        before: `connections` as it was before the seal.
    """

    database: str
    connections: int
    epoch: int | None
    before: int


async def seal(session: Session, order: SealOrder, limit: float) -> None:
    """Let nothing be made in a database that holds nothing.

    Args:
        session: synchronous, on the database.
        order: what for.
        limit: seconds that a statement may take.

    Raises:
        RefusedError: it holds something, or a transaction does not end; the seal is taken off again.
        SqlError: the server refused, or acknowledgements did not come in time; it may be sealed.
    """
    known = await _known(session)
    if known.epoch != order.epoch:
        await session.execute(_script(_SEAL, known, order.epoch, ""), limit=limit)
    await wal.await_acknowledgement(session, limit)
    await _drain(session, limit)
    await _refuse_holdings(session, limit)
    if order.leaves:
        await _shut(session, order, limit)
        await _refuse_holdings(session, limit)


async def unseal(session: Session, limit: float) -> None:
    """Take a seal off, if there is one; on a synchronous session.

    Raises:
        SqlError: the server refused, or acknowledgements did not come in time.
    """
    known = await _known(session)
    if known.epoch is not None:
        change = "" if known.connections == known.before else _limited(known, known.before)
        await session.execute(_script(_UNSEAL, known, known.epoch, change), limit=limit)
    else:
        # A setting that somebody left or made says that there is one: nothing else does.
        await session.execute(_UNMARK.format(database=identifier(known.database)), limit=limit)
    await wal.await_acknowledgement(session, limit)


async def look(session: Session) -> Inside:
    """Return what a database holds, and whether it is sealed."""
    known = await _known(session)
    busy = await session.value(_BUSY)
    open_ = f"{busy} has a transaction open" if busy else ""
    return Inside(known.epoch, await _holdings(session), open_, known.connections == 0)


async def _drain(session: Session, limit: float) -> None:
    """Wait until every transaction has ended that may have begun before the seal was seen."""
    before = {row["virtualtransaction"]: row["pid"] for row in await session.rows(_OPEN, limit=limit)}
    for _ in range(round(DRAIN_SECONDS / _LOOK_SECONDS)):
        now = {row["virtualtransaction"] for row in await session.rows(_OPEN, limit=limit)}
        before = {name: pid for name, pid in before.items() if name in now}
        if not before:
            return
        await asyncio.sleep(_LOOK_SECONDS)
    await unseal(session, limit)
    pids = ", ".join(str(pid) for pid in sorted(before.values()))
    raise RefusedError(
        "TransactionOpen",
        f"The database cannot be sealed: session {pids} has had a transaction open since before. It is waited for;"
        " end it, if nobody needs it.",
    )


async def _shut(session: Session, order: SealOrder, limit: float) -> None:
    """End the sessions of clients and let no more in; the agent's own are a superuser's and go on."""
    known = await _known(session)
    if known.connections != 0:
        await session.execute(_limited(known, 0), limit=limit)
        await wal.await_acknowledgement(session, limit)
    for _ in range(round(DRAIN_SECONDS / _LOOK_SECONDS)):
        if not await session.rows(_END, limit=limit):
            return
        await asyncio.sleep(_LOOK_SECONDS)
    await unseal(session, limit)
    raise RefusedError("SessionsRemain", f"Sessions on {known.database} do not end; the seal {order.epoch} is off.")


async def _refuse_holdings(session: Session, limit: float) -> None:
    found = await _holdings(session)
    if found:
        await unseal(session, limit)
        raise RefusedError("ShardNotEmpty", f"The database holds {', '.join(found)}.")


async def _holdings(session: Session) -> tuple[str, ...]:
    return tuple(row["what"] for row in await session.rows(_HOLDINGS, _FIRST))


async def _known(session: Session) -> _Known:
    row = await session.row(_KNOWN)
    if row is None:
        raise RefusedError("DatabaseMissing", "The session is on no database.")
    try:
        comment = json.loads(row["comment"]) if row["comment"] is not None else {}
        epoch, before = comment.get("epoch"), int(comment.get("connections", row["connections"]))
    except (ValueError, TypeError, AttributeError):  # somebody's word about a trigger of ours
        epoch, before = 0, row["connections"]
    return _Known(row["database"], row["connections"], epoch, before)


def _script(text: str, known: _Known, epoch: int, limit: str) -> str:
    return text.format(
        superuser=literal(SUPERUSER),
        comment=literal(json.dumps({"epoch": epoch, "connections": known.before})),
        database=identifier(known.database),
        epoch=literal(str(epoch)),
        limit=limit,
    )


def _limited(known: _Known, connections: int) -> str:
    return _LIMIT.format(database=identifier(known.database), connections=connections)
