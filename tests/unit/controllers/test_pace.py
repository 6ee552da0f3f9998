"""When to look again."""

from covet.controllers import pace
from covet.controllers.pace import Moment, Pace


def moment(
    signature: str = "a", *, acted: bool = False, settled: bool = False, stalled: bool = False, newborn: bool = False
) -> Moment:
    """Return the end of a round."""
    return Moment(acted, settled, stalled, newborn, signature)


def test_settled_means_half_a_minute() -> None:
    """When all is well a look every 30 s is enough."""
    assert pace.SETTLED == Pace().after(moment(settled=True))


def test_after_an_action_it_looks_at_once() -> None:
    """The world has changed; see what came of it."""
    assert pace.AFTER_ACTION == Pace().after(moment(acted=True))


def test_an_action_that_changes_nothing_does_not_spin() -> None:
    """The same action again and again slows down like waiting does."""
    subject = Pace()
    waits = [subject.after(moment(acted=True)) for _ in range(8)]
    assert waits[-1] > pace.FIRST


def test_a_birth_is_watched_closely() -> None:
    """While a shard is born, nobody waits more than a second."""
    subject = Pace()
    assert pace.BIRTH == max(subject.after(moment(newborn=True)) for _ in range(50))


def test_what_does_not_move_is_looked_at_less_often() -> None:
    """Unfinished work that stands still is looked at every 10 s in the end, and soon again once it moves."""
    subject = Pace()
    waits = [subject.after(moment()) for _ in range(30)]
    assert (pace.UNFINISHED, sorted(waits)) == (waits[-1], waits)
    assert pace.FIRST == subject.after(moment("b"))


def test_a_stalled_cluster_is_looked_at_every_ten_seconds() -> None:
    """A person may mend it at any time."""
    assert pace.UNFINISHED == Pace().after(moment(stalled=True))


def test_failures_wait_longer_each_time() -> None:
    """Back-off grows to a minute and forgets itself after a good round."""
    subject = Pace()
    waits = [subject.after_failure() for _ in range(12)]
    assert 0.8 <= waits[0] <= 1.2
    assert 48 <= waits[-1] <= 72
    subject.after(moment())
    assert subject.after_failure() <= 1.2
