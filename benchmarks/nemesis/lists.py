"""Judges transactions that append to lists: pure, so that it can be tried on histories that are wrong.

Every number is appended once. So the list that is there in the end tells in which order its transactions took place,
and what one saw tells after which of them it did: nothing has to be guessed. The anomalies have the names of Adya's
theses; the way to find them is that of Elle (Kingsbury and Alvaro, VLDB 2020), as far as one small program goes.
"""

import bisect
import collections
import dataclasses
import enum
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

Items = tuple[int, ...]
Ends = Mapping[int, Items]
"""What each list holds in the end, by key."""


class Fate(enum.StrEnum):
    """What a client knows of its transaction's end."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class Step:
    """One append or read of a transaction.

    Args:
        key: of the list.
        value: that was appended; None of a read.
        seen: what the list held afterwards; None if that was never answered.
    """

    key: int
    value: int | None
    seen: Items | None


@dataclasses.dataclass(frozen=True)
class Transaction:
    """What a client did in one transaction; times in nanoseconds of the monotonic clock."""

    fate: Fate
    client: int
    host: str
    sent: int
    at: int
    way: str
    steps: tuple[Step, ...]

    @property
    def appends(self) -> list[tuple[int, int]]:
        """The (key, value) of each append, in order."""
        return [(step.key, step.value) for step in self.steps if step.value is not None]

    @property
    def name(self) -> str:
        """What a person finds it by in the log: its first number."""
        return f"the transaction of {self.appends[0][1]}" if self.appends else f"a read sent at {self.sent}"

    def views(self) -> dict[int, Items]:
        """Return what others had left in each list when this one first looked."""
        found: dict[int, Items] = {}
        for step in self.steps:
            if step.seen is not None and step.key not in found:
                found[step.key] = step.seen if step.value is None else step.seen[:-1]
        return found


NONE: Final[Items] = ()


def read(fields: Sequence[Any]) -> Transaction:
    """Read what a client noted, without the first word."""
    fate, client, host, sent, at, way, steps = fields
    told = (Step(key, value, None if seen is None else tuple(seen)) for key, value, seen in steps)
    return Transaction(Fate(fate), client, host, sent, at, way, tuple(told))


def keys(transactions: Iterable[Transaction]) -> list[int]:
    """Return the keys of all lists that were meant to be touched."""
    return sorted({step.key for one in transactions for step in one.steps})


def judge_ends(ends: Mapping[str, Ends]) -> list[str]:
    """Say which list does not end alike on all members.

    Args:
        ends: by member.
    """
    members = sorted(ends)
    for one, other in itertools.pairwise(members):
        differing = sorted(
            key for key in ends[one].keys() | ends[other].keys() if ends[one].get(key) != ends[other].get(key)
        )
        if differing:
            return [f"{len(differing)} lists differ between {one} and {other}, the first is {differing[0]}"]
    return []


def happened(transactions: Sequence[Transaction], ends: Ends) -> list[Transaction]:
    """Return those that took place: the committed ones, and those in doubt of which anything is there."""
    there = {value for items in ends.values() for value in items}
    return [
        one
        for one in transactions
        if one.fate is Fate.COMMITTED or (one.fate is Fate.UNKNOWN and any(value in there for _, value in one.appends))
    ]


def judge_values(transactions: Sequence[Transaction], ends: Ends) -> list[str]:
    """Hold what each transaction did and saw against what is there in the end: cycles are another's to find."""
    took = happened(transactions, ends)
    checks = (
        ("lost updates", _lost(took, ends)),
        ("numbers are more than once in a list", _doubled(ends)),
        ("numbers that nobody appended", _strange(transactions, took, ends)),
        ("appends of transactions that were rolled back (G1a)", _aborted(transactions, took, ends)),
        ("reads amid another's transaction (G1b)", _middle(took)),
        ("transactions did not see their own appends", _own(took)),
        ("transactions saw another order of a list than it has in the end, a fork", _forks(took, ends)),
        ("transactions missed what was acknowledged before they were sent", _stale(took, ends)),
    )
    problems = []
    for what, found in checks:
        if told := list(found):
            problems.append(f"{len(told)} {what}, the first is {told[0]}")
    return problems


