"""Suspicion, and the question before an election: ask first, change nothing until enough agree."""

import dataclasses

from covet.core.agentapi import Position
from covet.planner.election import hearing, rules, watch
from covet.planner.election.effects import Send
from covet.planner.election.hearing import Out
from covet.planner.election.messages import Ask, Reply
from covet.planner.election.timers import NEVER
from covet.planner.election.watch import Ballot, Elect, Role, Watch


def suspects(state: Watch, now: int) -> bool:
    """Tell whether this member has reason to ask for an election now."""
    view, heard, timers = state.view, state.heard, state.config.timers
    if view.role not in watch.QUIET or not view.votes or not view.rules or now < state.hold_until:
        return False
    if view.retry_at is not None:
        return now >= view.retry_at
    known = max(heard.term, view.promise)
    if known <= state.resigned and view.role is not Role.RESIGNED:
        return True
    if heard.refused and heard.term >= view.promise:
        return True
    base = max(heard.at, view.since)
    wait = timers.grace if view.role in watch.FORGETFUL else timers.suspect
    if now - base < wait:
        return False
    by_silence = view.role is Role.FOLLOWER and heard.term > 0
    return not (by_silence and now - state.finished_at < state.limit and state.finished_at != NEVER)


def turn(state: Watch, now: int, out: Out) -> Watch:
    """Ask, ask again, or start the candidacy that was won."""
    ballot, timers = state.ballot, state.config.timers
    if not suspects(state, now):
        idle = ballot.asked_at is None and ballot.elect_at is None
        return state if idle else dataclasses.replace(state, ballot=Ballot(ballot.round))
    if ballot.elect_at is not None:
        if now < ballot.elect_at:
            return state
        out.append(Elect(max(ballot.promise, state.view.promise)))
        return dataclasses.replace(state, ballot=Ballot(ballot.round))
    if ballot.asked_at is not None and now - ballot.asked_at < timers.ask:
        return state
    return _ask(state, now, out)


def stand(state: Watch, successor: str, now: int, out: Out) -> Watch:
    """Take a leader's farewell: whom it named stands at once, everybody else asks first.

    What the question would find out, the leader said itself. If no candidacy comes of it, the question follows.
    """
    if successor != state.config.me or not suspects(state, now) or hearing.veto(state, state.resigned, now):
        return turn(state, now, out)
    out.append(Elect(max(state.ballot.promise, state.view.promise)))
    return dataclasses.replace(state, ballot=Ballot(state.ballot.round), hold_until=now + state.config.timers.ask)


def _ask(state: Watch, now: int, out: Out) -> Watch:
    """Put the question to the cohort; the own vote is cast like the others'."""
    ballot = state.ballot
    if hearing.veto(state, state.resigned, now):
        return state
    number = ballot.round + 1
    message = Ask(state.config.me, number, state.resigned, state.view.reach)
    out.extend(Send(member, message) for member in watch.voters(state))
    fresh = Ballot(number, now, frozenset({state.config.me}), max(ballot.promise, state.view.promise))
    return _count(dataclasses.replace(state, ballot=fresh), now)


def answer(state: Watch, message: Ask, now: int, out: Out) -> Watch:
    """Answer the question; a resignation that travels with it is believed."""
    if message.resigned > state.resigned:
        state = dataclasses.replace(state, resigned=message.resigned, farewell="")
    reason = hearing.veto(state, state.resigned, now)
    view = state.view
    reply = Reply(state.config.me, message.round, not reason, view.promise, view.reach, reason)
    out.append(Send(message.sender, reply))
    asking = state.ballot.asked_at is not None or state.ballot.elect_at is not None
    if reason or not asking or _rank(message.reach, message.sender) < _rank(view.reach, state.config.me):
        return state
    # Two candidates at once refuse each other: the one behind lets the other go first.
    held = max(state.hold_until, now + state.config.timers.ask)
    return dataclasses.replace(state, hold_until=held, ballot=Ballot(state.ballot.round))


def _rank(reach: Position | None, name: str) -> tuple[int, int, str]:
    return (reach.term, reach.lsn, name) if reach is not None else (0, 0, name)


def take(state: Watch, message: Reply, now: int) -> Watch:
    """Count an answer to the question under way."""
    ballot = state.ballot
    if ballot.asked_at is None or message.round != ballot.round:
        return state
    mine, theirs = state.view.reach, message.reach
    ahead = theirs is not None and (mine is None or (theirs.term, theirs.lsn) > (mine.term, mine.lsn))
    ballot = dataclasses.replace(
        ballot,
        yes=ballot.yes | {message.sender} if message.yes else ballot.yes,
        promise=max(ballot.promise, message.promise),
        ahead=ballot.ahead or (message.yes and ahead),
    )
    return _count(dataclasses.replace(state, ballot=ballot), now)


def _count(state: Watch, now: int) -> Watch:
    """Set the start of the candidacy once enough agree: sooner for the most advanced member."""
    ballot = state.ballot
    if ballot.elect_at is not None or not state.view.rules:
        return state
    if not all(rules.elects(rule, ballot.yes) for rule in state.view.rules):
        return state
    span = state.config.timers.offset
    offset = (span // 2 if ballot.ahead else 0) + span * state.jitter // 2000
    return dataclasses.replace(state, ballot=dataclasses.replace(ballot, elect_at=now + offset))
