"""A leader: opening, the read fence, stopping, standing down, handing over."""

import dataclasses

from covet.planner.election import changing, messages, rules, state, watch
from covet.planner.election.effects import HandOff, Note, Send, Serve
from covet.planner.election.messages import Confirmed, Resigned
from covet.planner.election.state import Agent, Out, Parting, Reign, Stage, Work
from covet.planner.election.watch import Report, Role


def flags(agent: Agent, reign: Reign, report: Report, now: int) -> int:
    """Return what a leader's heartbeats say."""
    timers, rule = agent.config.timers, reign.rule
    value = 0
    if agent.role is Role.PROMOTING:
        value |= messages.PROMOTING
    if now - reign.progressed_at < timers.progress:
        value |= messages.PROGRESS
    if reign.opened:
        value |= messages.OPEN
    if agent.role is Role.READ_FENCED:
        value |= messages.FENCED
        # Seen to be silent, and not only unseen: an agent that stood still knows nothing of its walsenders.
        if rule.acks and reign.looked_at - reign.replied_at >= timers.read_fence:
            value |= messages.UNACKNOWLEDGED
    if reign.promoted_at is None:
        return value
    value |= messages.PROMOTED
    undiverged = [member for member in rule.cohort if member in report.following]
    alone = now - reign.promoted_at >= timers.permit and len(undiverged) < rule.acks
    if reign.seated or alone or not agent.config.guards.rewind_late:
        value |= messages.REWIND
    return value


def turn(agent: Agent, reign: Reign, report: Report, now: int, out: Out) -> Agent:
    """Do what a leader does as time passes."""
    # Amid a change commits wait for the next rule's followers already, and the lease needs both.
    if any(rules.outvoted(rule, report.strays) for rule in state.rules_of(agent)):
        out.append(Note("Outvoted", f"Too many members promised more than term {reign.term}: stopping."))
        return halt(agent, now)
    if reign.promoted_at is None:
        return agent
    agent = changing.turn(agent, reign, report, now, out)
    if agent.reign is None:
        return agent
    if agent.role is Role.PROMOTING:
        return _open(agent, agent.reign, report, now, out)
    agent = _keep(agent, agent.reign, report, now, out)
    return agent if agent.reign is None else _cure(agent, agent.reign, report, now, out)


def _open(agent: Agent, reign: Reign, report: Report, now: int, out: Out) -> Agent:
    """Let clients in once the rule row is confirmed and the old leader's lease is over (I4, I12)."""
    if now < reign.open_at or not (reign.seated or not agent.config.guards.row_opens):
        return agent
    out.append(Note("Opened", f"Term {reign.term} is open."))
    reads = now < report.lease_end
    out.append(Serve(reads=reads, writes=True))
    role = Role.LEADER if reads else Role.READ_FENCED
    return dataclasses.replace(
        agent, role=role, since=now, failures=0, reign=dataclasses.replace(reign, opened=True, replied_at=now)
    )


def _keep(agent: Agent, reign: Reign, report: Report, now: int, out: Out) -> Agent:
    """Fence reads when the lease ends, open them when it is back, stop when no walsender answers."""
    leased = now < report.lease_end
    if agent.role is Role.LEADER:
        if leased:
            return agent
        out.append(Note("ReadFenced", "Too few followers echo: no reads, commits only as far as acknowledged."))
        agent = dataclasses.replace(agent, role=Role.READ_FENCED, since=now)
        serve(agent, out)
        return agent
    if leased:
        agent = dataclasses.replace(agent, role=Role.LEADER, since=now)
        serve(agent, out)
        return agent
    if now - max(reign.replied_at, agent.since) >= agent.config.timers.stop:
        out.append(Note("TooFewReplies", "Too few walsenders had replies for too long: stopping."))
        return halt(agent, now)
    return agent


def serve(agent: Agent, out: Out) -> None:
    """Let in who may come in; during a switchover nobody may, whatever becomes of the lease."""
    if agent.task is None or agent.task.work is not Work.HAND_OFF:
        out.append(Serve(reads=agent.role is Role.LEADER, writes=True))


def _cure(agent: Agent, reign: Reign, report: Report, now: int, out: Out) -> Agent:
    """Hand over when a lone member holds a promise above this term: it can follow nobody until then."""
    if not report.strays:
        return agent
    if reign.stray_since is None:
        return dataclasses.replace(agent, reign=dataclasses.replace(reign, stray_since=now))
    if now - reign.stray_since < agent.config.timers.stray:
        return agent
    able = [m for m in reign.rule.cohort if m in report.following and m in reign.caught_up and m not in report.strays]
    return hand_off(agent, able[0], out) if able else agent


def hand_off(agent: Agent, to: str, out: Out) -> Agent:
    """Begin a switchover; refused while the successor is not ready.

    A change of the rule under way does not hinder it: the successor takes up whichever rule it finds, as after
    a crash, and a step that waits for a member with a stray promise would otherwise wait for ever.
    """
    reign = agent.reign
    if reign is None or not reign.seated or agent.role is not Role.LEADER or agent.task is not None:
        return agent
    if to not in reign.rule.cohort or to not in reign.caught_up or to == agent.config.me:
        out.append(Note("SuccessorNotReady", f"{to} does not stream close behind: no switchover."))
        return agent
    agent = state.begin(agent, Work.HAND_OFF, reign.term)
    out.append(Note("HandingOff", f"Handing over to {to}."))
    out.append(HandOff(agent.tickets, to, reign.term))
    return dataclasses.replace(agent, parting=Parting(reign.term, to, 0, reign.opened, reason="Switchover"))


def resign(agent: Agent, reason: str, now: int, out: Out, *, successor: str = "") -> Agent:
    """Stand down: the server is stopped and reaped first, then the cohort is told."""
    reign = agent.reign
    if reign is None:
        return agent
    out.append(Note("Resigning", f"{reason}: standing down from term {reign.term}."))
    said = reason if reason.isidentifier() else "Resigned"
    parting = Parting(reign.term, successor, agent.sworn.promise, reign.opened, reason=said)
    return state.enter(agent, Role.RESIGNED, now, parting=parting)


def halt(agent: Agent, now: int) -> Agent:
    """Stop at once: the server's `Stop` follows, for nobody leads without the role."""
    return state.enter(agent, Role.STOPPED, now)


def farewell(agent: Agent, parting: Parting, now: int, out: Out, highest: int) -> Agent:
    """Tell the cohort, and repeat it for a while: a resignation that nobody hears costs a second."""
    promise = max(parting.promise, highest)
    message = Resigned(agent.config.me, parting.term, parting.successor, promise, parting.opened, parting.reason)
    names = {member for rule in state.rules_of(agent) for member in rule.cohort} | set(agent.peers)
    out.extend(Send(name, message) for name in sorted(names - {agent.config.me}))
    return dataclasses.replace(agent, parting=dataclasses.replace(parting, sent_at=now))


def confirm(agent: Agent, message: Confirmed, now: int) -> Agent:
    """Count a follower's confirmation of the row under way."""
    reign = agent.reign
    if reign is None or message.term != reign.term or reign.stage is not Stage.CONFIRMING:
        return agent
    if message.seq < changing.row(reign).seq or agent.role not in watch.LEADING:
        return agent
    members = reign.confirmed | {message.sender}
    return dataclasses.replace(agent, reign=dataclasses.replace(reign, confirmed=members, progressed_at=now))
