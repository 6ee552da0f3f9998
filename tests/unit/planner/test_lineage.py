"""Who may follow whom: by the end of the log, what is not replayed included."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.core.agentapi import Ancestor, Position
from covet.planner import lineage

LEADER = "s0-a-0123456789ab"
HISTORY = (Ancestor(1, 100), Ancestor(2, 200), Ancestor(5, 300))
"""Term 3 and 4 came to nothing."""
END = Position(6, 400)


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        (Position(6, 400), None),
        (Position(6, 301), None),
        (Position(6, 401), "LeaderBehind"),
        (Position(5, 300), None),
        (Position(5, 301), "PastFork"),
        (Position(2, 200), None),
        (Position(2, 201), "PastFork"),
        (Position(1, 100), None),
        (Position(1, 101), "PastFork"),
        (Position(3, 150), "TermForeign"),
        (Position(4, 250), "TermForeign"),
        (Position(7, 1), "TermForeign"),
    ],
)
def test_i8_a_member_off_the_leaders_lineage_does_not_follow(own: Position, reason: str | None) -> None:
    """A log that ends past a fork, beyond the leader's end or on a timeline of nobody's is not gone on from."""
    fault = lineage.fault_of_position(own, LEADER, END, HISTORY)
    assert reason == (fault[0] if fault else None)


@pytest.mark.parametrize(
    ("own", "ancestors", "expected"),
    [
        (Position(6, 390), HISTORY, 390),
        (Position(6, 410), HISTORY, 400),
        (Position(5, 350), HISTORY[:2], 300),
        (Position(4, 260), HISTORY[:2], 200),
        (Position(4, 190), (Ancestor(1, 100), Ancestor(2, 150)), 150),
        (Position(2, 250), HISTORY[:1], 200),
        (Position(9, 250), (Ancestor(8, 90),), 0),
    ],
)
def test_i8_two_logs_are_the_same_up_to_their_fork(
    own: Position, ancestors: tuple[Ancestor, ...], expected: int
) -> None:
    """What is discarded begins there."""
    assert expected == lineage.common_end(own, ancestors, END, HISTORY)


@st.composite
def lines(draw: st.DrawFn) -> tuple[tuple[Ancestor, ...], Position]:
    """Return a log: timelines that rise, each with some bytes of its own."""
    terms = sorted(draw(st.sets(st.integers(1, 12), min_size=1, max_size=6)))
    ends, lsn = [], 0
    for _ in terms:
        lsn += draw(st.integers(1, 50))
        ends.append(lsn)
    ancestors = tuple(Ancestor(term, end) for term, end in zip(terms, ends, strict=True))
    return ancestors[:-1], Position(terms[-1], ends[-1])


def bytes_of(ancestors: tuple[Ancestor, ...], end: Position) -> list[int]:
    """Return a log as the timeline of each of its bytes."""
    log: list[int] = []
    for ancestor in (*ancestors, Ancestor(end.term, end.lsn)):
        log += [ancestor.timeline] * (ancestor.lsn - len(log))
    return log


@given(lines(), st.integers(0, 300))
def test_i8_every_cut_of_a_leaders_log_may_follow_it(line: tuple[tuple[Ancestor, ...], Position], cut: int) -> None:
    """A member that holds a part of the leader's log is on its lineage."""
    history, end = line
    log = bytes_of(history, end)[: 1 + cut % end.lsn]
    assert lineage.fault_of_position(Position(log[-1], len(log)), LEADER, end, history) is None


@st.composite
def families(draw: st.DrawFn) -> list[tuple[tuple[Ancestor, ...], Position]]:
    """Return two logs that were one up to some byte, and then went on under terms of their own."""
    ancestors, end = draw(lines())
    stem = bytes_of(ancestors, end)[: draw(st.integers(1, end.lsn))]
    found = []
    for parity in (0, 1):
        log = stem + [stem[-1]] * (draw(st.integers(0, 20)) if parity else 0)
        for step in range(draw(st.integers(0, 2))):
            log = log + [20 + 2 * step + parity] * draw(st.integers(1, 30))
        ends = {term: position + 1 for position, term in enumerate(log)}
        *before, last = (Ancestor(term, lsn) for term, lsn in ends.items())
        found.append((tuple(before), Position(last.timeline, last.lsn)))
    return found


@given(families(), st.booleans())
def test_i8_whoever_may_follow_holds_nothing_that_the_leader_lacks(
    family: list[tuple[tuple[Ancestor, ...], Position]], swap: bool
) -> None:
    """The judgement by timelines and ends is that of comparing every byte."""
    (ancestors, own), (history, end) = reversed(family) if swap else family
    log, leaders = bytes_of(ancestors, own), bytes_of(history, end)
    assert (log == leaders[: len(log)]) is (lineage.fault_of_position(own, LEADER, end, history) is None)
    same = next((at for at, (one, two) in enumerate(zip(log, leaders, strict=False)) if one != two), None)
    assert (min(len(log), len(leaders)) if same is None else same) == lineage.common_end(own, ancestors, end, history)
