"""Promotion: a closed follower becomes the primary of exactly its term's timeline (I7, I8).

Clients are out before: a session that was opened on the standby would write the moment it is none. The server
counts its timelines up, so every term between its own and the new one gets a history file first; otherwise two
candidates at one fork would mint the same number.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from covet.agent import access, fencing, positions, ruling, running, threads
from covet.agent.instance import Instance
from covet.core.agentapi import Position, Rule
from covet.core.errors import CovetError
from covet.engines import clients, configuration, control, timelines, unled
from covet.engines.sessions import Session, SqlError

LOG: Final = logging.getLogger("covet.promoting")

STILL_SECONDS: Final = 30.0
"""How long the replay, or the promotion itself, may stand still before it is given up."""
_PACE: Final = 0.005

_REPLAY: Final = """
SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint AS lsn,
       pg_get_wal_replay_pause_state() <> 'not paused' AS paused
"""
_MINTED: Final = """
SELECT ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint AS timeline,
       current_setting('synchronous_standby_names') AS names
"""


async def promote(inst: Instance, term: int, rule: Rule, progressed: Callable[[], None]) -> None:
    """Make the closed server the primary on timeline `term`, clients shut out.

    Args:
        inst: the agent; "led `term`" is on its volume already.
        term: the timeline to mint.
        rule: whose followers acknowledge from the first commit on.
        progressed: called whenever something moved.

    Raises:
        CovetError: it is no primary of that timeline, or nobody may rely on it; the server has to be stopped.
    """
    if inst.vitals is None:
        await running.await_ready(inst, running.READY_SECONDS)
    # The end of the log is looked for while the clients are shut out: both take their time.
    closing = asyncio.create_task(_shut_out(inst), name="closing")
    try:
        position = fencing.position_of(inst, term)
        if position is None:
            await fencing.end_receiving(inst)
            progressed()
            position = await positions.read(inst)
        await closing
    finally:
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
    if inst.setting != configuration.standby_names(rule):
        inst.setting_rule = None  # an attempt that was cut off may have named the rule before its setting was proven
    await ruling.apply_setting(inst, rule)
    progressed()
    async with inst.sql() as session:
        if not await session.value("SELECT pg_is_in_recovery()"):
            await _verify(inst, session, (term, rule), None)  # a repeated order; the first one got this far
            return
        if position is None:
            raise CovetError("PositionUnreadable", "How far the log here reaches cannot be told.")
        await _replay(inst, session, position, progressed)
        await threads.finish(_prepare, inst, position, term)
        progressed()
        await session.execute("SELECT pg_promote(false)")
        await _await_primary(inst, session)
        progressed()
        await _verify(inst, session, (term, rule), position)
    LOG.info("Promoted to timeline %s after %s.", term, position)


async def _shut_out(inst: Instance) -> None:
    """Shut clients out, unless that was proven and nobody has come in since: a named successor did it before."""
    if not inst.admitting and not inst.gate:
        with contextlib.suppress(SqlError):
            async with inst.standing() as session:
                if not await clients.end_sessions(session):
                    return
    await access.close(inst)


async def _replay(inst: Instance, session: Session, position: Position, progressed: Callable[[], None]) -> None:
    """Wait until all local log is replayed.

    Raises:
        CovetError: it stands still, or may not go on.
    """
    reached, moved_at = -1, inst.clock.monotonic()
    while True:
        row = await session.row(_REPLAY)
        lsn = row["lsn"] if row is not None and row["lsn"] is not None else 0
        if lsn >= position.lsn:
            return
        now = inst.clock.monotonic()
        if lsn > reached:
            reached, moved_at = lsn, now
            progressed()
        elif now - moved_at > STILL_SECONDS:
            raise CovetError("ReplayStalled", f"The replay stands at {lsn}, the log reaches to {position.lsn}.")
        if row is not None and row["paused"]:
            await _resume(inst, session)
        await asyncio.sleep(_PACE)


async def _resume(inst: Instance, session: Session) -> None:
    """End a pause that somebody asked for; one that the server made for its settings ends in its death.

    Raises:
        CovetError: settings here are below what the log needs.
    """
    settings = inst.settings
    found = await control.read(settings.programs, settings.pgdata, inst.children.spawn)
    rows = await session.rows("SELECT name, setting FROM pg_settings WHERE name = ANY($1)", list(found.floors))
    low = sorted(row["name"] for row in rows if int(row["setting"]) < found.floors[row["name"]])
    if low:
        raise CovetError("SettingsTooLow", f"The replay is paused: raise {', '.join(low)} and start the server anew.")
    await session.execute("SELECT pg_wal_replay_resume()")


def _prepare(inst: Instance, position: Position, term: int) -> None:
    """Make the server mint the timeline of the term.

    Raises:
        CovetError: that or a later one was made already.
    """
    pgdata = inst.volume.pgdata
    if position.term >= term or (later := unled.above(pgdata, term - 1)):
        known = position.term if position.term >= term else later[0].name
        raise CovetError("TimelineTaken", f"Timeline {term} cannot be made here: {known} is there already.")
    unled.fill(pgdata, term)


async def _await_primary(inst: Instance, session: Session) -> None:
    deadline = inst.clock.monotonic() + STILL_SECONDS
    while await session.value("SELECT pg_is_in_recovery()"):
        if inst.clock.monotonic() > deadline:
            raise CovetError("PromotionStalled", f"The server was no primary within {STILL_SECONDS:.0f} s.")
        await asyncio.sleep(_PACE)


async def _verify(inst: Instance, session: Session, wanted: tuple[int, Rule], position: Position | None) -> None:
    """Look that the server is on the term's timeline under the rule's setting, and has the whole log in its history.

    A session reads the settings anew before each statement, and this one began after the setting was in force.

    Raises:
        CovetError: something is not as it was asked for.
    """
    term, names = wanted[0], configuration.standby_names(wanted[1])
    row = await session.row(_MINTED)
    if row is None or row["timeline"] != term:
        raise CovetError("TimelineForeign", f"The server minted timeline {row and row['timeline']}, not {term}.")
    if row["names"] != names:
        raise CovetError("SettingForeign", f"A session waits for {row['names']!r}, not for {names!r}.")
    history = await asyncio.to_thread(timelines.read, inst.volume.pgdata, term) if term > 1 else ()
    if term > 1 and not history:
        raise CovetError("TimelineForeign", f"Timeline {term} has no parent.")
    if position is not None and history[-1].lsn < position.lsn:
        raise CovetError("LogLost", f"Timeline {term} begins at {history[-1].lsn}, the log reached {position.lsn}.")
