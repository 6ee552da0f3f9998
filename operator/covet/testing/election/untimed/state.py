"""What a shard without clocks is made of; see `covet.testing.election.untimed.shard`."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Final, NamedTuple

from covet.core.agentapi import Rule
from covet.planner import quorum

NAMES: Final = ("a", "b", "c", "d", "e")

Record = tuple[int, int]
Log = tuple[Record, ...]
WRITE: Final = 0
"""Kind of a record that a client wrote; the others are rule rows and bear their `seq`."""
HOLE: Final = -2
"""Kind of a record that an unfinished rewind has not copied yet."""


class Seat(NamedTuple):
    """A leader's memory: gone with a crash."""

    rule: Rule
    setting: Rule
    step: quorum.Step | None
    written: bool
    row_end: int
    seated: bool
    open: bool


class Who(NamedTuple):
    """One member: disk first, memory behind."""

    promise: int
    disk: int
    led: int
    rule: Rule | None
    log: Log
    follows: int = 0
    candidate: int = 0
    seat: Seat | None = None
    rewinding: bool = False


class State(NamedTuple):
    """A shard.

    Args:
        who: the members.
        asked: (term, candidate) of every request for promises ever sent.
        answers: (term, candidate, member, promise's position, rule) of every answer.
        handed: (term, to, base) of every hand-over.
        said: (term, seq, member) of every confirmation of a rule row.
        acks: (term, member, end): how far a member said that it flushed under a term.
        owed: (index, record, term): what clients were told, or saw.
        reigns: (term, member, log at promotion).
        left: crashes, writes, lost volumes and orders that may still come.
    """

    who: tuple[Who, ...]
    asked: frozenset[tuple[int, int]]
    answers: frozenset[tuple[int, int, int, tuple[int, int], Rule | None]]
    handed: frozenset[tuple[int, int, Rule]]
    said: frozenset[tuple[int, int, int]]
    acks: frozenset[tuple[int, int, int]]
    owed: frozenset[tuple[int, Record, int]]
    reigns: tuple[tuple[int, int, Log], ...]
    left: tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True)
class Bounds:
    """How far a search goes.

    Args:
        members: of the shard; `cohort` of them vote at first.
        term: highest term.
        crashes, writes, losses: how many there may be in all.
        orders: (size, W) of cohorts that the operator asks for, one after the other.
        switchovers: a leader may hand off.
        permits: a leader that fewer than W members follow may let diverged ones rewind before its row.
            Time decides that, so without clocks it may always happen. It is the one case in which a copy of an
            acknowledged record is given up before there is another; without it every rewind leaves W+1.
    """

    members: int = 3
    cohort: int = 3
    acks: int = 1
    term: int = 3
    crashes: int = 1
    writes: int = 1
    losses: int = 0
    orders: tuple[tuple[int, int], ...] = ()
    switchovers: bool = False
    permits: bool = True


Step = tuple[str, Callable[[], State]]
"""What happens, as a clause for the counterexample, and what gives the state after it."""


def put(state: State, member: int, me: Who) -> State:
    """Return the state with this in place of a member."""
    who = state.who
    return state._replace(who=(*who[:member], me, *who[member + 1 :]))


def raised(acks: frozenset[tuple[int, int, int]], term: int, member: int, end: int) -> frozenset[tuple[int, int, int]]:
    """Raise what a member said that it flushed under a term; it never takes it back."""
    for entry in acks:
        if entry[0] == term and entry[1] == member:
            return acks if entry[2] >= end else (acks - {entry}) | {(term, member, end)}
    return acks | {(term, member, end)}


@functools.cache
def diverged(log: Log, leader: Log) -> bool:
    """Tell by timelines and ends, as a server can, whether a log's end is off a leader's lineage."""
    if not log:
        return False
    timeline, last = log[-1][0], leader[-1][0]
    ends = [index + 1 for index, record in enumerate(leader) if record[0] == timeline]
    if not ends:
        return True
    return timeline != last and len(log) > ends[-1]
