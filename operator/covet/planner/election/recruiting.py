"""Promising: when a member lets itself be recruited, and what it answers (I1, I3)."""

import dataclasses

from covet.core.agentapi import Position
from covet.planner.election import pulse, state, watch
from covet.planner.election.effects import Note, Send
from covet.planner.election.messages import Recruit, Recruited
from covet.planner.election.rules import Sworn
from covet.planner.election.state import Member, Out
from covet.planner.election.timers import NEVER
from covet.planner.election.watch import Role, Watch


def refusal(sworn: Sworn, term: int, *, leased: bool, just_started: bool) -> str:
    """Return why a member does not promise a term, empty if it does.

    Args:
        sworn: what it swore so far.
        term: what it is asked to promise.
        leased: it leads, and its read lease holds.
        just_started: it forgot whom it echoed, and a lease may rest on that.
    """
    if term <= sworn.promise:
        return "PromisedHigher"
    if sworn.rewinding:
        return "Rewinding"
    if leased:
        return "LeaseHolds"
    return "JustStarted" if just_started else ""


def refuses(member: Member, term: int, now: int) -> str:
    """Return why this member does not promise a term now, empty if it does."""
    agent, config = member.agent, member.agent.config
    leads = agent.role in {Role.LEADER, Role.READ_FENCED}
    sworn = agent.sworn if config.guards.rewinding_mark else dataclasses.replace(agent.sworn, rewinding=False)
    young = now - agent.started < config.timers.grace
    leased = leads and now < pulse.report(member.watch).lease_end
    return refusal(sworn, term, leased=leased, just_started=young and config.guards.start_grace)


def take(member: Member, message: Recruit, now: int, out: Out) -> Member:
    """Take a candidate's request; the answer follows once promise, stop and fence are done."""
    agent = member.agent
    if agent.recruiter == message.sender and agent.term == message.term and agent.role is Role.RECRUITED:
        if agent.answer is not None:
            out.append(Send(message.sender, agent.answer))
        return member
    reason = refuses(member, message.term, now)
    if reason:
        promise, me = agent.sworn.promise, agent.config.me
        no = Recruited(me, message.term, yes=False, promise=promise, rule=agent.saved.rule, reason=reason)
        out.append(Send(message.sender, no))
        return member
    if agent.role in watch.LEADING:
        out.append(Note("LeaderRecruited", f"{message.sender} gathers promises for term {message.term}: stopping."))
    promised = state.swear(agent, message.term)
    agent = state.enter(
        agent, Role.RECRUITED, now, term=message.term, sworn=promised, recruiter=message.sender, target=None
    )
    return dataclasses.replace(member, agent=agent)


def answer(agent: state.Agent, hearing: Watch, position: Position | None, now: int) -> Recruited:
    """Return the answer of a member that is fenced; without a position it does not count."""
    heard = hearing.heard
    return Recruited(
        agent.config.me,
        agent.term,
        yes=position is not None,
        promise=agent.sworn.promise,
        rule=agent.saved.rule,
        position=position,
        echo_age=None if heard.echo_at == NEVER else now - heard.echo_at,
        echo_term=heard.echo_term,
        reaped=hearing.reaped,
        reason="" if position is not None else "PositionUnreadable",
    )
