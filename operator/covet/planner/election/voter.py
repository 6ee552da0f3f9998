"""The step function of the voter half, usable alone in a process that no agent can stall."""

import dataclasses
from typing import Final

from covet.planner.election import ballot, hearing, messages, pulse, watch
from covet.planner.election.events import Advanced, Probed, Received, Refused, Tick
from covet.planner.election.hearing import Out
from covet.planner.election.messages import Ask, Beat, Echo, Reply, Resigned
from covet.planner.election.timers import NEVER
from covet.planner.election.watch import Pulse, View, Watch

HEARS: Final = (Beat, Echo, Ask, Reply, Resigned)
"""Messages that this half takes; the agent half takes the others, and nothing of these."""

VoterEvent = Tick | Received | Refused | Probed | Advanced


def step(state: Watch, event: VoterEvent, now: int) -> tuple[Watch, Out]:
    """Return the next state, messages to send, and what the agent half has to know.

    Args:
        state: as it was.
        event: what happened.
        now: milliseconds of a monotonic clock.
    """
    out: Out = []
    if isinstance(event, Received):
        return _receive(state, event, now, out), out
    if isinstance(event, Tick):
        state = dataclasses.replace(state, jitter=event.jitter) if state.jitter != event.jitter else state
        if state.view.role in watch.LEADING:
            return pulse.beat(state, now, out), out
        return ballot.turn(state, now, out), out
    if isinstance(event, Probed):
        return dataclasses.replace(state, probed_at=now), out
    if isinstance(event, Advanced):
        return dataclasses.replace(state, advanced_at=now), out
    return ballot.turn(hearing.refused(state, event.member), now, out), out


def told(state: Watch, view: View, now: int) -> tuple[Watch, Out]:
    """Take the agent half's word; a new reign starts with no echo of the one before.

    Heartbeats that say something new are sent at once: followers act on them.
    """
    out: Out = []
    if view == state.view:
        return state, out
    beats = state.pulse if view.term == state.view.term else Pulse()
    news = view.flags & ~state.view.flags
    if news & (messages.PROMOTED | messages.OPEN | messages.REWIND):
        beats = dataclasses.replace(beats, beat_at=NEVER)
    return pulse.beat(_learn(state, view, beats), now, out), out


def _learn(state: Watch, view: View, beats: Pulse) -> Watch:
    if view.parted <= state.resigned:
        return dataclasses.replace(state, view=view, pulse=beats)
    reaped = max(state.reaped, view.parted) if view.parted_open else state.reaped
    return dataclasses.replace(state, view=view, pulse=beats, resigned=view.parted, reaped=reaped)


def _receive(state: Watch, event: Received, now: int, out: Out) -> Watch:
    message = event.message
    if isinstance(message, Beat):
        return hearing.beat(state, message, now, out)
    if isinstance(message, Echo):
        return pulse.echo(state, message)
    if isinstance(message, Ask):
        return ballot.answer(state, message, now, out)
    if isinstance(message, Reply):
        return ballot.take(state, message, now)
    if isinstance(message, Resigned):
        heard = hearing.resigned(state, message, now)
        return ballot.turn(state, now, out) if heard is state else ballot.stand(heard, message.successor, now, out)
    return state