def _lost(took: Sequence[Transaction], ends: Ends) -> Iterator[str]:
    """Yield what was committed and is not there; of one in doubt nothing may be missing if anything is there."""
    for one in took:
        for key, value in one.appends:
            if value not in ends.get(key, NONE):
                yield f"{value} in list {key}, {one.fate} on {one.host}"


def _doubled(ends: Ends) -> Iterator[str]:
    for key, items in ends.items():
        for value, count in collections.Counter(items).items():
            if count > 1:
                yield f"{value} in list {key}"


def _answers(took: Sequence[Transaction], ends: Ends) -> Iterator[tuple[str, int, Items]]:
    """Yield every answer that counts: who saw it, of which list, what."""
    for key, items in ends.items():
        yield "the end", key, items
    for one in took:
        for step in one.steps:
            if step.seen is not None:
                yield one.name, step.key, step.seen


def _strange(transactions: Sequence[Transaction], took: Sequence[Transaction], ends: Ends) -> Iterator[str]:
    known = {pair for one in transactions for pair in one.appends}
    for who, key, items in _answers(took, ends):
        for value in items:
            if (key, value) not in known:
                yield f"{value} in list {key}, seen by {who}"


def _aborted(transactions: Sequence[Transaction], took: Sequence[Transaction], ends: Ends) -> Iterator[str]:
    gone = {pair for one in transactions if one.fate is Fate.ABORTED for pair in one.appends}
    for who, key, items in _answers(took, ends):
        for value in items:
            if (key, value) in gone:
                yield f"{value} in list {key}, seen by {who}"


def _middle(took: Sequence[Transaction]) -> Iterator[str]:
    """Yield views that end with an append that its own transaction followed by another to the same list."""
    followed = {
        first
        for one in took
        for (key, first), (other, _) in itertools.pairwise(sorted(one.appends, key=lambda pair: pair[0]))
        if key == other
    }
    for one in took:
        for key, view in one.views().items():
            if view and view[-1] in followed:
                yield f"{one.name}, list {key} up to {view[-1]}"


def _own(took: Sequence[Transaction]) -> Iterator[str]:
    """Yield transactions in which a list is not what the step before left, and what the step itself appended."""
    for one in took:
        before = one.views()
        for step in one.steps:
            if step.seen is None:
                continue
            wanted = before[step.key] if step.value is None else (*before[step.key], step.value)
            if step.seen != wanted:
                yield f"{one.name}, list {step.key}"
                break
            before[step.key] = step.seen


def _forks(took: Sequence[Transaction], ends: Ends) -> Iterator[str]:
    for one in took:
        for step in one.steps:
            if step.seen is not None and ends.get(step.key, NONE)[: len(step.seen)] != step.seen:
                yield f"{one.name} on {one.host}, list {step.key}"
                break


def _stale(took: Sequence[Transaction], ends: Ends) -> Iterator[str]:
    """Yield views that are shorter than what had been acknowledged before they were asked for."""
    places = {(key, value): place for key, items in ends.items() for place, value in enumerate(items, 1)}
    told: dict[int, list[tuple[int, int]]] = collections.defaultdict(list)
    for one in sorted(took, key=lambda one: one.at):
        if one.fate is Fate.COMMITTED:
            for key, value in one.appends:
                longest = max(told[key][-1][1] if told[key] else 0, places.get((key, value), 0))
                told[key].append((one.at, longest))
    for one in took:
        for key, view in one.views().items():
            before = bisect.bisect_left(told[key], (one.sent, 0))
            if before and told[key][before - 1][1] > len(view):
                yield f"{one.name} on {one.host}, list {key}"
                break
