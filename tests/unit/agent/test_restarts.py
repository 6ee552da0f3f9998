"""The pause before a server that died is started again."""

from covet.agent.restarts import BackOff


def test_a_server_that_keeps_dying_is_started_less_and_less_often() -> None:
    """The first death costs no pause, the next ones 1 s doubling to 30 s."""
    back_off, now, pauses = BackOff(), 0.0, []
    for _ in range(8):
        back_off.started(now)
        pauses.append(back_off.died(now + 0.1))
        now += 0.1 + pauses[-1]
    assert [0, 1, 2, 4, 8, 16, 30, 30] == pauses


def test_a_server_that_came_up_is_started_again_at_once() -> None:
    """One that lived for five seconds had no trouble to start, whatever ended those before it."""
    for lived, pause in ((4.9, 4.0), (5.0, 0.0)):
        back_off = BackOff()
        for moment in (0.0, 1.0, 3.0):
            back_off.started(moment)
            back_off.died(moment)
        back_off.started(10.0)
        assert pause == back_off.died(10.0 + lived)


def test_the_pause_is_kept() -> None:
    """The server may be started when the pause is over and not before."""
    back_off = BackOff()
    back_off.died(0.0)
    back_off.died(0.0)
    assert [False, True] == [back_off.ready(0.5), back_off.ready(1.0)]
