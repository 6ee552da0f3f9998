"""Frames on a line between voters: what was sent comes out, and a peer that does not read costs little."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.agent import frames
from covet.agent.frames import Outbox
from covet.planner.election.messages import MAX_BYTES, NonsenseError

BODIES = st.lists(st.binary(min_size=2, max_size=200), max_size=6)


def taken(line: bytes, size: int) -> list[bytes]:
    """Return the messages of a line that arrives in pieces."""
    buffer, heard = bytearray(), []
    for start in range(0, len(line), size):
        buffer += line[start : start + size]
        while (body := frames.take(buffer)) is not None:
            heard.append(body)
    return heard


@given(BODIES, st.integers(1, 50))
def test_messages_survive_any_cut_of_the_line(bodies: list[bytes], size: int) -> None:
    """However the bytes arrive, the same messages are heard in order."""
    assert bodies == taken(b"".join(frames.pack(body) for body in bodies), size)


@pytest.mark.parametrize("length", [0, 1, MAX_BYTES + 1, 65535])
def test_lengths_out_of_bounds_are_nonsense(length: int) -> None:
    """Nobody makes us wait for more than a message."""
    with pytest.raises(NonsenseError):
        frames.take(bytearray(length.to_bytes(2, "big")))


@given(BODIES, st.lists(st.integers(1, 60), min_size=1, max_size=9))
def test_an_outbox_gives_everything_in_order(bodies: list[bytes], writes: list[int]) -> None:
    """However little the socket takes at a time, no byte is lost, doubled or moved while there is room."""
    outbox, line, turn = Outbox(), b"", 0
    for body in bodies:
        outbox.put(body)
    while head := outbox.head():
        count = min(len(head), writes[turn % len(writes)])
        line += head[:count]
        outbox.wrote(count)
        turn += 1
    assert bodies == taken(line, 7)
    assert 0 == outbox.lost


@given(st.integers(0, 30), st.integers(1, 500), st.integers(2, 300))
def test_a_full_outbox_drops_the_oldest_whole_messages(begun: int, count: int, size: int) -> None:
    """What the socket has begun to take is finished; of the rest the newest stays, within the bound."""
    outbox = Outbox(limit=1000)
    outbox.put(b"first!")
    line = outbox.head()[:begun]
    outbox.wrote(len(line))
    for number in range(count):
        outbox.put(number.to_bytes(2, "big") * (size // 2))
    while head := outbox.head():
        line += head
        outbox.wrote(len(head))
    heard = taken(line, 64)
    assert len(line) <= 1000 + len(frames.pack(b"first!"))
    assert b"first!" == heard[0]
    kept = len(heard) - 1
    assert [number.to_bytes(2, "big") * (size // 2) for number in range(count - kept, count)] == heard[1:]
    assert count - kept == outbox.lost
