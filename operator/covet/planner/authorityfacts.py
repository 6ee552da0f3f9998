"""What was observed of the authorities of a cluster: the present one, the one after it, the one before."""

import dataclasses
import datetime as dt
import enum


class Reign(enum.StrEnum):
    """How far the way from one authority to the next is."""

    STEADY = "Steady"
    """There is one authority."""
    ANNOUNCED = "Announced"
    """The next one is trusted beside it, and has issued nothing."""
    SIGNING = "Signing"
    """The next one has become the present one; the former is trusted for what it issued."""


@dataclasses.dataclass(frozen=True)
class Authorities:
    """The authorities of a cluster.

    Args:
        reign: how far the way from one to the next is.
        made: when the present one was made.
        next_made: when the next one was, None if there is none.
        notice: for how long the next one is announced at least, unless a person wants it at once.
    """

    reign: Reign
    made: dt.datetime
    next_made: dt.datetime | None
    notice: dt.timedelta
