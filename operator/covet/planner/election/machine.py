"""One member, whole: `step` gives an event to the half it is for, and each half's word to the other.

In the agent the two halves run in two processes: the voter calls `voter.step`, the agent this
module's `act`, `hear`, `turn` and `describe`. Tests and simulation run `step`, which wires the same
functions together.
"""

import dataclasses
from typing import Final

from covet.planner.election import (
    candidacy,
    changing,
    events,
    following,
    leading,
    pulse,
    recruiting,
    rules,
    settling,
    state,
    voter,
    watch,
)
from covet.planner.election.effects import Effect, Note, Send
from covet.planner.election.events import Event
from covet.planner.election.messages import Confirm, Confirmed, HandOver, Message, Recruit, Recruited
from covet.planner.election.rules import Sworn
from covet.planner.election.state import Agent, Member, Out
from covet.planner.election.watch import Config, Elect, Leader, Role, View

FAREWELL: Final = 2000
"""How long a resignation is repeated, in milliseconds."""

_WATCHED: Final = frozenset({events.Tick, events.Refused, events.Probed, events.Advanced})
_HEARD: Final = frozenset(voter.HEARS)


def start(config: Config, sworn: Sworn, peers: tuple[str, ...], now: int) -> Member:
    """Return a member whose process starts now, with what its promise.json holds."""
    role = Role.REJOIN if sworn.rewinding else Role.BOOT
    agent = Agent(
        config=config, sworn=sworn, saved=sworn, started=now, since=now, role=role, term=sworn.promise, peers=peers
    )
    return Member(agent, watch.started(config, describe(agent, None, now), now))


def step(member: Member, event: Event, now: int) -> tuple[Member, tuple[Effect, ...]]:
    """Return the next member and what it wants done, in order.

    Args:
        member: as it was.
        event: what happened.
        now: milliseconds of a monotonic clock, never less than before.
    """
    out: Out = []
    before = member.agent
    kind = type(event)
    if kind in _WATCHED or (isinstance(event, events.Received) and type(event.message) in _HEARD):
        heard, said = voter.step(member.watch, event, now)  # type: ignore[arg-type]  # told apart by the line above
        if heard is not member.watch:
            member = Member(member.agent, heard)
        for word in said:
            if isinstance(word, Send):
                out.append(word)
            else:
                member = hear(member, word, now, out)
        if kind is events.Tick:
            member = turn(member, now, out)
    else:
        member = act(member, event, now, out)
    return _conclude(member, before, now, out), tuple(out)


def _conclude(member: Member, before: Agent, now: int, out: Out) -> Member:
    """Ask for what follows from a change, and tell the voter half of it."""
    member, view = conclude(member, before, now, out)
    if view is None:
        return member
    seen, said = voter.told(member.watch, view, now)
    out.extend(word for word in said if isinstance(word, Send))
    return Member(member.agent, seen)


def conclude(member: Member, before: Agent, now: int, out: Out) -> tuple[Member, View | None]:
    """Ask for what follows from a change of the agent half, and say what the voter half has to be told.

    Args:
        member: after the event.
        before: the agent half before it.
        now: milliseconds of a monotonic clock.
        out: effects so far; those that follow are added.

    Returns:
        The member, and the view for the voter half, None if nothing changed that it would have to know.
    """
    agent = member.agent
    if agent is before and agent.role not in {Role.PROMOTING, Role.READ_FENCED}:
        return member, None
    report = pulse.report(member.watch) if agent.reign is not None else None
    if agent is not before:
        if agent.reign is not None and report is not None:
            agent = leading.turn(agent, agent.reign, report, now, out)
        agent = settling.settle(agent, out)
        report = report if agent.reign is not None else None
    return Member(agent, member.watch), describe(agent, report, now)


def describe(agent: Agent, report: watch.Report | None, now: int) -> View:
    """Return what the voter half is told; on a promise, before the promise goes to the disk."""
    reign, sworn = agent.reign, agent.sworn
    flags = leading.flags(agent, reign, report, now) if reign is not None and report is not None else 0
    rule, parting = agent.saved.rule, agent.parting
    seq = rule.seq if rule is not None and rule.term == sworn.promise else 0
    return View(
        role=agent.role,
        since=agent.since,
        term=reign.term if reign is not None else 0,
        seq=reign.rule.seq if reign is not None else seq,
        flags=flags,
        promise=sworn.promise,
        rules=state.rules_of(agent),
        votes=not (sworn.rewinding and agent.config.guards.rewinding_mark),
        following=agent.follows != 0 and agent.follows == sworn.promise,
        reach=agent.reach,
        peers=agent.peers,
        retry_at=agent.retry_at,
        parted=parting.term if parting is not None and parting.sent_at is not None else 0,
        parted_open=parting is not None and parting.opened,
    )


