"""Heartbeats on the wire: what was sent is heard, and nonsense is no message."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.agent import heartbeats
from covet.agent.heartbeats import BEAT, ECHO, Heartbeat, NonsenseError

NUMBERS = st.integers(0, 2**63 - 1)
MESSAGES = st.builds(
    Heartbeat,
    kind=st.sampled_from([BEAT, ECHO]),
    member=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=63),
    term=NUMBERS,
    seq=NUMBERS,
    nonce=NUMBERS,
    flags=NUMBERS,
    progress=NUMBERS,
)


@given(st.lists(MESSAGES, max_size=4), st.integers(1, 50))
def test_messages_survive_any_cut_of_the_line(messages: list[Heartbeat], size: int) -> None:
    """However the bytes arrive, the same messages are heard in order."""
    line = b"".join(heartbeats.encode(message) for message in messages)
    buffer, heard = bytearray(), []
    for start in range(0, len(line), size):
        buffer += line[start : start + size]
        while (message := heartbeats.take(buffer)) is not None:
            heard.append(message)
    assert (messages, b"") == (heard, bytes(buffer))


@given(st.binary(max_size=700))
def test_any_bytes_are_a_message_or_nonsense(line: bytes) -> None:
    """Whatever comes from the wire, nothing but our own error comes out of it."""
    buffer = bytearray(line)
    try:
        while heartbeats.take(buffer) is not None:
            pass
    except NonsenseError:
        pass
    assert len(buffer) <= len(line)


@pytest.mark.parametrize("length", [0, 1, 513, 65535])
def test_lengths_out_of_bounds_are_nonsense(length: int) -> None:
    """A message has between 2 and 512 bytes; nobody makes us wait for more."""
    with pytest.raises(NonsenseError):
        heartbeats.take(bytearray(length.to_bytes(2, "big")))


@pytest.mark.parametrize(
    "changes",
    [{"v": 0}, {"v": True}, {"v": None}, {"k": "vote"}, {"m": 1}, {"m": "x" * 64}, {"t": -1}, {"t": 1.5}, {"n": 2**63}],
)
def test_fields_out_of_bounds_are_nonsense(changes: dict[str, object]) -> None:
    """A wrong version, kind, name or number makes the whole message nonsense."""
    fields = {"v": 1, "k": BEAT, "m": "x", "t": 1, "s": 1, "n": 1, "f": 0, "p": 0}
    heartbeats.decode(json.dumps(fields).encode())
    with pytest.raises(NonsenseError):
        heartbeats.decode(json.dumps(fields | changes).encode())


def test_a_later_version_may_add_fields() -> None:
    """A newer voter is understood as far as this one knows the words."""
    fields = {"v": 2, "k": ECHO, "m": "x", "t": 1, "s": 2, "n": 3, "f": 4, "p": 5, "later": [1]}
    assert Heartbeat(ECHO, "x", 1, 2, 3, 4, 5) == heartbeats.decode(json.dumps(fields).encode())
