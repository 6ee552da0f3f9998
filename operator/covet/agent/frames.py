"""Frames on a line between voters: two bytes of length, then one message. Standard library only.

A peer that does not read costs a bounded amount of memory: the oldest frames that wait for it go,
since of heartbeats and questions the newest says all that is still worth saying.
"""

import collections
import struct
from typing import Final

from covet.planner.election.messages import MAX_BYTES, NonsenseError

MAX_WAITING: Final = 16384
"""Bytes that may wait for a peer."""
_LENGTH: Final = struct.Struct(">H")


def pack(body: bytes) -> bytes:
    """Return a message of at most `MAX_BYTES` with its length in front."""
    return _LENGTH.pack(len(body)) + body


def take(buffer: bytearray) -> bytes | None:
    """Remove the first message from a buffer and return it; None while it is incomplete.

    Raises:
        NonsenseError: the length is that of no message.
    """
    if len(buffer) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(buffer)
    if not 2 <= length <= MAX_BYTES:
        raise NonsenseError("FrameLength", f"A frame says it has {length} bytes.")
    if len(buffer) < _LENGTH.size + length:
        return None
    body = bytes(buffer[_LENGTH.size : _LENGTH.size + length])
    del buffer[: _LENGTH.size + length]
    return body


class Outbox:
    """Frames that wait for a socket to take them.

    Attributes:
        lost: frames that went because the peer did not read.
    """

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._limit = limit
        self._waiting: collections.deque[bytes] = collections.deque()
        self._size = 0
        self._head = b""
        self.lost = 0

    def put(self, body: bytes) -> None:
        """Queue a message; the oldest ones go if too much waits."""
        frame = pack(body)
        self._waiting.append(frame)
        self._size += len(frame)
        while self._size > self._limit:
            self._size -= len(self._waiting.popleft())
            self.lost += 1

    def head(self) -> bytes:
        """Return what to write next, empty if nothing waits.

        It stays the same until it is written whole: TLS wants a write that was interrupted repeated with the
        same bytes, and half a frame must not be taken back.
        """
        if not self._head and self._waiting:
            self._head = b"".join(self._waiting)
            self._waiting.clear()
            self._size = 0
        return self._head

    def wrote(self, count: int) -> None:
        """Note that the socket took so many bytes of `head`."""
        self._head = self._head[count:]
