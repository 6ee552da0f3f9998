"""A candidate: it gathers promises, and decides once: lead, or hand the term to the most advanced."""

import dataclasses
from collections.abc import Mapping
from typing import Final

from covet.core.agentapi import Rule
from covet.planner.election import lease, rules, state
from covet.planner.election.effects import Note, Send
from covet.planner.election.guards import Guards
from covet.planner.election.messages import UNABLE, HandOver, Recruit, Recruited
from covet.planner.election.rules import Sworn
from covet.planner.election.state import Agent, Candidacy, Out, Reign
from covet.planner.election.timers import NEVER
from covet.planner.election.watch import Role

DOUBLINGS: Final = 3
"""So often the pause after a failed candidacy doubles: hurried candidates starve each other where fences are slow."""

PATIENCE_DOUBLINGS: Final = 2
"""So often the patience of a candidate doubles with its failures: where fences are slow, 1.5 s may never be enough."""


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """Who leads the term, and the rule whose cohort and W go on."""

    leader: str
    base: Rule


def choose(me: str, answers: Mapping[str, Recruited], guards: Guards) -> Choice | None:
    """Return the decision that a set of answers allows, None while they are not enough.

    The newest rule of any recruit says who counts; among those the highest position leads, and
    among equals the candidate itself.
    """
    recruits = {name: answer for name, answer in answers.items() if answer.yes and answer.position is not None}
    own = answers[me].rule if me in answers else None
    base = rules.newest(answer.rule for answer in recruits.values()) if guards.newest_rule else own
    if base is None:
        return None
    voting = set(recruits) & set(base.cohort) if guards.learner_votes else set(recruits)
    enough = rules.elects(base, voting) if guards.learner_votes else len(voting) >= rules.needed(base)
    if not enough:
        return None
    if not guards.position:
        return Choice(me, base)
    return Choice(max(voting, key=lambda name: (*reach(recruits[name]), name == me, name)), base)


def reach(answer: Recruited) -> tuple[int, int]:
    """Return what positions are compared by: the term of the last byte, then the end."""
    return (answer.position.term, answer.position.lsn) if answer.position else (-1, -1)


def hopeless(agent: Agent, candidacy: Candidacy) -> bool:
    """Tell whether refusals left too few members for a recruit set."""
    base = rules.newest([agent.sworn.rule, *(answer.rule for answer in candidacy.answers.values())])
    if base is None:
        return True
    possible = [name for name in base.cohort if name not in candidacy.answers or candidacy.answers[name].yes]
    return not rules.elects(base, possible)


def inherits(sworn: Sworn, term: int, *, fenced: bool, guards: Guards) -> bool:
    """Tell whether a handed-over term may be led: promised, no other, never led, and still fenced.

    Args:
        sworn: what is on the disk; nothing newer may be on its way there.
        term: the one handed over.
        fenced: nothing was received since the promise.
        guards: all on, but in tests.
    """
    right = sworn.promise == term or not guards.handed_term
    fresh = sworn.led < term or not guards.led_mark
    return right and fresh and fenced and not sworn.rewinding


def takes_over(agent: Agent, message: HandOver) -> bool:
    """Tell whether this member may lead the term that it is handed."""
    quiet = agent.role in {Role.RECRUITED, Role.BOOT, Role.STOPPED, Role.RESIGNED}
    settled = agent.saved == agent.sworn or not agent.config.guards.durable_promise
    fenced = agent.follows == 0
    return quiet and settled and inherits(agent.sworn, message.term, fenced=fenced, guards=agent.config.guards)


def begin(agent: Agent, promise: int, now: int, out: Out, *, accept_loss: bool = False) -> Agent:
    """Become a candidate: recruit oneself first, with a term above every promise seen."""
    term = max(promise, agent.sworn.promise) + 1
    out.append(Note("Candidate", f"{agent.config.me} gathers promises for term {term}."))
    candidacy = Candidacy(term, now, NEVER, accept_loss=accept_loss)
    return state.enter(
        agent,
        Role.CANDIDATE,
        now,
        term=term,
        sworn=state.swear(agent, term),
        recruiter=agent.config.me,
        candidacy=candidacy,
        target=None,
    )


def sworn(agent: Agent, now: int, out: Out) -> Agent:
    """Ask the others as soon as the own promise is on the disk: they promise while the own fence is under way.

    After a candidacy that failed the fence comes first, for it may be what failed.
    """
    candidacy = agent.candidacy
    if candidacy is None or agent.failures or agent.saved.promise < candidacy.term or candidacy.asked_at != NEVER:
        return agent
    return ask(agent, candidacy, now, out)


def ask(agent: Agent, candidacy: Candidacy, now: int, out: Out) -> Agent:
    """Ask everybody who may count and has not answered."""
    known = [agent.sworn.rule, *(answer.rule for answer in candidacy.answers.values())]
    names = {member for rule in known if rule is not None for member in rule.cohort}
    for name in sorted(names - set(candidacy.answers) - {agent.config.me}):
        out.append(Send(name, Recruit(agent.config.me, candidacy.term)))
    return dataclasses.replace(agent, candidacy=dataclasses.replace(candidacy, asked_at=now))


