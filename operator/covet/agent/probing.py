"""The probe of the own server: one cheap query at a steady pace, beside the loop so that no action delays it.

Its age is what the voter's heartbeats vouch with.
"""

import asyncio
import contextlib
import logging
from typing import Final

from covet.agent import heartbeats
from covet.agent.instance import Instance
from covet.core.errors import UnreachableError
from covet.engines import sessions
from covet.engines.sessions import Session, SqlError, Vitals

LOG: Final = logging.getLogger("covet.probing")

PACE: Final = 0.4
"""Seconds between two probes; the voter trusts one for a second."""
STARTING_PACE: Final = 0.1
LIMIT: Final = 2.0


async def run(inst: Instance) -> None:
    """Probe for as long as the agent lives."""
    while True:
        before = _shape(inst.vitals)
        if inst.server.pid is not None:
            await _probe(inst)
        inst.voting.tell(inst.heartbeat_state(_flags(inst)))
        if _shape(inst.vitals) != before:
            inst.wake.set()
        await asyncio.sleep(STARTING_PACE if inst.server.pid and inst.vitals is None else PACE)


async def _probe(inst: Instance) -> None:
    try:
        if inst.session is None or inst.session.closed:
            inst.session = await Session.connect(inst.settings.sockets, inst.own.sql_port)
        vitals = await sessions.read_vitals(inst.session, LIMIT)
    except UnreachableError as error:
        inst.vitals, inst.unready = None, error.message
        return
    except SqlError as error:
        inst.metrics.probe_failures.inc()
        LOG.warning("A probe of the server failed: %s", error.message)
        if inst.session is not None:
            inst.session.terminate()
        inst.session, inst.vitals = None, None
        return
    if inst.server.pid is None:
        return
    now = inst.clock.monotonic()
    if not _replay_stalls(inst.vitals, vitals):
        inst.stalled_since = None
    elif inst.stalled_since is None:
        inst.stalled_since = now
    inst.vitals, inst.probed_at = vitals, now
    inst.tuning.answered()
    if vitals.streaming:
        inst.unstreamed_since = None
    elif inst.unstreamed_since is None:
        inst.unstreamed_since = now


def _replay_stalls(before: Vitals | None, now: Vitals) -> bool:
    """Tell whether a standby has log to replay and did not between two probes."""
    if not now.standby:
        return False
    behind = now.replayed < now.lsn and before is not None and before.replayed == now.replayed
    return now.paused or behind


def _shape(vitals: Vitals | None) -> tuple[bool, bool] | None:
    return None if vitals is None else (vitals.standby, vitals.streaming)


def _flags(inst: Instance) -> int:
    flags = 0
    rule, vitals = inst.rule, inst.vitals
    if rule is not None and inst.identity is not None and rule.leader == inst.identity.member:
        flags |= heartbeats.FLAG_LEADER
    if inst.admitting:
        flags |= heartbeats.FLAG_SERVING
    if vitals is not None and vitals.streaming:
        flags |= heartbeats.FLAG_STREAMING
    return flags


async def stop(task: asyncio.Task[None]) -> None:
    """End a background task and wait until it is gone."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
