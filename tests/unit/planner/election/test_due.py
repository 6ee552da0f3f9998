"""The pace of the voter: no tick before it is due does anything, and one that is due does."""

import dataclasses
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covet.core.agentapi import Rule
from covet.planner.election import due, hearing, voter, watch
from covet.planner.election.effects import Send
from covet.planner.election.events import Probed, Tick
from covet.planner.election.messages import Beat
from covet.planner.election.timers import FOREVER, NEVER
from covet.planner.election.watch import Ballot, Config, Heard, Pulse, Role, View, Watch

NOW: Final = 100_000
COHORT: Final = ("a", "b", "c")
MOMENTS: Final = st.one_of(st.just(NEVER), st.integers(NOW - 12_000, NOW))
AHEAD: Final = st.one_of(st.just(NEVER), st.integers(NOW - 2000, NOW + 1000))
TERMS: Final = st.integers(0, 3)

VIEWS: Final = st.builds(
    View,
    role=st.sampled_from([role for role in Role if role not in {Role.SUSPECT, Role.PREVOTE}]),
    since=st.integers(NOW - 5000, NOW),
    term=TERMS,
    flags=st.integers(0, 127),
    promise=TERMS,
    rules=st.sampled_from([(), (Rule(1, 1, "a", COHORT, 1),)]),
    votes=st.booleans(),
    following=st.booleans(),
    peers=st.just(COHORT),
    retry_at=st.one_of(st.none(), st.integers(NOW - 500, NOW + 500)),
)
BALLOTS: Final = st.one_of(
    st.just(Ballot()),
    st.builds(Ballot, round=st.integers(0, 9), asked_at=st.integers(NOW - 400, NOW), yes=st.just(frozenset("a"))),
    st.builds(
        Ballot,
        round=st.integers(0, 9),
        asked_at=st.integers(NOW - 400, NOW),
        yes=st.just(frozenset("ab")),
        elect_at=st.integers(NOW - 100, NOW + 150),
    ),
)
WATCHES: Final = st.builds(
    Watch,
    config=st.just(Config("a")),
    started=st.integers(NOW - 4000, NOW),
    view=VIEWS,
    heard=st.builds(Heard, term=TERMS, leader=st.just("b"), at=MOMENTS, refused=st.booleans()),
    pulse=st.builds(Pulse, beat_at=st.one_of(st.just(NEVER), st.integers(NOW - 400, NOW + 200))),
    ballot=BALLOTS,
    advanced_at=MOMENTS,
    probed_at=MOMENTS,
    resigned=TERMS,
    hold_until=AHEAD,
    finished_term=TERMS,
    finished_at=MOMENTS,
    held=st.integers(0, 6),
)


def tick(state: Watch, now: int) -> tuple[Watch, hearing.Out]:
    """Let time pass, with the jitter as it was, so that states can be compared."""
    return voter.step(state, Tick(state.jitter), now)


@settings(max_examples=400)
@given(WATCHES, st.data())
def test_no_tick_before_it_is_due_does_anything(state: Watch, data: st.DataObject) -> None:
    """At every moment before `due` a tick sends and changes nothing, but that a veto may end within the poll."""
    moment = due.due(state, NOW)
    polls = moment == NOW + due.POLL and hearing.veto(state, state.resigned, NOW) != ""
    if moment > NOW and not polls:
        now = data.draw(st.integers(NOW, min(moment, NOW + 20_000) - 1))
        assert (state, []) == tick(state, now)


@settings(max_examples=400)
@given(WATCHES)
def test_a_tick_that_is_due_does_something(state: Watch) -> None:
    """Nobody is woken in vain again and again: what is due happens, or is held back by a veto, or waits its time."""
    moment = due.due(state, NOW)
    if moment == FOREVER or hearing.veto(state, state.resigned, moment):
        return
    assert (state, []) != tick(state, moment)


def test_what_a_veto_holds_back_is_looked_at_every_50_ms() -> None:
    """A member that suspects while its log still comes looks again soon, and not at once."""
    view = View(Role.FOLLOWER, NOW - 5000, promise=1, rules=(Rule(1, 1, "b", COHORT, 1),), following=True)
    state = dataclasses.replace(watch.started(Config("a"), view, NOW - 5000), advanced_at=NOW - 100)
    assert "LogAdvances" == hearing.veto(state, 0, NOW)
    assert NOW + due.POLL == due.due(state, NOW)


def test_a_follower_is_left_alone_until_it_may_suspect() -> None:
    """Between two heartbeats nothing is due; the silence has to last for 1.2 s."""
    view = View(Role.FOLLOWER, NOW - 5000, promise=1, rules=(Rule(1, 1, "b", COHORT, 1),), following=True)
    state = dataclasses.replace(watch.started(Config("a"), view, NOW - 5000), heard=Heard(1, "b", NOW - 200))
    assert NOW + 1000 == due.due(state, NOW)


def test_a_leader_whose_server_is_not_probed_has_no_heartbeat_due() -> None:
    """It is silent until the next probe, and speaks at once with it."""
    view = View(Role.LEADER, NOW - 5000, term=1, promise=1, rules=(Rule(1, 1, "a", COHORT, 1),), peers=COHORT)
    state = dataclasses.replace(watch.started(Config("a"), view, NOW - 5000), probed_at=NOW - 1001)
    assert FOREVER == due.due(state, NOW)
    assert NOW == due.due(dataclasses.replace(state, probed_at=NOW), NOW)


@pytest.mark.parametrize("late", [0, 30, 150])
def test_a_leader_sends_five_heartbeats_a_second(late: int) -> None:
    """By the schedule that the voter process sleeps by, to each peer, however late it wakes up each time."""
    view = View(Role.LEADER, NOW, term=1, promise=1, rules=(Rule(1, 1, "a", COHORT, 1),), peers=COHORT)
    state, now, sent = watch.started(Config("a"), view, NOW), NOW, []
    while now < NOW + 3000:
        state, _ = voter.step(state, Probed(), now)
        state, out = voter.step(state, Tick(0), now)
        sent += [(effect.to, now) for effect in out if isinstance(effect, Send) and isinstance(effect.message, Beat)]
        now = due.due(state, now) + late
    assert {"b", "c"} == {peer for peer, _ in sent}
    for peer in "bc":
        assert 14 <= len([moment for to, moment in sent if to == peer]) <= 16
