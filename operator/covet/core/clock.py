"""Time, so that nothing that decides ever reads it by itself.

Durations and deadlines use the monotonic clock only (invariant I11); wall-clock time is
for people: conditions, events and logs.
"""

import dataclasses
import datetime as dt
import time
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Clock:
    """The two clocks of a process.

    Args:
        monotonic: returns seconds since an arbitrary start; never goes back.
        wall: returns the current time in UTC.
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)


def rfc3339(moment: dt.datetime) -> str:
    """Return a moment as Kubernetes writes it: UTC, whole seconds, `Z`."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
