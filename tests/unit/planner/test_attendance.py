"""Who is there for an election: lines, and words on them."""

import pytest

from covet.core.agentapi import Rule
from covet.planner.attendance import QUIET_SECONDS, Line, Search, missing

MEMBERS = ("s0-a-0123456789a0", "s0-b-0123456789a1", "s0-c-0123456789a2")
ANEW = "s0-b-0123456789ff"
HERE, CUT, NEW = Line(linked=True, member=MEMBERS[1], age=0.2), Line(linked=False), Line(linked=True)
"""A line with a voter on it, none, and one to an instance whose volume holds nothing."""
AWAY = Line(linked=False, member=MEMBERS[1], age=0.2)
OTHER = Line(linked=True, member=ANEW, age=0.2)
PAST = Line(linked=True, member=MEMBERS[1], age=QUIET_SECONDS)


def instance_of(member: str) -> str:
    """Return the instance of a member of the cluster `shop`."""
    return f"shop-{member[:-13]}"


def told(b: Line, *, seconds: float = QUIET_SECONDS, follows: bool = False, me: str = MEMBERS[2]) -> str:
    """Return what the third of three says, of which the first is away."""
    rule = Rule(7, 1, MEMBERS[0], MEMBERS, 1)
    return missing(Search(me, rule, seconds, follows), {"shop-s0-b": b}, instance_of)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (HERE, ""),
        (CUT, "1 can be reached: no line to shop-s0-a, shop-s0-b."),
        (AWAY, "1 can be reached: no line to shop-s0-a, shop-s0-b."),
        (NEW, "1 can be reached: no line to shop-s0-a; no vote from shop-s0-b, though connected"),
        (OTHER, "no vote from shop-s0-b, though connected"),
        (PAST, "no vote from shop-s0-b, though connected"),
    ],
)
def test_a_line_on_which_no_vote_speaks_is_none(line: Line, says: str) -> None:
    """An instance that lost its volume has its lines, and its vote is gone all the same."""
    found = told(line)
    assert says in found
    assert bool(says) is found.startswith("2 of 3 members elect a leader")


@pytest.mark.parametrize("line", [NEW, OTHER, PAST])
def test_a_question_is_given_time(line: Line) -> None:
    """Who has not been asked for long may answer yet."""
    assert "" == told(line, seconds=QUIET_SECONDS - 0.1)


def test_a_follower_that_lost_its_leader_a_moment_ago_names_nobody() -> None:
    """A failover is no outage; once it has asked for long it says who is missing, as everybody else does."""
    assert "" == told(CUT, seconds=QUIET_SECONDS - 0.1, follows=True)
    assert "no line to shop-s0-a, shop-s0-b" in told(CUT, follows=True)
    assert "no line to shop-s0-a, shop-s0-b" in told(CUT, seconds=0.0)


def test_a_member_that_was_cloned_anew_does_not_count_for_the_one_before() -> None:
    """Its own instance holds a vote that went with the volume."""
    assert "shop-s0-c, though connected" in told(HERE, me="s0-c-0123456789ff")


def test_a_shard_of_one_misses_nobody() -> None:
    """It elects itself."""
    rule = Rule(1, 1, MEMBERS[0], MEMBERS[:1], 0)
    assert "" == missing(Search(MEMBERS[0], rule, 60.0, follows=False), {}, instance_of)
