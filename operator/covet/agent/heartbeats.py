"""Heartbeats on the wire: small, versioned, bounded. Standard library only, for the voter.

A message is two bytes of length and that many bytes of JSON. Whatever does not parse, is too
long or has a value out of range is nonsense: the connection that sent it ends.
"""

import dataclasses
import json
import struct
from typing import Any, Final

VERSION: Final = 1
MAX_BYTES: Final = 512
_LENGTH: Final = struct.Struct(">H")
_MAX_NUMBER: Final = 2**63 - 1

BEAT: Final = "beat"
ECHO: Final = "echo"

FLAG_LEADER: Final = 1
"""The sender leads by its newest rule."""
FLAG_SERVING: Final = 2
"""The sender lets clients in."""
FLAG_STREAMING: Final = 4
"""The sender follows and its receiver streams."""


class NonsenseError(Exception):
    """What came is not a message of this protocol."""


@dataclasses.dataclass(frozen=True, slots=True)
class Heartbeat:
    """One message: a beat, or the echo that answers a beat with its nonce.

    Args:
        kind: `BEAT` or `ECHO`.
        member: member name of the sender, empty while its volume is.
        term: the sender's promise.
        seq: change within the term of its newest rule.
        nonce: number of a beat, unique in the sender's life.
        flags: sum of `FLAG_*`.
        progress: end of the sender's flushed log, in bytes.
    """

    kind: str
    member: str
    term: int
    seq: int
    nonce: int
    flags: int
    progress: int


def encode(message: Heartbeat) -> bytes:
    """Return a message with its length in front."""
    body = json.dumps(
        {
            "v": VERSION,
            "k": message.kind,
            "m": message.member,
            "t": message.term,
            "s": message.seq,
            "n": message.nonce,
            "f": message.flags,
            "p": message.progress,
        },
        separators=(",", ":"),
    ).encode()
    if len(body) > MAX_BYTES:
        raise NonsenseError("a message too long to send")
    return _LENGTH.pack(len(body)) + body


def take(buffer: bytearray) -> Heartbeat | None:
    """Remove the first message from a buffer and return it; None while it is incomplete.

    Raises:
        NonsenseError: what stands in the buffer is not a message.
    """
    if len(buffer) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(buffer)
    if not 2 <= length <= MAX_BYTES:
        raise NonsenseError("a length out of bounds")
    if len(buffer) < _LENGTH.size + length:
        return None
    body = bytes(buffer[_LENGTH.size : _LENGTH.size + length])
    del buffer[: _LENGTH.size + length]
    return decode(body)


def decode(body: bytes) -> Heartbeat:
    """Return the message in a body; fields of later versions are ignored.

    Raises:
        NonsenseError: it is not a message.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NonsenseError("not JSON") from error
    if not isinstance(fields, dict) or not _is_number(fields.get("v")) or fields["v"] < VERSION:
        raise NonsenseError("not a message")
    kind, member = fields.get("k"), fields.get("m")
    if kind not in {BEAT, ECHO} or not isinstance(member, str) or len(member) > 63:
        raise NonsenseError("an unknown kind or a name too long")
    if not all(_is_number(fields.get(key)) for key in ("t", "s", "n", "f", "p")):
        raise NonsenseError("a number out of bounds")
    return Heartbeat(kind, member, fields["t"], fields["s"], fields["n"], fields["f"], fields["p"])


def _is_number(value: Any) -> bool:  # noqa: ANN401  any JSON value
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_NUMBER
