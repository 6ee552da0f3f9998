"""The lag of a replica by its leader's heartbeats: on one clock, without writes, and never too small."""

from hypothesis import given
from hypothesis import strategies as st

from covet.planner import lag
from covet.planner.lag import MAX_STAMPS, Stamp, Trail

AHEAD = 5_000_000
"""The leader's monotonic clock minus the replica's, in milliseconds."""


def stamp(end: int, moment: int, term: int = 2) -> Stamp:
    """A heartbeat sent and heard at a moment of the replica's clock, its position read 100 ms before."""
    return Stamp(term, end, moment + AHEAD - 100, moment + AHEAD, moment)


def trail(*stamps: Stamp) -> Trail:
    """What is remembered of heartbeats."""
    found = Trail()
    for one in stamps:
        found = lag.hear(found, one)
    return found


def test_without_a_heartbeat_the_lag_is_unknown() -> None:
    """An older leader stamps nothing."""
    assert lag.seconds(Trail(), 7, 1000) is None


def test_an_idle_replica_is_as_old_as_the_last_heartbeat() -> None:
    """It replayed all there is: its age is that of the probe behind the newest heartbeat."""
    heard = trail(stamp(70, 1000), stamp(70, 1500))
    assert 0.1 == lag.seconds(heard, 70, 1500)
    assert 0.5 == lag.seconds(heard, 70, 1900)


def test_a_replica_behind_is_as_old_as_the_newest_position_that_it_replayed() -> None:
    """The clocks' difference does not count: only moments of the leader's clock are compared."""
    heard = trail(stamp(70, 1000), stamp(80, 2000), stamp(90, 3000))
    assert (2.6, 1.6, 0.6) == tuple(lag.seconds(heard, replayed, 3500) for replayed in (75, 85, 90))


def test_a_replica_that_never_caught_up_is_at_least_as_old_as_what_it_heard() -> None:
    """Nothing is known of the time before the first heartbeat."""
    assert 2.6 == lag.seconds(trail(stamp(70, 1000), stamp(80, 2000)), 60, 3500)


def test_silence_of_the_leader_makes_what_a_replica_shows_older() -> None:
    """Nobody can say what happened there since."""
    assert 60.1 == lag.seconds(trail(stamp(70, 1000)), 70, 61_000)


def test_a_new_leader_begins_a_new_trail_and_an_older_one_is_not_heard() -> None:
    """Positions and moments of two leaders are not comparable."""
    heard = trail(stamp(70, 1000), stamp(60, 1500, term=3), stamp(99, 1600))
    assert (stamp(60, 1500, term=3),) == heard.stamps
    assert 3 == heard.term


def test_a_repeated_heartbeat_is_no_news() -> None:
    """The voter tells the last one again until there is another."""
    assert trail(stamp(70, 1000)) == trail(stamp(70, 1000), stamp(70, 1000))


def test_what_was_replayed_is_forgotten_but_for_the_newest() -> None:
    """That one says how old the replica is."""
    heard = trail(stamp(70, 1000), stamp(80, 2000), stamp(90, 3000))
    assert (stamp(80, 2000), stamp(90, 3000)) == lag.trim(heard, 85).stamps
    assert heard == lag.trim(heard, 65)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=3 * MAX_STAMPS), st.integers(0, 50 * 3 * MAX_STAMPS))
def test_the_lag_is_never_told_too_small(steps: list[int], replayed: int) -> None:
    """However many heartbeats come, memory is bounded, and the lag is at least that of the whole history."""
    heard, whole, end = Trail(), [], 0
    for number, step in enumerate(steps):
        end += step
        whole.append(stamp(end, 1000 + 500 * number))
        heard = lag.hear(heard, whole[-1])
    now = 1000 + 500 * len(steps)
    exact = lag.seconds(Trail(tuple(whole)), replayed, now)
    told = lag.seconds(heard, replayed, now)
    assert len(heard.stamps) <= MAX_STAMPS
    assert exact is not None
    assert told is not None
    assert told >= exact
    assert told == lag.seconds(lag.trim(heard, replayed), replayed, now)