def hear(member: Member, word: Leader | Elect, now: int, out: Out) -> Member:
    """Take the voter half's word: a leader was heard, or enough would elect this member."""
    agent = member.agent
    if isinstance(word, Leader):
        agent = following.hear(agent, word, now, out)
    elif agent.role in watch.QUIET and agent.sworn.rule is not None and not _busy(agent):
        agent = candidacy.begin(agent, word.promise, now, out)
    return member if agent is member.agent else Member(agent, member.watch)


def act(member: Member, event: Event, now: int, out: Out) -> Member:
    """Take everything that is not the voter half's."""
    agent, seen = member.agent, member.watch
    match event:
        case events.Received(message):
            return _receive(member, message, now, out)
        case events.Done():
            return settling.done(member, event, now, out)
        case events.Persisted(sworn):
            agent = candidacy.sworn(dataclasses.replace(agent, saved=sworn, writing=False), now, out)
        case events.ServerDied():
            agent = settling.note_server_died(agent, now, out)
        case events.WalSenders(replied, caught_up):
            agent = _count_senders(agent, replied, caught_up, now)
        case events.Progressed():
            if agent.reign is not None:
                agent = dataclasses.replace(agent, reign=dataclasses.replace(agent.reign, progressed_at=now))
        case events.Peers(members):
            agent = dataclasses.replace(agent, peers=members)
        case events.CohortOrder():
            agent = changing.take(agent, event, pulse.report(seen).strays, out)
        case _:
            agent = _obey(agent, event, now, out)
    return Member(agent, seen)


def turn(member: Member, now: int, out: Out) -> Member:
    """Let time pass for the agent half."""
    agent = member.agent
    if agent.reign is not None:
        agent = leading.turn(agent, agent.reign, pulse.report(member.watch), now, out)
    elif agent.candidacy is not None:
        agent = candidacy.turn(agent, agent.candidacy, now, member.watch.jitter, out)
    if agent.rests_until is not None and now >= agent.rests_until:
        agent = dataclasses.replace(agent, rests_until=None)
    parting = agent.parting
    if parting is not None and parting.sent_at is not None:
        period = agent.config.timers.beat
        if agent.role is not Role.RESIGNED or now - agent.since > FAREWELL:
            agent = dataclasses.replace(agent, parting=None)
        elif now - parting.sent_at >= period:
            agent = leading.farewell(agent, parting, now, out, agent.sworn.promise)
    return member if agent is member.agent else Member(agent, member.watch)


def _receive(member: Member, message: Message, now: int, out: Out) -> Member:
    agent, seen = member.agent, member.watch
    match message:
        case Recruit():
            return recruiting.take(member, message, now, out)
        case Recruited():
            agent = candidacy.take(agent, message, now, seen.jitter, out)
        case HandOver():
            if candidacy.takes_over(agent, message) and not _busy(agent):
                agent = candidacy.seat(agent, (message.term, message.base, message.wait), now, out)
        case Confirm():
            agent = following.confirm(agent, message, out)
        case Confirmed():
            agent = leading.confirm(agent, message, now)
        case _:
            return member
    return member if agent is member.agent else Member(agent, seen)


def _busy(agent: Agent) -> bool:
    """A rewind or a fence under way owns the log: its position is not known yet."""
    return agent.task is not None and agent.task.work in {state.Work.REJOIN, state.Work.FENCE}


def _obey(agent: Agent, order: Event, now: int, out: Out) -> Agent:
    match order:
        case events.ResignOrder(reason):
            return leading.resign(agent, reason, now, out)
        case events.SwitchoverOrder(to):
            return leading.hand_off(agent, to, out)
        case events.PromoteOrder():
            if agent.role in watch.QUIET and agent.sworn.rule is not None and not agent.sworn.rewinding:
                out.append(Note("LossAccepted", "A person ordered a promotion without a recruit set."))
                return candidacy.begin(agent, agent.sworn.promise, now, out, accept_loss=True)
    return agent


def _count_senders(agent: Agent, replied: frozenset[str], caught_up: frozenset[str], now: int) -> Agent:
    reign = agent.reign
    if reign is None:
        return agent
    enough = all(rules.acknowledges(rule, replied) for rule in state.rules_of(agent))
    at = now if enough else reign.replied_at
    reign = dataclasses.replace(reign, replied_at=at, looked_at=now, caught_up=caught_up)
    return dataclasses.replace(agent, reign=reign)
