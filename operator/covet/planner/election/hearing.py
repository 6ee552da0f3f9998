"""Hearing a leader: what resets suspicion, what is echoed, what counts as a veto."""

import dataclasses

from covet.planner.election import messages, watch
from covet.planner.election.effects import Send
from covet.planner.election.messages import Beat, Echo, Resigned
from covet.planner.election.timers import NEVER
from covet.planner.election.watch import Elect, Leader, Role, Watch

Out = list[Send | Leader | Elect]


def beat(state: Watch, message: Beat, now: int, out: Out) -> Watch:
    """Take a leader's heartbeat: echo it, or answer with a higher promise."""
    view = state.view
    if message.sender == state.config.me:
        return state
    echo = Echo(
        state.config.me,
        message.term,
        message.nonce,
        view.promise,
        view.seq if view.promise == message.term else 0,
        view.following and view.promise == message.term,
    )
    out.append(Send(message.sender, echo))
    if message.term < view.promise or view.term == message.term:
        return state
    flags = message.flags
    calms = not flags & messages.FENCED and flags & (messages.OPEN | messages.PROGRESS)
    heard = state.heard
    if calms:
        heard = watch.Heard(message.term, message.sender, now, False, message.term, now)  # noqa: FBT003  not refused
    elif flags & messages.UNACKNOWLEDGED and message.term >= heard.term:
        # It says itself that it can acknowledge nothing: neither its log nor what was heard before speaks for it.
        heard = watch.Heard(message.term, message.sender, heard.at, True, message.term, now)  # noqa: FBT003  gone
    else:
        heard = dataclasses.replace(heard, echo_term=message.term, echo_at=now)
    ballot = watch.Ballot(state.ballot.round) if calms and state.ballot != watch.Ballot() else state.ballot
    finished = bool(flags & messages.OPEN) and message.term > state.finished_term
    if calms and message.term > state.heard.term:
        state = dataclasses.replace(state, lost_at=_lost_at(state))
    state = dataclasses.replace(state, heard=heard, ballot=ballot)
    if finished:
        state = _finish(state, message.term, now)
    promoted = bool(flags & messages.PROMOTED)
    out.append(Leader(message.sender, message.term, promoted, bool(flags & messages.REWIND)))
    return state


def _lost_at(state: Watch) -> int:
    """Return when the leader that is succeeded was heard last, `NEVER` if more than silence told of its end."""
    gone = state.heard.refused or state.heard.term <= state.resigned
    return NEVER if gone else state.heard.at


def _finish(state: Watch, term: int, now: int) -> Watch:
    """Take note that a new leader is open, and whether the limit had held its election back."""
    if not state.finished_term:
        # The first open leader that a process hears is news to it, and no failover.
        return dataclasses.replace(state, finished_term=term)
    until, suspected = state.finished_at + state.limit, state.lost_at + state.config.timers.suspect
    # A member that came late counts the limit from then, and may be held back for a moment that means nothing.
    early = state.lost_at != NEVER and suspected + state.limit // 2 < until
    held = state.held + 1 if early and until <= now else 0
    return dataclasses.replace(state, finished_term=term, finished_at=now, held=held)


def resigned(state: Watch, message: Resigned, now: int) -> Watch:
    """Take a resignation, once from the leader itself: vetoes for that term end, and a named successor goes first."""
    # Others may have asked before it came itself; who is named stands in the leader's own word alone.
    if message.term < state.resigned or (message.term == state.resigned and state.farewell):
        return state
    heir = message.successor if message.successor != state.config.me else ""
    hold = now + state.config.timers.successor if heir else state.hold_until
    promise = max(state.ballot.promise, message.promise)
    ballot = dataclasses.replace(state.ballot, promise=promise)
    reaped = max(state.reaped, message.term) if message.opened else state.reaped
    return dataclasses.replace(
        state, resigned=message.term, farewell=message.reason, reaped=reaped, heir=heir, hold_until=hold, ballot=ballot
    )


def refused(state: Watch, member: str) -> Watch:
    """Take a refused dial of the leader, or of whoever the field is left to: its processes are gone."""
    if member == state.heir:
        state = dataclasses.replace(state, heir="", hold_until=NEVER)
    if member != state.heard.leader:
        return state
    return dataclasses.replace(state, heard=dataclasses.replace(state.heard, refused=True))


def veto(state: Watch, resigned_term: int, now: int) -> str:
    """Return why this member would not elect now, empty if it would.

    Args:
        state: of this member.
        resigned_term: the highest term known, here or to the one who asks, to have resigned.
        now: milliseconds.
    """
    view, timers = state.view, state.config.timers
    if not view.votes:
        return "MayNotVote"
    if now - state.started < timers.grace and state.config.guards.start_grace:
        return "JustStarted"
    if view.role in watch.LEADING:
        return _own_veto(state, resigned_term)
    return "Candidate" if view.role is Role.CANDIDATE else _heard_veto(state, resigned_term, now)


def _heard_veto(state: Watch, resigned_term: int, now: int) -> str:
    """A follower's: the leader was heard, or its log still comes; a refused dial overrules both."""
    heard, view = state.heard, state.view
    if heard.refused or max(heard.term, view.promise) <= resigned_term:
        return ""
    fresh = now - state.config.timers.suspect
    if heard.at > fresh and heard.term >= view.promise:
        return "LeaderHeard"
    return "LogAdvances" if state.advanced_at > fresh and view.following else ""


def _own_veto(state: Watch, resigned_term: int) -> str:
    """A leader's: it leads unless it is fenced; a promotion holds others off while it moves."""
    view = state.view
    if view.term <= resigned_term or view.flags & messages.FENCED:
        return ""
    if view.flags & (messages.OPEN | messages.PROGRESS):
        return "Leading"
    return ""
