"""A follower: it follows only what it promised, and confirms only what it flushed and remembers."""

import dataclasses

from covet.planner.election import rules, state, watch
from covet.planner.election.effects import AwaitRow, Note, Send
from covet.planner.election.messages import Confirm, Confirmed
from covet.planner.election.state import Agent, Confirming, Out, Target
from covet.planner.election.watch import Leader, Role


def hear(agent: Agent, leader: Leader, now: int, out: Out) -> Agent:
    """Take word of a leader: follow it, or end one's own reign of a lower term."""
    if leader.term < agent.sworn.promise or leader.name == agent.config.me:
        return agent
    if agent.role in watch.LEADING:
        if leader.term == agent.term:
            return agent
        out.append(Note("HigherLeader", f"{leader.name} leads term {leader.term}: stopping."))
        agent = state.enter(agent, Role.STOPPED, now)
    if not leader.promoted:
        return agent
    wanted = Target(leader.name, leader.term, leader.rewind)
    if agent.target == wanted and agent.role in {Role.FOLLOWER, Role.REJOIN}:
        return agent
    same_term = agent.target is not None and agent.target.term == leader.term
    if same_term and agent.role in {Role.FOLLOWER, Role.REJOIN}:
        return dataclasses.replace(agent, target=wanted)
    role = Role.REJOIN if agent.sworn.rewinding else Role.FOLLOWER
    sworn = state.swear(agent, leader.term)
    return state.enter(agent, role, now, term=leader.term, sworn=sworn, target=wanted, failures=0)


def confirm(agent: Agent, message: Confirm, out: Out) -> Agent:
    """Take a leader's request to confirm a rule row; the answer follows flush and fsync."""
    rule = message.rule
    if agent.role is not Role.FOLLOWER:
        return agent
    if agent.follows != rule.term == agent.sworn.promise:
        return dataclasses.replace(agent, asked=message)  # the leader's request overtook our own way to it
    if not rules.confirmable(agent.sworn, agent.follows, rule):
        return agent
    known = agent.saved.rule
    if known is not None and rules.age(known) >= rules.age(rule):
        out.append(Send(message.sender, Confirmed(agent.config.me, rule.term, rule.seq)))
        return agent
    if agent.confirming is not None and rules.age(agent.confirming.rule) >= rules.age(rule):
        return agent
    ticket = agent.tickets + 1
    out.append(AwaitRow(ticket, rule, message.lsn))
    return dataclasses.replace(agent, tickets=ticket, confirming=Confirming(message.sender, rule, ticket))


def followed(agent: Agent, term: int, out: Out) -> Agent:
    """Take the news that the leader of a term is followed: what it asked for meanwhile can be confirmed now."""
    agent = dataclasses.replace(agent, follows=term)
    return agent if agent.asked is None else confirm(dataclasses.replace(agent, asked=None), agent.asked, out)


def flushed(agent: Agent, confirming: Confirming, *, ok: bool) -> Agent:
    """Take the news that the row is flushed here: the rule goes to promise.json next."""
    if not ok or not rules.confirmable(agent.sworn, agent.follows, confirming.rule):
        return dataclasses.replace(agent, confirming=None)
    sworn = dataclasses.replace(agent.sworn, rule=rules.newest([agent.sworn.rule, confirming.rule]))
    return dataclasses.replace(agent, sworn=sworn, confirming=dataclasses.replace(confirming, flushed=True))


def settle(agent: Agent, out: Out) -> Agent:
    """Confirm a rule once it is on the disk."""
    confirming, known = agent.confirming, agent.saved.rule
    if confirming is None or not confirming.flushed or known is None:
        return agent
    if rules.age(known) < rules.age(confirming.rule):
        return agent
    rule = confirming.rule
    out.append(Send(confirming.leader, Confirmed(agent.config.me, rule.term, rule.seq)))
    return dataclasses.replace(agent, confirming=None)
