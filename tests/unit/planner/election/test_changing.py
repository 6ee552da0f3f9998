"""A change of the cohort waits until the next rule could acknowledge, and its new members have the log (I6).

Amid a change a leader is judged by both rules: commits wait for the followers of the next one already.
"""

import dataclasses

import pytest

from covet.core.agentapi import Rule
from covet.planner import quorum
from covet.planner.election import changing, leading, machine, messages
from covet.planner.election.effects import Note
from covet.planner.election.events import CohortOrder, WalSenders
from covet.planner.election.rules import Sworn
from covet.planner.election.state import Member, Out, Reign, Server, Stage
from covet.planner.election.timers import FOREVER, Timers
from covet.planner.election.watch import Config, Report, Role

THREE = ("a", "b", "c")


def order(
    cohort: tuple[str, ...], wanted: tuple[str, ...], close_behind: tuple[str, ...], strays: tuple[str, ...] = ()
) -> tuple[Rule | None, list[str]]:
    """Order a seated leader `a` to another cohort with W=1.

    Args:
        cohort: in force.
        wanted: ordered.
        close_behind: followers that stream and are less than a segment behind.
        strays: followers that promised a higher term since.

    Returns:
        The rule that the leader sets out for, None if it does not, and the reasons it gives.
    """
    rule = Rule(1, 1, "a", cohort, 1)
    fresh = machine.start(Config("a"), Sworn(1, rule, led=1), cohort, 0).agent
    reign = Reign(1, rule, 0, 0, stage=Stage.DONE, seated=True, opened=True, caught_up=frozenset(close_behind))
    agent = dataclasses.replace(fresh, role=Role.LEADER, term=1, server=Server.PRIMARY, reign=reign)
    out: Out = []
    after = changing.take(agent, CohortOrder(wanted, 1), strays, out).reign
    assert after is not None
    step = after.next.rule if after.next is not None else None
    return step, [note.reason for note in out if isinstance(note, Note)]


@pytest.mark.parametrize("close_behind", [("b", "c"), ("b", "c", "d")])
def test_i6_who_joins_has_caught_up_before_it_votes(close_behind: tuple[str, ...]) -> None:
    """A member that lags would count among those that hold every commit, and does not."""
    step, reasons = order(THREE, (*THREE, "d"), close_behind)
    if "d" in close_behind:
        assert ((*THREE, "d"), []) == (step.cohort if step is not None else None, reasons)
    else:
        assert (None, ["MemberLags"]) == (step, reasons)


@pytest.mark.parametrize("close_behind", [("c",), ("b",)])
def test_i6_a_cohort_does_not_shrink_to_members_that_could_not_acknowledge(close_behind: tuple[str, ...]) -> None:
    """If the only follower that streams were the one to go, no commit would be acknowledged any more."""
    step, reasons = order(THREE, ("a", "b"), close_behind)
    if close_behind == ("b",):
        assert (("a", "b"), []) == (step.cohort if step is not None else None, reasons)
    else:
        assert (None, ["QuorumWouldBreak"]) == (step, reasons)


def test_who_has_caught_up_joins_first() -> None:
    """A member that lags holds up itself: it may have promised a term that this leader never leads."""
    step, reasons = order(("a", "b"), ("a", "b", "c", "d"), ("b", "c", "d"), ("c",))
    assert (("a", "b", "d"), []) == (step.cohort if step is not None else None, reasons)


@pytest.mark.parametrize(("strays", "expected"), [((), ["c"]), (("b",), ["c"]), (("c",), ["b"])])
def test_i6_who_promised_a_higher_term_leaves_first(strays: tuple[str, ...], expected: list[str]) -> None:
    """It was seen close behind a moment ago and acknowledges nothing any more."""
    step, reasons = order((*THREE, "d"), ("a", "d"), ("b", "c", "d"), strays)
    assert step is not None, reasons
    assert expected == [member for member in step.cohort if member not in {"a", "d"}]


