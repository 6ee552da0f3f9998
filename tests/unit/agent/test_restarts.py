"""A server that cannot start is tried ever more rarely; one that was killed is back soon."""

from covet.agent.restarts import BackOff


def pauses(lives: list[float], *, up: bool) -> list[float]:
    """Return the pause after each of some lives, seconds, of a server that is started as soon as it may be."""
    back_off, now, found = BackOff(), 0.0, []
    for life in lives:
        back_off.started(now)
        now += life
        found.append(back_off.died(now, up=up))
        assert back_off.ready(now + found[-1])
        assert found[-1] == 0.0 or not back_off.ready(now + found[-1] - 0.1)
        now += found[-1]
    return found


def test_a_server_that_cannot_start_is_tried_ever_more_rarely() -> None:
    """At once, after a second, and then twice as long each time, up to half a minute."""
    assert [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] == pauses([0.2] * 8, up=False)


def test_a_server_that_is_killed_again_and_again_is_back_within_two_seconds() -> None:
    """It came up each time: its shard lacks a member for as long as it waits."""
    assert [0.0, 1.0, 2.0, 2.0, 2.0] == pauses([4.0] * 5, up=True)


def test_a_long_life_makes_up_for_everything() -> None:
    """The next death is the first again."""
    assert [0.0, 1.0, 0.0, 1.0] == pauses([1.0, 1.0, 5.0, 1.0], up=True)


def test_a_server_that_came_up_and_no_longer_does_waits_longer_again() -> None:
    """What counts is how the last life went."""
    back_off = BackOff()
    found = []
    for now, up in ((0.0, True), (1.0, True), (3.0, True), (6.0, False), (9.0, False), (14.0, False)):
        back_off.started(now)
        found.append(back_off.died(now + 0.5, up=up))
    assert [0.0, 1.0, 2.0, 2.0, 4.0, 8.0] == found
