"""Virtual time: a queue of what happens next. The same seed gives the same order, always."""

import heapq
import random
from collections.abc import Callable
from typing import Any


class Clockwork:
    """Real (virtual) time in milliseconds since the schedule began, and what is due.

    Args:
        seed: of everything random in this schedule.
    """

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self._queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, moment: float, action: Callable[..., None], *values: Any) -> None:  # noqa: ANN401  any action
        """Do something at a moment; what is due at the same one happens in the order of asking."""
        self._count += 1
        heapq.heappush(self._queue, (max(moment, self.now), self._count, action, values))

    def after(self, delay: float, action: Callable[..., None], *values: Any) -> None:  # noqa: ANN401  any action
        """Do something so many milliseconds from now."""
        self._count += 1
        heapq.heappush(self._queue, (self.now + delay, self._count, action, values))

    def run(self, until: float) -> None:
        """Let time pass."""
        queue = self._queue
        while queue and queue[0][0] <= until:
            self.now, _, action, values = heapq.heappop(queue)
            action(*values)
        self.now = until
