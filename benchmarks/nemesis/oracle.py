"""Judges a run by what clients were told: pure, so that it can be tried on histories that are wrong.

Only what was sent after something else was answered is held to come after it; what ran at the same time
may have any order.
"""

import collections
import dataclasses
import itertools
import json
import statistics
from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.nemesis import lists

MILLISECOND: Final = 1_000_000


@dataclasses.dataclass(frozen=True)
class Ack:
    """A write that a leader acknowledged; times in nanoseconds of the monotonic clock; by which way it was sent."""

    number: int
    writer: int
    host: str
    term: int
    sent: int
    at: int
    way: str = ""


@dataclasses.dataclass(frozen=True)
class Read:
    """The numbers of writes, from one on, that a leader answered with; times as of an `Ack`."""

    term: int
    host: str
    sent: int
    at: int
    since: int
    numbers: frozenset[int]


@dataclasses.dataclass(frozen=True)
class History:
    """What the clients of one run saw.

    Args:
        acks: in the order of their answers.
        doubts: numbers of the writes that may be there or not.
        reads: in the order of their answers.
        transactions: that appended to lists, in the order of their ends.
    """

    acks: tuple[Ack, ...]
    doubts: frozenset[int]
    reads: tuple[Read, ...] = ()
    transactions: tuple[lists.Transaction, ...] = ()


@dataclasses.dataclass(frozen=True)
class Gap:
    """How long a fault took writes away, in milliseconds.

    Args:
        any_writer: from the last acknowledgement before to the first one after it, on any writer.
        median_writer: the same for each writer by itself, their median; None if no writer was seen on both sides.
        longest: the longest time without any acknowledgement in the whole run.
        first_at: when the first acknowledgement after the fault came, nanoseconds.
    """

    any_writer: float
    median_writer: float | None
    longest: float
    first_at: int


@dataclasses.dataclass(frozen=True)
class Rows:
    """A sum over rows that must not change: how many there are, and the sum of their numbers."""

    count: int
    total: int


def read(lines: Iterable[str]) -> History:
    """Read a log of the clients."""
    acks, doubts, reads, transactions = [], set(), [], []
    for line in lines:
        kind, *rest = json.loads(line)
        if kind == "ack":
            acks.append(Ack(*rest))
        elif kind == "read":
            term, host, sent, at, since, numbers = rest
            reads.append(Read(term, host, sent, at, since, frozenset(numbers)))
        elif kind == "lists":
            transactions.append(lists.read(rest))
        else:
            doubts.add(rest[0])
    acks.sort(key=lambda ack: ack.at)
    reads.sort(key=lambda read: read.at)
    return History(tuple(acks), frozenset(doubts), tuple(reads), tuple(transactions))


def over(history: History, way: str) -> History:
    """Return what the clients of one way saw; doubts are left out."""
    return History(tuple(ack for ack in history.acks if ack.way == way), frozenset())


def judge_rows(history: History, rows: Sequence[int], member: str) -> list[str]:
    """Hold the numbers that stand in a member's table, of this run, against what clients were told."""
    problems = []
    counts = collections.Counter(rows)
    acknowledged = {ack.number for ack in history.acks}
    if lost := acknowledged - counts.keys():
        problems.append(f"{len(lost)} acknowledged writes are not on {member}, the first is {min(lost)}")
    if doubled := sorted(number for number, count in counts.items() if count > 1):
        problems.append(f"{len(doubled)} writes are more than once on {member}, the first is {doubled[0]}")
    if unread := frozenset[int]().union(*(read.numbers for read in history.reads)) - counts.keys():
        problems.append(f"{len(unread)} writes that were read are not on {member}, the first is {min(unread)}")
    if unknown := counts.keys() - acknowledged - history.doubts:
        problems.append(f"{len(unknown)} writes on {member} that nobody sent, the first is {min(unknown)}")
    return problems


