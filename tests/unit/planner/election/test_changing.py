"""A change of the cohort waits until the next rule could acknowledge, and its new members have the log (I6)."""

import dataclasses

import pytest

from covet.core.agentapi import Rule
from covet.planner.election import changing, machine
from covet.planner.election.effects import Note
from covet.planner.election.events import CohortOrder
from covet.planner.election.rules import Sworn
from covet.planner.election.state import Out, Reign, Server, Stage
from covet.planner.election.watch import Config, Role

THREE = ("a", "b", "c")


def order(
    cohort: tuple[str, ...], wanted: tuple[str, ...], close_behind: tuple[str, ...]
) -> tuple[Rule | None, list[str]]:
    """Order a seated leader `a` to another cohort with W=1.

    Args:
        cohort: in force.
        wanted: ordered.
        close_behind: followers that stream and are less than a segment behind.

    Returns:
        The rule that the leader sets out for, None if it does not, and the reasons it gives.
    """
    rule = Rule(1, 1, "a", cohort, 1)
    fresh = machine.start(Config("a"), Sworn(1, rule, led=1), cohort, 0).agent
    reign = Reign(1, rule, 0, 0, stage=Stage.DONE, seated=True, opened=True, caught_up=frozenset(close_behind))
    agent = dataclasses.replace(fresh, role=Role.LEADER, term=1, server=Server.PRIMARY, reign=reign)
    out: Out = []
    after = changing.take(agent, CohortOrder(wanted, 1), out).reign
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
