"""How old what a replica shows is, by its leader's heartbeats and by no other clock than the leader's.

A heartbeat carries where the leader's flushed log ended and when that was, by the clock of its heartbeats. A
replica that has replayed up to there shows everything that was acknowledged by then. No row is written for it.
"""

import dataclasses
from typing import Final

MAX_STAMPS: Final = 256
"""Positions that are remembered; past that every second one goes, so that a long lag is measured in longer steps."""


@dataclasses.dataclass(frozen=True)
class Stamp:
    """A leader's word.

    Args:
        term: that it leads.
        end: its log was flushed up to there, in bytes.
        at: when it was, in milliseconds of the leader's monotonic clock.
        sent: when it said so, by the same clock.
        heard: when that was heard, in milliseconds of the own monotonic clock.
    """

    term: int
    end: int
    at: int
    sent: int
    heard: int


@dataclasses.dataclass(frozen=True)
class Trail:
    """Stamps of one leader, oldest first; those that were replayed long ago are gone."""

    stamps: tuple[Stamp, ...] = ()

    @property
    def term(self) -> int:
        """The term of the leader, 0 before one was heard."""
        return self.stamps[-1].term if self.stamps else 0


def hear(trail: Trail, stamp: Stamp) -> Trail:
    """Remember a leader's word; of an older leader, or of an earlier moment, it is no news."""
    if stamp.term < trail.term:
        return trail
    if stamp.term > trail.term:
        return Trail((stamp,))
    if stamp.sent <= trail.stamps[-1].sent:
        return trail
    stamps = (*trail.stamps, stamp)
    return Trail(stamps if len(stamps) <= MAX_STAMPS else (*stamps[:-1:2], stamp))


def trim(trail: Trail, replayed: int) -> Trail:
    """Forget the stamps before the newest one that was replayed."""
    newest = max((index for index, stamp in enumerate(trail.stamps) if stamp.end <= replayed), default=0)
    return Trail(trail.stamps[newest:]) if newest else trail


def seconds(trail: Trail, replayed: int, now: int) -> float | None:
    """Return how old what a replica shows is at most; at least so old if it never caught up with any stamp.

    At rest it is up to a second, for heartbeats and the probes behind them come at a pace. It grows while the leader
    is not heard, for nobody can say what happened there since.

    Args:
        trail: of the leader that is followed.
        replayed: end of the log that queries see, in bytes.
        now: milliseconds of the own monotonic clock.
    """
    if not trail.stamps:
        return None
    last = trail.stamps[-1]
    leader_now = last.sent + max(0, now - last.heard)
    shown = max((stamp.at for stamp in trail.stamps if stamp.end <= replayed), default=trail.stamps[0].at)
    return max(0, leader_now - shown) / 1000
