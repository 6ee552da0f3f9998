"""A leader's rule row: the first of its term, and the steps of a change of the cohort (I4, I6)."""

import dataclasses
from collections.abc import Collection

from covet.core.agentapi import Rule
from covet.core.errors import SpecError
from covet.planner import quorum
from covet.planner.election import rules
from covet.planner.election.effects import ApplySetting, Note, Send, WriteRow
from covet.planner.election.events import CohortOrder
from covet.planner.election.messages import Confirm
from covet.planner.election.state import Agent, Out, Reign, Stage
from covet.planner.election.watch import Report, Role
from covet.planner.quorum import Order, Step


def row(reign: Reign) -> Rule:
    """Return the rule whose row is written or was written last."""
    return reign.next.rule if reign.next is not None else reign.rule


def confirmed(rule: Rule, step: Step | None, members: frozenset[str]) -> bool:
    """Tell whether enough followers confirmed a rule row.

    Args:
        rule: of the row.
        step: the change that it belongs to; None for the first row of a term.
        members: who confirmed it.
    """
    if step is None:
        return rules.acknowledges(rule, members)
    return len(members & set(step.voters)) >= step.needed


def plan(rule: Rule, cohort: tuple[str, ...], acks: int, ready: Collection[str] = ()) -> Step | None:
    """Return the next safe step towards a cohort and W.

    `quorum.next_step` orders the steps, with three exceptions. Towards a cohort of one W is lowered to 0 with the
    last follower's leave and not before, or the leader would acknowledge alone while others may elect; on the
    way it is never more than half of a cohort, so that one member may be lost. Of several members that leave, one
    that is not ready goes first, so that the others still acknowledge. And of several that join, one that is ready
    does, so that nobody waits for a member that may need another leader first.

    Args:
        rule: in force.
        cohort: wanted, the leader among them.
        acks: W wanted.
        ready: members that stream close behind.

    Raises:
        SpecError: the leader is not in the cohort, or W does not fit it.
    """
    wanted = tuple(sorted(set(cohort)))
    leaving = sorted((member for member in rule.cohort if member not in wanted), key=lambda name: name in ready)
    if acks == 0 and rule.acks > 0 and len(wanted) == 1 and leaving:
        if len(rule.cohort) > 2:
            smaller = tuple(member for member in rule.cohort if member != leaving[0])
            lower = min(rule.acks, len(smaller) // 2)
            if lower < rule.acks:
                return _change(rule, rule.cohort, lower)
            return _change(rule, smaller, lower)
        return Step(Rule(rule.term, rule.seq + 1, rule.leader, wanted, 0), Order.ROW_FIRST, tuple(leaving), 1)
    step = quorum.next_step(rule, cohort, acks)
    joining = sorted((member for member in wanted if member not in rule.cohort), key=lambda name: name not in ready)
    if step is not None and joining:
        return _change(rule, tuple(sorted((*rule.cohort, joining[0]))), step.rule.acks)
    if step is None or len(step.rule.cohort) >= len(rule.cohort):
        return step
    return _change(rule, tuple(member for member in rule.cohort if member != leaving[0]), rule.acks)


def _change(rule: Rule, cohort: tuple[str, ...], acks: int) -> Step:
    return quorum.step_between(rule, Rule(rule.term, rule.seq + 1, rule.leader, cohort, acks))


def _hindrance(rule: Rule, step: Step, ready: frozenset[str]) -> Note | None:
    """Return why a step must wait: who joins lags behind, or who stays could not acknowledge."""
    joining = set(step.rule.cohort) - set(rule.cohort)
    if not joining <= ready:
        return Note("MemberLags", f"{', '.join(sorted(joining))} must catch up before it votes.")
    able = len(ready & set(step.rule.cohort) - {rule.leader})
    if able < step.rule.acks:
        return Note("QuorumWouldBreak", f"Only {able} followers of the smaller cohort stream: not changed.")
    return None


def take(agent: Agent, order: CohortOrder, strays: Collection[str], out: Out) -> Agent:
    """Take one step towards a cohort, if the last one is done and nobody joins who lags.

    Args:
        agent: as it was.
        order: the cohort and W that are wanted in the end.
        strays: members that promised a higher term: none of them acknowledges, however close behind it was seen.
        out: takes the effects.
    """
    reign, guards = agent.reign, agent.config.guards
    if reign is None or agent.role is not Role.LEADER or agent.task is not None:
        return agent
    if guards.change_after_row and (not reign.seated or reign.stage is not Stage.DONE):
        return agent
    ready = reign.caught_up - set(strays)
    try:
        step = plan(reign.rule, order.cohort, order.acks, ready)
    except SpecError as error:
        out.append(Note(error.reason, error.message))
        return agent
    if step is None:
        return agent
    hindrance = _hindrance(reign.rule, step, ready)
    if hindrance is not None:
        out.append(hindrance)
        return agent
    first = Stage.SETTING_BEFORE if step.order is Order.SETTING_FIRST else Stage.OWN
    reign = dataclasses.replace(reign, next=step, stage=first, ticket=0, lsn=0, confirmed=frozenset())
    return dataclasses.replace(agent, reign=reign)


def turn(agent: Agent, reign: Reign, report: Report, now: int, out: Out) -> Agent:
    """Do what the row or the step under way needs next; every stage can be repeated."""
    if reign.stage in {Stage.SETTING_BEFORE, Stage.SETTING_AFTER} and not reign.ticket:
        ticket = agent.tickets + 1
        out.append(ApplySetting(ticket, row(reign)))
        return dataclasses.replace(agent, tickets=ticket, reign=dataclasses.replace(reign, ticket=ticket))
    if reign.stage is Stage.OWN:
        return _write(agent, reign, out)
    if reign.stage is Stage.CONFIRMING:
        return _collect(agent, reign, report, now, out)
    if reign.stage is Stage.DONE and now - reign.asked_at >= agent.config.timers.suspect:
        late = [m for m in reign.rule.cohort if m in report.following and report.confirmed.get(m, 0) < reign.rule.seq]
        return _ask(agent, reign, late, now, out)
    return agent


def done(agent: Agent, reign: Reign, *, ok: bool, lsn: int) -> Agent:
    """Take the answer of a row or setting effect."""
    reign = dataclasses.replace(reign, ticket=0)
    if not ok:
        back = Stage.OWN if reign.stage is Stage.WRITING else reign.stage
        return dataclasses.replace(agent, reign=dataclasses.replace(reign, stage=back))
    if reign.stage is Stage.WRITING:
        reign = dataclasses.replace(reign, stage=Stage.CONFIRMING, lsn=lsn)
    elif reign.stage is Stage.SETTING_BEFORE:
        reign = dataclasses.replace(reign, stage=Stage.OWN)
    elif reign.stage is Stage.SETTING_AFTER:
        reign = dataclasses.replace(reign, stage=Stage.DONE, rule=row(reign), next=None)
    return dataclasses.replace(agent, reign=reign)


def _write(agent: Agent, reign: Reign, out: Out) -> Agent:
    """The leader remembers the rule first, durably; then the row is written."""
    wanted = row(reign)
    if agent.saved.rule != wanted:
        if agent.sworn.rule == wanted:
            return agent
        return dataclasses.replace(agent, sworn=dataclasses.replace(agent.sworn, rule=wanted))
    ticket = agent.tickets + 1
    out.append(WriteRow(ticket, wanted))
    return dataclasses.replace(
        agent, tickets=ticket, reign=dataclasses.replace(reign, stage=Stage.WRITING, ticket=ticket)
    )


def _collect(agent: Agent, reign: Reign, report: Report, now: int, out: Out) -> Agent:
    wanted = row(reign)
    by_echo = {member for member, seq in report.confirmed.items() if seq >= wanted.seq}
    members = reign.confirmed | by_echo
    if members != reign.confirmed:
        reign = dataclasses.replace(reign, confirmed=members, progressed_at=now)
        agent = dataclasses.replace(agent, reign=reign)
    if confirmed(wanted, reign.next, members):
        if reign.next is None:
            reign = dataclasses.replace(reign, stage=Stage.DONE, seated=True, progressed_at=now)
        elif reign.next.order is Order.ROW_FIRST:
            reign = dataclasses.replace(reign, stage=Stage.SETTING_AFTER)
        else:
            reign = dataclasses.replace(reign, stage=Stage.DONE, rule=wanted, next=None)
        return dataclasses.replace(agent, reign=reign)
    if now - reign.asked_at < agent.config.timers.resend:
        return agent
    return _ask(agent, reign, [m for m in wanted.cohort if m not in members] + _leaving(reign), now, out)


def _leaving(reign: Reign) -> list[str]:
    """Members on their way out whose confirmation counts: the last follower of a cohort of two."""
    return [] if reign.next is None else [m for m in reign.next.voters if m not in reign.next.rule.cohort]


def _ask(agent: Agent, reign: Reign, members: list[str], now: int, out: Out) -> Agent:
    message = Confirm(agent.config.me, row(reign), reign.lsn)
    out.extend(Send(member, message) for member in members if member != agent.config.me)
    return dataclasses.replace(agent, reign=dataclasses.replace(reign, asked_at=now))
