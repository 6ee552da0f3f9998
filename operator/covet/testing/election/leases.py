"""Every timing of one read lease and one election, on a grid: and whether a reader sees the past (I12).

The old leader sends its last echoed heartbeat at moment 0 of true time. A member echoes it, may
restart, is recruited, answers; the new leader gets the answer, decides, waits, opens. Each of these
happens at any grid moment after the one before, on clocks that run apart by up to 10 %. The new
leader must not open before the old one's lease is over, by true time.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Final

from covet.core.agentapi import Rule
from covet.planner.election import lease, recruiting
from covet.planner.election.guards import ALL, Guards
from covet.planner.election.rules import Sworn
from covet.planner.election.timers import Timers

GRID: Final = 100
"""Milliseconds between two grid moments."""
REACH: Final = 1500
"""The last grid moment."""
RATES: Final = (0.9535, 1.0, 1.0485)
"""Rates of clocks; the slowest and the fastest are a factor of 1.0996 apart."""
_RULE: Final = Rule(1, 1, "a", ("a", "b", "c"), 1)


@dataclasses.dataclass(frozen=True)
class Finding:
    """Moments of true time, in milliseconds, and the rates of the three clocks.

    Args:
        opened: when the new leader opened.
        ended: when the old lease ended.
    """

    what: str
    echoed: int
    recruited: int
    opened: float
    ended: float
    rates: tuple[float, float, float]


def search(timers: Timers, guards: Guards = ALL) -> tuple[int, list[Finding]]:
    """Return how many timings were tried, and those in which a stale read is possible."""
    tried, found = 0, []
    for finding in itertools.chain(_by_echo(timers, guards), _by_restart(timers, guards)):
        tried += 1
        if finding.opened < finding.ended:
            found.append(finding)
    return tried, found


def _by_echo(timers: Timers, guards: Guards) -> Iterator[Finding]:
    """The recruit set holds the follower that echoed, not the old leader."""
    moments = range(0, REACH + 1, GRID)
    for old, member, new in itertools.product(RATES, repeat=3):
        ended = lease.end(_RULE, {"b": 0}, timers) / old
        for echoed in moments:
            for recruited in range(echoed, REACH + 1, GRID):
                age = int((recruited - echoed) * member)
                for late, later in itertools.product(range(0, 301, GRID), repeat=2):
                    # The answer travels `late`, and the decision is made `later` after it came.
                    wait = lease.wait(age + int(later * new), 1, 0, timers) if guards.lease_wait else 0
                    opened = recruited + late + later + wait / new
                    yield Finding("echo", echoed, recruited, opened, ended, (old, member, new))


def _by_restart(timers: Timers, guards: Guards) -> Iterator[Finding]:
    """The old leader, or the follower that echoed, restarted and forgot; then it is recruited."""
    moments = range(0, REACH + 1, GRID)
    for old, member, new in itertools.product(RATES, repeat=3):
        ended = lease.end(_RULE, {"b": 0}, timers) / old
        for restarted in moments:
            for recruited in range(restarted, REACH + 1, GRID):
                young = (recruited - restarted) * member < timers.grace and guards.start_grace
                if not recruiting.refusal(Sworn(1), 2, leased=False, just_started=young):
                    opened = recruited + lease.wait(None, 0, 0, timers) / new
                    yield Finding("restart", restarted, recruited, opened, ended, (old, member, new))