def judge_terms(history: History) -> list[str]:
    """Say where a term had two leaders, or a leader acknowledged after a newer one had opened."""
    problems = []
    hosts: dict[int, set[str]] = collections.defaultdict(set)
    opened: dict[int, int] = {}
    for ack in history.acks:
        hosts[ack.term].add(ack.host)
        opened.setdefault(ack.term, ack.at)
    problems += [
        f"term {term} was acknowledged by {', '.join(sorted(of))}" for term, of in hosts.items() if len(of) > 1
    ]
    for ack in history.acks:
        newer = [term for term, at in opened.items() if term > ack.term and at < ack.sent]
        if newer:
            problems.append(f"write {ack.number} was sent to term {ack.term} after term {min(newer)} had opened")
            break
    return problems


def judge_reads(history: History) -> list[str]:
    """Say where a read missed what had been acknowledged, or read, before it was sent: reads never go back.

    A read of a leader is held against its own and older terms. Whoever is still in a session with a leader that
    was succeeded may see the past; only reads under a lease are promised more.
    """
    answers = [(ack.at, ack.term, frozenset({ack.number})) for ack in history.acks]
    answers += [(read.at, read.term, read.numbers) for read in history.reads]
    waiting = collections.deque(sorted(answers, key=lambda one: one[0]))
    known: dict[int, int] = {}
    for read in sorted(history.reads, key=lambda one: one.sent):
        while waiting and waiting[0][0] < read.sent:
            _, term, numbers = waiting.popleft()
            known |= {number: min(term, known.get(number, term)) for number in numbers}
        known = {number: term for number, term in known.items() if number >= read.since}
        if missing := {number for number, term in known.items() if term <= read.term} - read.numbers:
            what = f"{len(missing)} writes that were acknowledged or read before, the first is {min(missing)}"
            return [f"a read of term {read.term} on {read.host} misses {what}"]
    return []


def judge_earlier(before: Rows, now: Rows, member: str) -> list[str]:
    """Say whether what earlier runs left changed since on a member."""
    if before == now:
        return []
    return [
        f"{before.count} writes of earlier runs were on {member}, now {now.count}, sum {now.total - before.total:+}"
    ]


def measure_gap(history: History, fault_at: int, term: int) -> Gap | None:
    """Return the gap of a fault, None if no write was acknowledged after it.

    A gap ends with the first acknowledgement of a newer term than that before the fault. If no newer term
    acknowledged anything, it is the longest time without an acknowledgement since the fault.

    Args:
        history: of the run.
        fault_at: nanoseconds of the monotonic clock.
        term: whose leader acknowledged before the fault.
    """
    acks = history.acks
    pauses = [(after.at - before.at, after) for before, after in itertools.pairwise(acks)]
    if not pauses:
        return None
    longest = max(pause for pause, _ in pauses) / MILLISECOND
    first = next((ack for ack in acks if ack.term > term), None)
    if first is None:
        later = [(pause, after.at) for pause, after in pauses if after.at > fault_at]
        if not later:
            return None
        pause, at = max(later)
        return Gap(pause / MILLISECOND, _median_pause(acks, fault_at), longest, at)
    last = max((ack.at for ack in acks if ack.at < first.at), default=fault_at)
    return Gap((first.at - last) / MILLISECOND, _median_change(acks, term), longest, first.at)


def _median_change(acks: Sequence[Ack], term: int) -> float | None:
    """Return the median over writers of the time from their last old to their first new acknowledgement."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for ack in acks:
        if ack.term > term:
            first.setdefault(ack.writer, ack.at)
        elif ack.writer not in first:
            last[ack.writer] = ack.at
    both = [first[writer] - last[writer] for writer in first.keys() & last.keys()]
    return statistics.median(both) / MILLISECOND if both else None


def _median_pause(acks: Sequence[Ack], since: int) -> float | None:
    """Return the median over writers of their longest time without an acknowledgement since a moment."""
    last: dict[int, int] = {}
    longest: dict[int, int] = {}
    for ack in acks:
        if ack.writer in last and ack.at > since:
            longest[ack.writer] = max(longest.get(ack.writer, 0), ack.at - last[ack.writer])
        last[ack.writer] = ack.at
    return statistics.median(longest.values()) / MILLISECOND if longest else None
