"""When time alone changes something for the voter half, so that a process need not look 20 times a second.

`voter.step` asks for a `Tick` every 50 ms. Nearly all of them change nothing; this module says from the
same facts how long that stays so, unless an event comes first.
"""

from typing import Final

from covet.planner.election import hearing, watch
from covet.planner.election.timers import FOREVER, NEVER
from covet.planner.election.watch import Role, Watch

POLL: Final = 50
"""Pause in milliseconds between two looks at what a veto holds back."""


def due(state: Watch, now: int) -> int:
    """Return the moment until which a `Tick` would change nothing but the jitter, `now` if it would now.

    Args:
        state: of this member.
        now: milliseconds.
    """
    if state.view.role in watch.LEADING:
        return _beat(state, now)
    ballot, moment = state.ballot, _suspicion(state)
    if ballot.asked_at is None and ballot.elect_at is None:
        if moment > now:
            return moment
        return now + POLL if hearing.veto(state, state.resigned, now) else now
    if moment > now:
        return now  # what was asked for is of no more use
    wanted = ballot.elect_at
    if wanted is None and ballot.asked_at is not None:
        wanted = ballot.asked_at + state.config.timers.ask
    if wanted is None or wanted > now:
        return wanted or now
    return now + POLL if ballot.elect_at is None and hearing.veto(state, state.resigned, now) else now


def _beat(state: Watch, now: int) -> int:
    """The next heartbeat; none while nobody vouches for the server."""
    moment = max(state.pulse.beat_at, now)
    if state.view.role is Role.PROMOTING or moment - state.probed_at <= state.config.timers.recent:
        return moment
    return FOREVER


def _suspicion(state: Watch) -> int:
    """Return since when, or from when on, `ballot.suspects` is true."""
    view, heard, timers = state.view, state.heard, state.config.timers
    if view.role not in watch.QUIET or not view.votes or not view.rules:
        return FOREVER
    if view.retry_at is not None:
        moment = view.retry_at
    elif _is_gone(state):
        moment = NEVER
    else:
        moment = max(heard.at, view.since) + (timers.grace if view.role in watch.FORGETFUL else timers.suspect)
        if view.role is Role.FOLLOWER and heard.term > 0 and state.finished_at != NEVER:
            moment = max(moment, state.finished_at + state.limit)
    return max(moment, state.hold_until)


def _is_gone(state: Watch) -> bool:
    """Tell whether the leader resigned or refuses, so that its silence need not be awaited."""
    view, heard = state.view, state.heard
    resigned = max(heard.term, view.promise) <= state.resigned and view.role is not Role.RESIGNED
    return resigned or (heard.refused and heard.term >= view.promise)
