"""Finds transactions that would each have to come before the other: pure.

Of two transactions one comes before the other if it appended the item before (ww), if the other saw its append (wr), or
if it did not see the other's append (rw). In a serial order there is no way round in that. What kind of anomaly a way
round is depends on how many of its steps are rw: G0 none, all of them ww; G1c none; G-single one; G2 several.
"""

import collections
import dataclasses
import graphlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from benchmarks.nemesis import lists
from benchmarks.nemesis.lists import Ends, Transaction

WW: Final = "ww"
WR: Final = "wr"
RW: Final = "rw"


@dataclasses.dataclass(frozen=True)
class Edge:
    """One transaction comes before another, both by their numbers.

    Args:
        kind: `ww`, `wr` or `rw`.
        key: of the list that tells it.
    """

    before: int
    after: int
    kind: str
    key: int


def judge(transactions: Sequence[Transaction], ends: Ends) -> list[str]:
    """Say the shortest way round of the gravest kind, if there is one.

    What was seen and contradicts the end is left out here: `lists.judge_values` says it.
    """
    took = lists.happened(transactions, ends)
    found = list(edges(took, ends))
    if not _goes_round(found):
        return []
    written, seen = ([edge for edge in found if edge.kind in kinds] for kinds in ((WW,), (WW, WR)))
    missed = [edge for edge in found if edge.kind == RW]
    for name, first, rest in (("G0", written, written), ("G1c", seen, seen), ("G-single", missed, seen)):
        if way := _shortest(first, rest):
            return [_tell(name, way, took)]
    return [_tell("G2", _shortest(found, found), took)]


def edges(took: Sequence[Transaction], ends: Ends) -> Iterator[Edge]:
    """Yield who comes before whom."""
    owners = {pair: number for number, one in enumerate(took) for pair in one.appends}
    for key, items in ends.items():
        for first, second in itertools.pairwise(items):
            before, after = owners.get((key, first)), owners.get((key, second))
            if before is not None and after is not None and before != after:
                yield Edge(before, after, WW, key)
    for number, one in enumerate(took):
        for key, view in one.views().items():
            items = ends.get(key, lists.NONE)
            if items[: len(view)] != view:
                continue
            writer = owners.get((key, view[-1])) if view else None
            if writer is not None and writer != number:
                yield Edge(writer, number, WR, key)
            overwriter = owners.get((key, items[len(view)])) if len(view) < len(items) else None
            if overwriter is not None and overwriter != number:
                yield Edge(number, overwriter, RW, key)


def _goes_round(found: Sequence[Edge]) -> bool:
    sorter = graphlib.TopologicalSorter[int]()
    for edge in found:
        sorter.add(edge.after, edge.before)
    try:
        sorter.prepare()
    except graphlib.CycleError:
        return True
    return False


def _shortest(first: Sequence[Edge], rest: Sequence[Edge]) -> list[Edge]:
    """Return the shortest way round that begins with one of some edges and goes on over others; empty without one."""
    leaving: dict[int, list[Edge]] = collections.defaultdict(list)
    for edge in rest:
        leaving[edge.before].append(edge)
    ways = ([edge, *_way(leaving, edge.after, edge.before)] for edge in first)
    return min((way for way in ways if way[-1].after == way[0].before), key=len, default=[])


def _way(leaving: Mapping[int, Sequence[Edge]], begin: int, end: int) -> list[Edge]:
    """Return the shortest way between two transactions, none if there is none."""
    by: dict[int, Edge] = {}
    queue = collections.deque([begin])
    while queue and end not in by:
        for edge in leaving.get(queue.popleft(), ()):
            if edge.after not in by:
                by[edge.after] = edge
                queue.append(edge.after)
    way: list[Edge] = []
    at = end
    while at in by and (at != begin or not way):
        way.append(by[at])
        at = by[at].before
    return way[::-1] if way and at == begin else []


def _tell(name: str, way: Sequence[Edge], took: Sequence[Transaction]) -> str:
    steps = (f"{took[edge.before].name} before {took[edge.after].name} ({edge.kind}, list {edge.key})" for edge in way)
    return f"{name}: {', '.join(steps)}"
