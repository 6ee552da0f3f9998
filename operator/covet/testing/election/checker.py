"""Breadth-first search of every state that a model can reach; the shortest way to a violation."""

import dataclasses
import random
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)


class BrokenError(Exception):
    """A step of a model broke an invariant; the message begins with its name."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a search found.

    Args:
        states: how many were visited.
        transitions: how many steps were tried.
        exhausted: every reachable state within the bounds was visited.
        problem: the violation, empty if there is none.
        trace: the steps that lead to it.
    """

    states: int
    transitions: int
    exhausted: bool
    problem: str = ""
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        steps = "".join(f"\n  {number:2} {step}" for number, step in enumerate(self.trace, 1))
        return f"{self.problem or 'no violation'} ({self.states} states, {self.transitions} transitions){steps}"


class Model(Generic[S]):
    """What the search needs: a first state, the steps from any state, and one state for all equal ones."""

    first: S

    def steps(self, state: S) -> Iterator[tuple[str, Callable[[], S]]]:
        """Yield every step that may be next: what it is called, and how to take it."""
        raise TypeError(f"{type(self).__name__} does not say what may follow {state}")

    def canonical(self, state: S) -> S:
        """Return the state that stands for all equal ones."""
        return state


def explore(model: Model[S], limit: int) -> Verdict:
    """Visit all states, nearest first, up to a limit."""
    first = model.canonical(model.first)
    parents: dict[S, tuple[S, str] | None] = {first: None}
    queue = deque([first])
    transitions = 0
    steps, canonical = model.steps, model.canonical
    while queue:
        state = queue.popleft()
        for label, take in steps(state):
            transitions += 1
            try:
                after = canonical(take())
            except BrokenError as broken:
                return Verdict(len(parents), transitions, False, str(broken), (*_way(parents, state), label))  # noqa: FBT003  found
            if after not in parents:
                parents[after] = (state, label)
                queue.append(after)
        if len(parents) > limit:
            return Verdict(len(parents), transitions, exhausted=False)
    return Verdict(len(parents), transitions, exhausted=True)


def wander(model: Model[S], seed: int, walks: int, length: int) -> Verdict:
    """Walk at random, for models that are too large to visit whole."""
    draw = random.Random(seed)
    seen: set[int] = set()
    transitions = 0
    for _ in range(walks):
        state, way = model.first, []
        for _ in range(length):
            choices = list(model.steps(state))
            if not choices:
                break
            label, take = draw.choice(choices)
            way.append(label)
            transitions += 1
            try:
                state = take()
            except BrokenError as broken:
                return Verdict(len(seen), transitions, False, str(broken), tuple(way))  # noqa: FBT003  found
            seen.add(hash(state))
    return Verdict(len(seen), transitions, exhausted=False)


def _way(parents: dict[S, tuple[S, str] | None], state: S) -> tuple[str, ...]:
    way: list[str] = []
    step = parents[state]
    while step is not None:
        state, label = step
        way.append(label)
        step = parents[state]
    return tuple(reversed(way))
