"""Maintenance windows: when pods of an earlier operator or image are made anew without a person's word. Pure."""

import datetime as dt
from typing import Final

from covet.api.effective import EffectiveWindow
from covet.api.spec import Weekday

_DAYS: Final = (Weekday.MON, Weekday.TUE, Weekday.WED, Weekday.THU, Weekday.FRI, Weekday.SAT, Weekday.SUN)
"""By the number that a date has for its day."""
_BEGINNINGS: Final = (0, 1)
"""Days back that a window which is open may have begun: it lasts 24 hours at most."""


def is_open(window: EffectiveWindow | None, now: dt.datetime) -> bool:
    """Return whether a moment lies in a window; where there is none, nothing is open.

    Args:
        window: of the cluster.
        now: wall-clock time, with its zone.
    """
    if window is None:
        return False
    moment = now.astimezone(dt.UTC)
    return any(_covers(window, moment.date() - dt.timedelta(days=back), moment) for back in _BEGINNINGS)


def _covers(window: EffectiveWindow, day: dt.date, moment: dt.datetime) -> bool:
    """Return whether the window that begins on a day, if one does, holds a moment."""
    begins = dt.datetime.combine(day, dt.time.fromisoformat(window.start), dt.UTC)
    return _DAYS[day.weekday()] in window.days and begins <= moment < begins + dt.timedelta(hours=window.hours)


def described(window: EffectiveWindow) -> str:
    """Return a window in words, as `Sat, Sun from 02:00 UTC, 4 hours long`."""
    days = "every day" if len(window.days) == len(_DAYS) else ", ".join(window.days)
    return f"{days} from {window.start} UTC, {window.hours} {'hour' if window.hours == 1 else 'hours'} long"
