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


@dataclasses.dataclass(frozen=True)
class OuterFacts:
    """The authority of somebody else that `spec.certificates.authoritySecret` names, and that clients know.

    Args:
        secret: name of its Secret.
        problem: why it cannot be used, None if it can.
        absent: it cannot be used because there is no such Secret.
        subject: of its certificate, empty if it cannot be used.
        made: from when it is valid, None if it cannot be used.
        ends: when it or one above it stops being valid, None if it cannot be used.
        ripe: False while clients may not know it yet: it is a root, and new.
    """

    secret: str
    problem: str | None = None
    absent: bool = False
    subject: str = ""
    made: dt.datetime | None = None
    ends: dt.datetime | None = None
    ripe: bool = True
