"""Maintenance windows: open for as long as they say, every week, whatever zone a moment is written in."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.api.effective import EffectiveWindow
from covet.api.spec import Weekday
from covet.planner import windows

SUNDAY = dt.datetime(2026, 1, 4, tzinfo=dt.UTC)


def window(days: str = "Sat Sun", start: str = "22:00", hours: int = 4) -> EffectiveWindow:
    """Return a window."""
    return EffectiveWindow(days=tuple(Weekday(day) for day in days.split()), start=start, hours=hours)


@pytest.mark.parametrize(
    ("hours", "minutes", "expected"),
    [
        (-3, 0, False),  # Saturday, 21:00
        (-2, 0, True),
        (1, 59, True),  # Sunday morning, of the window that began on Saturday
        (2, 0, False),
        (22, 0, True),
        (25, 59, True),  # Monday morning, of the window that began on Sunday
        (26, 0, False),
        (46, 0, False),  # Monday, 22:00
    ],
)
def test_a_window_lasts_past_midnight(hours: int, minutes: int, expected: bool) -> None:
    """It begins on the days that it names and ends after its hours, on whatever day that is."""
    assert expected is windows.is_open(window(), SUNDAY + dt.timedelta(hours=hours, minutes=minutes))


def test_without_a_window_nothing_is_open() -> None:
    """Then a person says when."""
    assert windows.is_open(None, SUNDAY) is False


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    """Windows are in UTC: 23:30 of Sunday in UTC is 01:30 of Monday two hours further east."""
    east = dt.datetime(2026, 1, 5, 1, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert windows.is_open(window("Sun"), east)
    assert not windows.is_open(window("Mon"), east)


@given(
    st.lists(st.sampled_from(list(Weekday)), min_size=1, unique=True),
    st.times().map(lambda time: f"{time:%H:%M}"),
    st.integers(1, 24),
)
def test_a_week_holds_as_many_open_minutes_as_it_says(days: list[Weekday], start: str, hours: int) -> None:
    """Windows of different days never overlap by more than their end, so each counts in full."""
    kept = EffectiveWindow(days=tuple(days), start=start, hours=hours)
    first = SUNDAY + dt.timedelta(minutes=int(start[3:]))
    opened = sum(windows.is_open(kept, first + dt.timedelta(hours=hour)) for hour in range(7 * 24))
    assert len(days) * hours == opened


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (window(), "Sat, Sun from 22:00 UTC, 4 hours long"),
        (window(" ".join(Weekday), "02:30", 1), "every day from 02:30 UTC, 1 hour long"),
    ],
)
def test_a_window_in_words(kept: EffectiveWindow, said: str) -> None:
    """The status says when the next restarts may be."""
    assert said == windows.described(kept)
