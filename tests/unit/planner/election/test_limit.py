"""The pause between two failovers that only silence speaks for: it grows while silence follows every failover."""

import dataclasses
from typing import Final

import pytest

from covet.core.agentapi import Rule
from covet.planner.election import ballot, hearing, messages
from covet.planner.election.messages import Beat
from covet.planner.election.watch import Config, Role, View, Watch

COHORT: Final = ("a", "b", "c")
SECOND: Final = 1000


class Member:
    """The voter half of a follower: it hears one leader after another."""

    def __init__(self) -> None:
        view = View(Role.FOLLOWER, since=0, rules=(Rule(1, 1, "b", COHORT, 1),), peers=COHORT)
        self.watch = Watch(Config("a"), 0, view)

    def hear(self, term: int, now: int) -> None:
        """Hear an open leader once."""
        self.watch = dataclasses.replace(self.watch, view=dataclasses.replace(self.watch.view, promise=term))
        leader = COHORT[1 + term % 2]
        self.watch = hearing.beat(self.watch, Beat(leader, term, 1, now, messages.OPEN | messages.PROGRESS), now, [])

    def suspects(self, now: int) -> bool:
        """Whether it would ask for an election."""
        return ballot.suspects(self.watch, now)

    def fail_over(self, term: int, opened: int) -> int:
        """Lose the leader the moment it opened; return when the next is open, half a second after it was suspected."""
        now = opened
        while not self.suspects(now):
            now += 100
        self.hear(term, now + SECOND // 2)
        return now + SECOND // 2


@pytest.fixture
def member() -> Member:
    """A follower whose second leader opened at second 100."""
    found = Member()
    found.hear(1, 0)
    found.hear(2, 100 * SECOND)
    return found


def test_the_pause_doubles_while_every_new_leader_falls_silent(member: Member) -> None:
    """10 s at first, then twice as much each time, up to 320 s; leaders change ever more seldom."""
    opened, pauses = 100 * SECOND, []
    for term in range(3, 10):
        following = member.fail_over(term, opened)
        pauses.append((following - opened) // SECOND)
        opened = following
    assert [10, 20, 40, 80, 160, 320, 320] == pauses


def test_one_silence_after_a_calm_time_starts_the_pause_anew(member: Member) -> None:
    """A leader that was heard for longer than the pause is replaced after 1.2 s, and the next pause is 10 s again."""
    opened = member.fail_over(3, 100 * SECOND)
    assert 20 * SECOND == member.watch.limit
    later = opened + 60 * SECOND
    member.hear(3, later)
    assert [False, True] == [member.suspects(later + 1100), member.suspects(later + 1200)]
    member.hear(4, later + 2 * SECOND)
    assert 10 * SECOND == member.watch.limit


def test_what_more_than_silence_speaks_for_counts_for_nothing(member: Member) -> None:
    """A refused dial right after a failover is acted on at once, and the pause stays as it was."""
    now = 101 * SECOND
    member.watch = hearing.refused(member.watch, member.watch.heard.leader)
    assert member.suspects(now)
    member.hear(3, now)
    assert 10 * SECOND == member.watch.limit


def test_a_moment_s_wait_of_a_member_that_came_late_counts_for_nothing(member: Member) -> None:
    """It heard of the leader 8.9 s after the others did: when that one is silent for 1.2 s it waits for 0.1 s."""
    silent = 108 * SECOND + 700
    member.hear(2, silent)
    assert [False, True] == [member.suspects(silent + 1200), member.suspects(silent + 1300)]
    member.hear(3, silent + 2 * SECOND)
    assert 10 * SECOND == member.watch.limit


def test_no_pause_stays_none() -> None:
    """A limit of 0 is not held back by doubling."""
    assert [0, 0] == [dataclasses.replace(Member().watch, config=_without_limit(), held=held).limit for held in (0, 5)]


def _without_limit() -> Config:
    config = Config("a")
    return dataclasses.replace(config, timers=dataclasses.replace(config.timers, limit=0))
