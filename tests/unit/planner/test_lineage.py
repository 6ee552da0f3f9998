"""Who may follow whom, and which rule may be confirmed."""

import dataclasses

import pytest

from covet.core.agentapi import Position, Rule
from covet.planner import lineage

A, B, C = "s0-a-0123456789ab", "s0-b-0123456789ab", "s0-c-0123456789ab"
KNOWN = Rule(2, 3, A, (A, B, C), 1)


@pytest.mark.parametrize(
    ("own", "end", "reason"),
    [
        (Position(1, 100), Position(1, 100), None),
        (Position(1, 99), Position(1, 100), None),
        (Position(1, 200), Position(2, 100), None),
        (Position(1, 101), Position(1, 100), "LeaderBehind"),
        (Position(2, 1), Position(1, 100), "TermForeign"),
    ],
)
def test_i8_a_member_ahead_of_a_leader_does_not_follow_it(own: Position, end: Position, reason: str | None) -> None:
    """What a member flushed and its leader did not would be overwritten."""
    fault = lineage.fault_of_leader(own, A, end)
    assert reason == (fault[0] if fault else None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"seq": 4, "cohort": (A, B)}, None),
        ({"seq": 2}, "RuleOlder"),
        ({"seq": 4, "leader": C}, "LeaderForeign"),
        ({"acks": 2}, "RuleForeign"),
        ({"term": 3}, "TermForeign"),
        ({"term": 1}, "TermForeign"),
        ({"seq": 4, "cohort": (A, C)}, "RuleInvalid"),
        ({"seq": 4, "cohort": (B, C)}, "RuleInvalid"),
        ({"seq": 4, "acks": 3}, "RuleInvalid"),
        ({"seq": 4, "acks": -1}, "RuleInvalid"),
    ],
)
def test_i1_a_term_has_one_leader_and_a_change_one_number(changes: dict[str, object], reason: str | None) -> None:
    """A rule that contradicts what is known, or that no shard could have, is not confirmed."""
    rule = dataclasses.replace(KNOWN, **changes)  # type: ignore[arg-type]  # the names are checked at run time
    fault = lineage.fault_of_rule(rule, B, 2, KNOWN)
    assert reason == (fault[0] if fault else None)


def test_the_first_rule_of_a_term_is_taken() -> None:
    """A member that knows no rule yet, or one of a term before, confirms by its promise alone."""
    assert lineage.fault_of_rule(KNOWN, B, 2, None) is None
    assert lineage.fault_of_rule(KNOWN, B, 2, Rule(1, 9, C, (A, B, C), 1)) is None
