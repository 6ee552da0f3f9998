"""The line between agent and voter: every value of the core comes out as it went in."""

import dataclasses
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from covet.agent import packets
from covet.core.agentapi import Position, Rule
from covet.planner.election import voter, watch
from covet.planner.election.timers import Timers
from covet.planner.election.watch import Ballot, Config, Heard, Leader, Pulse, Role, View, Watch

NAMES = st.sampled_from(["s0-a-111111111111", "s0-b-222222222222", "s0-ö-333333333333"])
NUMBERS = st.integers(-(10**12), 10**15)
COUNTS = st.dictionaries(NAMES, NUMBERS)
POSITIONS = st.none() | st.builds(Position, NUMBERS, NUMBERS)
RULES = st.builds(Rule, NUMBERS, NUMBERS, NAMES, st.lists(NAMES).map(tuple), NUMBERS)
VIEWS = st.builds(
    View,
    role=st.sampled_from(Role),
    since=NUMBERS,
    flags=NUMBERS,
    rules=st.lists(RULES, max_size=2).map(tuple),
    votes=st.booleans(),
    reach=POSITIONS,
    peers=st.lists(NAMES).map(tuple),
    retry_at=st.none() | NUMBERS,
)
HEARD = st.builds(Heard, NUMBERS, NAMES, NUMBERS, st.booleans(), NUMBERS, NUMBERS)
PULSES = st.builds(Pulse, NUMBERS, COUNTS, COUNTS, COUNTS, st.frozensets(NAMES))
BALLOTS = st.builds(
    Ballot, NUMBERS, st.none() | NUMBERS, st.frozensets(NAMES), NUMBERS, st.booleans(), st.none() | NUMBERS
)
WATCHES = st.builds(
    Watch, st.just(Config("s0-a-111111111111")), NUMBERS, VIEWS, HEARD, PULSES, BALLOTS, NUMBERS, NUMBERS
)


def travelled(value: object) -> Any:
    """Return what the other end reads of a value."""
    return json.loads(packets.encode({"value": value}))["value"]


@given(NUMBERS, VIEWS, st.integers(1, 180))
def test_a_view_arrives_whole(number: int, view: View, beat: int) -> None:
    """Number, member, timers and every field of the view are what the agent said."""
    config = Config("s0-a-111111111111", Timers(beat=beat))
    packet = json.loads(packets.encode(packets.pack_view(number, config, view)))
    assert (number, config, view) == packets.unpack_view(packet)


@given(WATCHES)
def test_the_facts_arrive_whole(state: Watch) -> None:
    """The agent's copy of the voter half equals the voter's."""
    assert state == packets.unpack_facts(state.config, state.view, travelled(packets.pack_facts(state)))


def test_a_word_of_a_leader_arrives_whole() -> None:
    """Names, numbers and flags of a leader that was heard."""
    leader = Leader("s0-a-111111111111", 7, promoted=True, rewind=False)
    assert leader == packets.unpack(Leader, travelled(leader))


def test_the_largest_packet_fits_the_line() -> None:
    """A leader of seven that kept as many names as it may is told in one packet."""
    names = [f"s511-{letter}-{number:012x}" for letter in "abcdefg" for number in range(9)]
    rule = Rule(2**62, 2**62, names[0], tuple(names[::9]), 3)
    view = View(Role.LEADER, 0, rules=(rule, rule), peers=tuple(names[::9]))
    counts = dict.fromkeys(names, 2**62)
    state = dataclasses.replace(
        watch.started(Config(names[0]), view, 0), pulse=Pulse(0, counts, counts, counts, frozenset(names))
    )
    seen, _ = voter.told(state, dataclasses.replace(view, flags=8), 0)
    assert len(packets.encode({"facts": packets.pack_facts(seen), "seen": 2**62})) < packets.MAX_PACKET / 2
    assert len(packets.encode(packets.pack_view(2**62, Config(names[0]), view))) < packets.MAX_PACKET / 2
