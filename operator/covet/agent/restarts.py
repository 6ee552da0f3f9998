"""When a server that died may be started again."""

from typing import Final

FIRST: Final = 1.0
LONGEST: Final = 30.0
STABLE: Final = 5.0
"""Seconds that a server has to live for its next death to count as the first again."""
LONGEST_AFTER_UP: Final = 2.0
"""The longest pause after the death of a server that had come up.

The long one is there for a server that cannot start. One that answered and was killed soon after, even again and
again, is needed: until it is back, its shard has a member less.
"""


class BackOff:
    """The wait between deaths of a server: none after a long life, then 1 s doubling to 30 s; 2 s if it came up."""

    def __init__(self) -> None:
        self._delay = 0.0
        self._started_at: float | None = None
        self._ready_at = 0.0

    def started(self, now: float) -> None:
        """Note a start, at monotonic seconds."""
        self._started_at = now

    def died(self, now: float, *, up: bool = False) -> float:
        """Note a death and return the seconds to wait before the next start; `up` if the server had answered."""
        longest = LONGEST_AFTER_UP if up else LONGEST
        lived = now - self._started_at if self._started_at is not None else 0.0
        if lived >= STABLE or self._delay == 0.0:
            delay = 0.0 if self._delay == 0.0 or lived >= STABLE else self._delay
            self._delay = FIRST
        else:
            delay = min(longest, self._delay)
            self._delay = min(longest, self._delay * 2)
        self._ready_at = now + delay
        return delay

    def ready(self, now: float) -> bool:
        """Tell whether the server may be started."""
        return now >= self._ready_at