def take(agent: Agent, message: Recruited, now: int, jitter: int, out: Out) -> Agent:
    """Count an answer, the own one too, and decide as soon as they are enough."""
    candidacy = agent.candidacy
    if candidacy is None or message.term != candidacy.term or message.sender in candidacy.answers:
        return agent
    candidacy = dataclasses.replace(
        candidacy,
        answers={**candidacy.answers, message.sender: message},
        times={**candidacy.times, message.sender: now},
    )
    agent = dataclasses.replace(agent, candidacy=candidacy)
    if message.sender == agent.config.me:
        if not message.yes:
            return give_up(agent, now, jitter, out, "PositionUnreadable")
        if candidacy.asked_at == NEVER:
            agent = ask(agent, candidacy, now, out)
    elif agent.config.me not in candidacy.answers:
        return agent
    choice = None if candidacy.accept_loss else choose(agent.config.me, candidacy.answers, agent.config.guards)
    if choice is not None:
        return decide(agent, candidacy, choice, now, out)
    if hopeless(agent, candidacy) and not candidacy.accept_loss:
        return give_up(agent, now, jitter, out, "TooManyRefused")
    return agent


def turn(agent: Agent, candidacy: Candidacy, now: int, jitter: int, out: Out) -> Agent:
    """Ask again, or end a candidacy that lasts too long, or that somebody else's stands against.

    A member that is unable says nothing about the others: they get the time that their fences take.
    """
    timers = agent.config.timers
    against = (name for name, answer in candidacy.answers.items() if not answer.yes and answer.reason not in UNABLE)
    refusals = [candidacy.times[name] for name in against]
    lost = bool(refusals) and not candidacy.accept_loss and now - min(refusals) >= timers.refused
    patience = timers.recruit << min(agent.failures, PATIENCE_DOUBLINGS)
    if lost or now - candidacy.since >= patience:
        forced = _forced(agent, candidacy) if candidacy.accept_loss else None
        if forced is not None:
            return decide(agent, candidacy, forced, now, out)
        return give_up(agent, now, jitter, out, "TooFewAnswered")
    if candidacy.asked_at != NEVER and now - candidacy.asked_at >= timers.resend:
        return ask(agent, candidacy, now, out)
    return agent


def decide(agent: Agent, candidacy: Candidacy, choice: Choice, now: int, out: Out) -> Agent:
    """Lead the term, or hand it over; this happens once, then the candidacy is over."""
    remaining = _lease_wait(agent, candidacy, now)
    if choice.leader == agent.config.me:
        return seat(agent, (candidacy.term, choice.base, remaining), now, out)
    out.append(Send(choice.leader, HandOver(agent.config.me, candidacy.term, choice.base, remaining)))
    out.append(Note("HandedOver", f"{choice.leader} has the most advanced log: it leads term {candidacy.term}."))
    return state.enter(agent, Role.RECRUITED, now)


def seat(agent: Agent, choice: tuple[int, Rule, int], now: int, out: Out) -> Agent:
    """Set out to lead a term: the mark "led t" goes to the disk, and the promotion waits for it.

    Args:
        agent: as it was.
        choice: the term, the rule whose cohort and W go on, and for how long to stay closed.
        now: milliseconds.
        out: takes the effects.
    """
    term, base, wait = choice
    rule = rules.first(term, agent.config.me, base)
    sworn = dataclasses.replace(agent.sworn, led=max(agent.sworn.led, term))
    out.append(Note("Elected", f"{agent.config.me} leads term {term}, cohort {', '.join(rule.cohort)}, W={rule.acks}."))
    reign = Reign(term, rule, now + wait, now, replied_at=now)
    return state.enter(agent, Role.PROMOTING, now, term=term, sworn=sworn, reign=reign, target=None)


def give_up(agent: Agent, now: int, jitter: int, out: Out, reason: str) -> Agent:
    """End a candidacy; its term is never tried again."""
    out.append(Note(reason, f"Term {agent.term} found no recruit set; asking again soon."))
    pause = (50 + agent.config.timers.retry * jitter // 1000) << min(agent.failures, DOUBLINGS)
    return state.enter(agent, Role.RECRUITED, now, retry_at=now + pause, failures=agent.failures + 1)


def _forced(agent: Agent, candidacy: Candidacy) -> Choice | None:
    """A person accepted loss: whoever answered is the cohort from now on."""
    yes = {name: answer for name, answer in candidacy.answers.items() if answer.yes and answer.position is not None}
    base = rules.newest(answer.rule for answer in yes.values())
    if base is None or agent.config.me not in yes:
        return None
    cohort = tuple(sorted(yes))
    reduced = Rule(base.term, base.seq, base.leader, cohort, min(base.acks, len(cohort) - 1))
    return Choice(max(yes, key=lambda name: (*reach(yes[name]), name)), reduced)


def _lease_wait(agent: Agent, candidacy: Candidacy, now: int) -> int:
    """Return for how long the recruits' last echoes keep the new leader closed, from now."""
    if not agent.config.guards.lease_wait:
        return 0
    timers, recruits = agent.config.timers, [answer for answer in candidacy.answers.values() if answer.yes]
    reaped = max((answer.reaped for answer in recruits), default=0)
    waits = (
        lease.wait(
            None if answer.echo_age is None else answer.echo_age + now - candidacy.times[answer.sender],
            answer.echo_term,
            reaped,
            timers,
        )
        for answer in recruits
    )
    return max(waits, default=0)