def test_i6_a_cohort_does_not_shrink_to_a_member_that_promised_a_higher_term() -> None:
    """It follows nobody of this term: commits would wait for it for ever."""
    assert (None, ["QuorumWouldBreak"]) == order(THREE, ("a", "b"), ("b", "c"), ("b",))


@pytest.mark.parametrize(("size", "acks"), [(3, 1), (4, 1), (4, 2), (5, 2), (7, 3)])
def test_on_the_way_to_one_member_any_follower_may_be_lost(size: int, acks: int) -> None:
    """Down to two members the others go on acknowledging and electing without it."""
    rule, passed = Rule(1, 1, "a", tuple("abcdefg"[:size]), acks), []
    while (step := changing.plan(rule, ("a",), 0, rule.cohort[1:])) is not None:
        passed.append(rule := step.rule)
    assert (("a",), 0) == (rule.cohort, rule.acks)
    spare = [r for r in passed if len(r.cohort) > 2]
    assert [] == [r for r in spare if r.acks > len(r.cohort) - 2]
    assert [] == [r for r in spare if quorum.recruit_size(len(r.cohort), r.acks) > len(r.cohort) - 1]


FOUR = Rule(1, 2, "a", ("a", "b", "c", "d"), 2)
TIMERS = Timers()


def amid(role: Role, *, changing_to: tuple[str, ...]) -> Member:
    """Return the open leader `a` of four members with W=2, on its way to a cohort whose setting is in force."""
    step = quorum.step_between(FOUR, Rule(1, 3, "a", changing_to, 2)) if changing_to != FOUR.cohort else None
    stage = Stage.CONFIRMING if step is not None else Stage.DONE
    reign = Reign(1, FOUR, 0, 0, next=step, stage=stage, seated=True, opened=True, promoted_at=0)
    start = machine.start(Config("a"), Sworn(1, FOUR, led=1), FOUR.cohort, 0)
    agent = dataclasses.replace(start.agent, role=role, term=1, server=Server.PRIMARY, reign=reign)
    return dataclasses.replace(start, agent=agent)


@pytest.mark.parametrize(("cohort", "role"), [(FOUR.cohort, Role.LEADER), (("a", "c", "d"), Role.STOPPED)])
def test_a_leader_stops_once_the_rule_it_changes_to_can_never_be_had(cohort: tuple[str, ...], role: Role) -> None:
    """One promise of a higher term is no harm to four members, and the end of the three that commits wait for."""
    agent = amid(Role.LEADER, changing_to=cohort).agent
    assert agent.reign is not None
    out: Out = []
    after = leading.turn(agent, agent.reign, Report(FOREVER, {"d": 2}, {}, frozenset({"b", "c"})), 500, out)
    assert role is after.role
    assert (role is Role.STOPPED) is any(isinstance(note, Note) and note.reason == "Outvoted" for note in out)


@pytest.mark.parametrize("cohort", [FOUR.cohort, ("a", "c", "d")])
def test_a_leader_counts_replies_by_the_rule_it_changes_to_as_well(cohort: tuple[str, ...]) -> None:
    """Two of four reply, and commits wait for one that does not: others may elect, and it stops itself in the end."""
    member = amid(Role.READ_FENCED, changing_to=cohort)
    for now in range(0, TIMERS.stop + 1, 250):
        member = machine.act(member, WalSenders(frozenset({"b", "c"}), frozenset({"b", "c"})), now, [])
    agent = member.agent
    assert agent.reign is not None
    report = Report(0, {}, {}, frozenset({"b", "c"}))
    flags = leading.flags(agent, agent.reign, report, TIMERS.stop)
    after = leading.turn(agent, agent.reign, report, TIMERS.stop, [])
    lost = cohort != FOUR.cohort
    assert (lost, Role.STOPPED if lost else Role.READ_FENCED) == (bool(flags & messages.UNACKNOWLEDGED), after.role)
