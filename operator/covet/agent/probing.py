"""The probe of the own server: cheap queries at a steady pace, beside the loop so that no action delays it.

What it sees goes to the election: a leader's heartbeats vouch for a server that answered lately, a leader
counts the walsenders that had replies, and a log that still moves holds off elections.
"""

import asyncio
import logging
from typing import Final

from covet.agent.instance import Instance
from covet.agent.ruling import CAUGHT_UP_BYTES
from covet.core.errors import UnreachableError
from covet.engines import sessions, walsenders
from covet.engines.sessions import Session, SqlError, Vitals
from covet.planner import lag
from covet.planner.election.events import WalSenders

LOG: Final = logging.getLogger("covet.probing")

PACE: Final = 0.25
"""Seconds between two probes; the voter trusts one for a second."""
STARTING_PACE: Final = 0.1
LIMIT: Final = 2.0


class Prober:
    """What the last probe saw, to tell what moved since.

    Args:
        inst: the agent.
    """

    def __init__(self, inst: Instance) -> None:
        self._inst = inst
        self._replied: dict[str, float] = {}

    async def run(self) -> None:
        """Probe for as long as the agent lives."""
        inst = self._inst
        while True:
            before = _shape(inst.vitals)
            if inst.server.pid is not None:
                await self._probe()
            if _shape(inst.vitals) != before:
                inst.wake.set()
                inst.news.set()
            await asyncio.sleep(STARTING_PACE if inst.server.pid and inst.vitals is None else PACE)

    async def _probe(self) -> None:
        inst = self._inst
        began = inst.clock.monotonic()
        try:
            if inst.session is None or inst.session.closed:
                inst.session = await Session.connect(inst.settings.sockets, inst.own.sql_port)
            # A start or stop of the server takes the instance's session away under the probe.
            session = inst.session
            vitals = await sessions.read_vitals(session, LIMIT)
            senders = () if vitals.standby else await walsenders.replies(session, LIMIT)
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
        if inst.server.pid is not None:
            self._note(vitals, senders, began)

    def _note(self, vitals: Vitals, senders: tuple[walsenders.Reply, ...], began: float) -> None:
        """Take what a probe saw that began at a monotonic second."""
        inst = self._inst
        before, now = inst.vitals, inst.clock.monotonic()
        if not _replay_stalls(before, vitals):
            inst.stalled_since = None
        elif inst.stalled_since is None:
            inst.stalled_since = now
        inst.vitals, inst.senders = vitals, senders
        inst.tuning.answered()
        if vitals.streaming:
            inst.unstreamed_since = None
        elif inst.unstreamed_since is None:
            inst.unstreamed_since = now
        inst.voting.probed(*(() if vitals.standby else (vitals.lsn, began)))
        if vitals.standby and inst.election.follows == inst.voting.trail.term:
            inst.voting.trail = lag.trim(inst.voting.trail, vitals.replayed)
        if vitals.standby and before is not None and vitals.lsn > before.lsn:
            inst.voting.advanced()
        if not vitals.standby:
            self._count(senders)

    def _count(self, senders: tuple[walsenders.Reply, ...]) -> None:
        replied = frozenset(s.member for s in senders if s.at != self._replied.get(s.member))
        self._replied = {s.member: s.at for s in senders}
        ready = frozenset(s.member for s in senders if s.state == "streaming" and s.lag <= CAUGHT_UP_BYTES)
        self._inst.election.put(WalSenders(replied, ready))


def _replay_stalls(before: Vitals | None, now: Vitals) -> bool:
    """Tell whether a standby has log to replay and did not between two probes."""
    if not now.standby:
        return False
    behind = now.replayed < now.lsn and before is not None and before.replayed == now.replayed
    return now.paused or behind


def _shape(vitals: Vitals | None) -> tuple[bool, bool] | None:
    return None if vitals is None else (vitals.standby, vitals.streaming)
