"""When to look again: at once after acting, soon while something moves, seldom when all is well."""

import dataclasses
import random
from typing import Final

SETTLED: Final = 30.0
"""Seconds between rounds while nothing is to do."""
UNFINISHED: Final = 10.0
"""Longest wait while something is unfinished."""
BIRTH: Final = 1.0
"""Longest wait while a shard is being born and its agents work."""
FIRST: Final = 0.5
"""First wait after something moved."""
AFTER_ACTION: Final = 0.1
"""Wait after an action was done: the world has changed."""
FAILED_FIRST: Final = 1.0
FAILED_LONGEST: Final = 60.0


@dataclasses.dataclass(frozen=True)
class Moment:
    """How a round ended.

    Args:
        acted: something was done.
        settled: nothing is to do and nothing to wait for.
        stalled: only a person can go on.
        newborn: a shard is not opened yet.
        signature: changes when anything that matters was seen to change.
    """

    acted: bool
    settled: bool
    stalled: bool
    newborn: bool
    signature: str


class Pace:
    """Remembers how long nothing moved."""

    def __init__(self) -> None:
        self._signature = ""
        self._still = 0
        self._failures = 0

    def after(self, moment: Moment) -> float:
        """Return the seconds to wait after a round."""
        self._failures = 0
        if moment.signature != self._signature:
            self._signature, self._still = moment.signature, 0
        else:
            self._still += 1
        if moment.settled:
            return SETTLED
        if moment.acted and self._still < 3:
            return AFTER_ACTION
        if moment.stalled:
            return UNFINISHED
        longest = BIRTH if moment.newborn else UNFINISHED
        return min(longest, FIRST * 1.3 ** min(self._still, 20))

    def after_failure(self, first: float = FAILED_FIRST, longest: float = FAILED_LONGEST) -> float:
        """Return the seconds to wait after a round that failed; longer each time, with jitter."""
        self._failures += 1
        wait = min(longest, first * 2.0 ** min(self._failures - 1, 10))
        return wait * random.uniform(0.8, 1.2)
