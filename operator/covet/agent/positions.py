"""This member's position: what it is asked for when somebody wants to lead."""

import logging
from typing import Final

from covet.agent.damage import Kind
from covet.agent.instance import Instance
from covet.core.agentapi import Position
from covet.core.errors import CovetError
from covet.engines import control, position, timelines
from covet.engines.position import Reached
from covet.engines.sessions import Row, Session

LOG: Final = logging.getLogger("covet.positions")

_ASK_SECONDS: Final = 0.5
"""How long the server may take to say where reading can begin; a frozen one is done without."""

_ASK: Final = """
SELECT state.standby,
       CASE WHEN state.standby THEN (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint
            ELSE (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint END AS lsn,
       -- Timelines are unsigned; SQL's integers are not.
       CASE WHEN state.standby THEN greatest(control.timeline_id::bigint & 4294967295,
                                             recovery.min_recovery_end_timeline::bigint & 4294967295)
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint END AS timeline
  FROM (SELECT pg_is_in_recovery() AS standby) AS state
 CROSS JOIN pg_control_checkpoint() AS control CROSS JOIN pg_control_recovery() AS recovery
"""


async def read(inst: Instance) -> Position | None:
    """Return (term of the last byte of the local log, end of its last whole record), the server up or down.

    To be called when nothing is being received.

    Returns:
        None if it cannot be told; such a member does not count.
    """
    settings = inst.settings
    try:
        row = await _ask(inst)
        if row is not None and not row["standby"]:
            return Position(row["timeline"], row["lsn"])
        if row is not None and row["lsn"] is not None:
            reached = Reached(row["timeline"], row["lsn"])
        else:
            reached = position.of_control(await _control(inst))
        found = await position.find(settings.programs, settings.pgdata, inst.children.spawn, reached)
    except (CovetError, OSError) as error:
        LOG.warning("The position cannot be read: %s", error)
        return None
    _note(inst, reached, found)
    return found


async def read_resting(inst: Instance) -> tuple[int, Position | None]:
    """Return the timeline that a stopped server's data are known to be on, and its position.

    Raises:
        ProgramError: the control file cannot be read.
        OSError: the log cannot be read.
    """
    settings = inst.settings
    reached = position.of_control(await _control(inst))
    found = await position.find(settings.programs, settings.pgdata, inst.children.spawn, reached)
    _note(inst, reached, found)
    return reached.timeline, found


def _note(inst: Instance, reached: Reached, found: Position | None) -> None:
    """Remember whether the log holds what the data are known to have reached: if not, it never will again."""
    if found is not None:
        inst.damage.disprove(Kind.LOG)
        return
    words = f"The log here ends before {timelines.text_of(reached.lsn)} of timeline {reached.timeline}."
    inst.damage.see(Kind.LOG, words, inst.clock.monotonic())
    LOG.warning("%s", words)


async def _control(inst: Instance) -> control.Control:
    return await control.read(inst.settings.programs, inst.settings.pgdata, inst.children.spawn)


async def _ask(inst: Instance) -> Row | None:
    """Ask the server where it is, None if it does not answer."""
    if inst.server.pid is None:
        return None
    try:
        if inst.session is not None and not inst.session.closed:
            return await inst.session.row(_ASK, limit=_ASK_SECONDS)
        session = await Session.connect(inst.settings.sockets, inst.own.sql_port, limit=_ASK_SECONDS)
        try:
            return await session.row(_ASK, limit=_ASK_SECONDS)
        finally:
            await session.close()
    except CovetError:
        return None
