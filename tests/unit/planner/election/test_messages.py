"""The language between members: what is sent is what is read, and nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.core.agentapi import Position, Rule
from covet.planner.election import messages
from covet.planner.election.messages import Beat, Confirm, HandOver, Message, Recruited, Reply

NAMES = st.text(min_size=1, max_size=20)
TERMS = st.integers(0, 2**62)
RULES = st.builds(Rule, TERMS, TERMS, NAMES, st.tuples(NAMES, NAMES), st.integers(0, 6))
POSITIONS = st.builds(Position, TERMS, TERMS)


@given(
    st.one_of(
        st.builds(Beat, NAMES, TERMS, TERMS, TERMS, st.integers(0, 127)),
        st.builds(Reply, NAMES, TERMS, st.booleans(), TERMS, st.none() | POSITIONS, NAMES),
        st.builds(Recruited, NAMES, TERMS, st.booleans(), TERMS, st.none() | RULES, st.none() | POSITIONS),
        st.builds(HandOver, NAMES, TERMS, RULES, TERMS),
        st.builds(Confirm, NAMES, RULES, TERMS),
    )
)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    """Every message survives the wire."""
    assert message == messages.decode(messages.encode(message))


def test_an_agent_of_a_newer_version_is_understood() -> None:
    """Fields behind those we know are ignored."""
    body = json.loads(messages.encode(Beat("a", 3, 1, 1000, 4)))
    assert Beat("a", 3, 1, 1000, 4) == messages.decode(json.dumps([2, *body[1:], "news"]).encode())


def test_an_agent_of_an_older_version_is_understood() -> None:
    """Missing fields take their defaults."""
    assert Reply("a", 1, yes=True, promise=3) == messages.decode(b'[1,"reply","a",1,true,3]')


NONSENSE = [
    *(b"", b"{}", b"[1]", b'[1,"beat"]', b'[1,"beat","a",1]', b'[1,"beat","a",true,1,1,1]', b'[1,"none","a",1]'),
    *(b'[1,"confirm","a",[1,2],3]', b'["1","beat","a",1,1,1,1]', b'[1,["beat"],"a"]', b"[" * 5000),
    *(b'[1,"beat","a",99999999999999999999,1,1,1]', b'[1,"confirm","a",[1,1,"a",[1],0],3]'),
]


@pytest.mark.parametrize("body", NONSENSE)
def test_nonsense_is_refused(body: bytes) -> None:
    """What is no message raises one error, whatever it is."""
    with pytest.raises(messages.NonsenseError):
        messages.decode(body)
