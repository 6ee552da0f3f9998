"""Being recruited: a leader stops first, and whoever cannot read its log does not count (I3)."""

import dataclasses

from covet.core.agentapi import Position, Rule
from covet.planner.election import candidacy, effects, events, machine, recruiting
from covet.planner.election.guards import ALL
from covet.planner.election.messages import Recruit, Recruited
from covet.planner.election.rules import Sworn
from covet.planner.election.state import Member, Reign, Server
from covet.planner.election.watch import Config, Role

RULE = Rule(1, 1, "a", ("a", "b", "c"), 1)
LATER = 10_000


def leader() -> Member:
    """Return the open leader of term 1, whose read lease nobody renewed."""
    fresh = machine.start(Config("a"), Sworn(1, RULE, led=1), ("a", "b", "c"), 0)
    reign = Reign(1, RULE, 0, 0, seated=True, opened=True, promoted_at=0, replied_at=LATER)
    agent = dataclasses.replace(fresh.agent, role=Role.LEADER, term=1, server=Server.PRIMARY, reign=reign)
    return dataclasses.replace(fresh, agent=agent)


def answers(wanted: tuple[effects.Effect, ...]) -> list[Recruited]:
    """Return what is answered to a recruiter."""
    sent = [effect.message for effect in wanted if isinstance(effect, effects.Send)]
    return [message for message in sent if isinstance(message, Recruited)]


def ticket(wanted: tuple[effects.Effect, ...], kind: type[effects.Stop | effects.Fence]) -> int:
    """Return the ticket of the only effect of a kind."""
    (found,) = (effect.ticket for effect in wanted if isinstance(effect, kind))
    return found


def test_i3_a_leader_that_is_recruited_stops_before_it_answers() -> None:
    """The promise is on the disk, and the server that could write is reaped, before a candidate hears yes."""
    member, wanted = machine.step(leader(), events.Received(Recruit("b", 2)), LATER)
    assert Role.RECRUITED is member.agent.role
    assert Sworn(2, RULE, led=1) == next(e.sworn for e in wanted if isinstance(e, effects.Persist))
    stop = ticket(wanted, effects.Stop)
    assert [] == answers(wanted)
    member, wanted = machine.step(member, events.Persisted(member.agent.sworn), LATER + 10)
    assert [] == answers(wanted)
    assert effects.Fence not in map(type, wanted)
    member, wanted = machine.step(member, events.Tick(0), LATER + 60)
    assert [] == answers(wanted)
    member, wanted = machine.step(member, events.Done(stop, ok=True), LATER + 100)
    assert [] == answers(wanted)
    fence = ticket(wanted, effects.Fence)
    member, wanted = machine.step(member, events.Done(fence, ok=True, position=Position(1, 100)), LATER + 120)
    (answer,) = answers(wanted)
    assert (True, 2, Position(1, 100)) == (answer.yes, answer.term, answer.position)


def test_i3_a_leader_whose_stop_failed_does_not_answer() -> None:
    """Somebody of its server may still write: it stops once more."""
    member, wanted = machine.step(leader(), events.Received(Recruit("b", 2)), LATER)
    stop = ticket(wanted, effects.Stop)
    member, _ = machine.step(member, events.Persisted(member.agent.sworn), LATER + 10)
    _, wanted = machine.step(member, events.Done(stop, ok=False), LATER + 100)
    assert [] == answers(wanted)
    assert stop != ticket(wanted, effects.Stop)


def test_who_cannot_read_its_position_answers_no() -> None:
    """Its promise holds, but nobody knows what it has."""
    member = machine.start(Config("b"), Sworn(2, RULE), ("a", "b", "c"), 0)
    agent = dataclasses.replace(member.agent, role=Role.RECRUITED, term=2, recruiter="a")
    answer = recruiting.answer(agent, member.watch, None, LATER)
    assert (False, "PositionUnreadable", 2) == (answer.yes, answer.reason, answer.promise)
    assert recruiting.answer(agent, member.watch, Position(1, 100), LATER).yes


def test_who_has_no_position_elects_nobody() -> None:
    """An answer without a position is not one of the recruit set, whatever else it says."""
    own = Recruited("b", 2, yes=True, promise=2, rule=RULE, position=Position(1, 100))
    other = Recruited("c", 2, yes=True, promise=2, rule=RULE, position=None)
    assert candidacy.choose("b", {"b": own, "c": other}, ALL) is None
    whole = dataclasses.replace(other, position=Position(1, 90))
    assert candidacy.Choice("b", RULE) == candidacy.choose("b", {"b": own, "c": whole}, ALL)
