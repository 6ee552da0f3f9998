"""What members say to each other, and its form on the wire: one small JSON array each.

`[version, kind, field, ...]`, fields in the order of the class. A reader ignores fields behind
those it knows and takes defaults for those that are missing, so the agent of the version before
understands. The sender's name is compared with the certificate of the connection by whoever
receives; the core takes it as true.
"""

import dataclasses
import json
import types
import typing
from typing import Any, Final

from covet.core.agentapi import Position, Rule
from covet.core.errors import CovetError

VERSION: Final = 1
MAX_BYTES: Final = 4096

PROMOTING: Final = 1
"""The sender was elected and is not open yet."""
PROGRESS: Final = 2
"""Its promotion moved a short while ago: do not elect another."""
PROMOTED: Final = 4
"""Its server is on the new timeline: follow it."""
OPEN: Final = 8
"""Clients were let in: the failover is finished."""
FENCED: Final = 16
"""Too few followers echo: the sender neither holds off an election nor resets suspicion."""
REWIND: Final = 32
"""Diverged members may rewind from the sender."""
UNACKNOWLEDGED: Final = 64
"""Fewer than W walsenders have replies either: no commit of the sender can be acknowledged."""


class NonsenseError(CovetError):
    """What came is not a message of this protocol."""


@dataclasses.dataclass(frozen=True, slots=True)
class Beat:
    """A leader's heartbeat.

    Args:
        nonce: the moment of sending by its own clock, in milliseconds.
        end: its log was flushed up to there, in bytes, 0 if it does not say; nobody decides by it.
        read: when that was, by the clock of `nonce`.
    """

    sender: str
    term: int
    seq: int
    nonce: int
    flags: int
    end: int = 0
    read: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Echo:
    """The answer to a heartbeat.

    Args:
        term: of the heartbeat.
        promise: the highest term that the sender promised; above `term` the echo is a refusal.
        seq: the newest change of `term`'s rule that the sender confirmed, 0 for none.
        following: the sender streams from this leader, on its lineage.
    """

    sender: str
    term: int
    nonce: int
    promise: int
    seq: int
    following: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """The question before an election; it changes nothing.

    Args:
        resigned: the highest term whose leader is known to have resigned: no veto for it.
        reach: the last position known; of two members that ask at once the one behind waits.
    """

    sender: str
    round: int
    resigned: int
    reach: Position | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """The answer to `Ask`: yes, or a veto with its reason."""

    sender: str
    round: int
    yes: bool
    promise: int
    reach: Position | None = None
    reason: str = ""


UNABLE: Final = frozenset({"Rewinding", "JustStarted", "PositionUnreadable"})
"""Reasons of a refusal that speak of the sender alone: of no rival, and of no leader that is well."""


@dataclasses.dataclass(frozen=True, slots=True)
class Recruit:
    """A candidate asks for a promise never to acknowledge a term below `term`."""

    sender: str
    term: int


@dataclasses.dataclass(frozen=True, slots=True)
class Recruited:
    """The answer to `Recruit`.

    Args:
        term: of the question.
        yes: the sender promised, durably, and stopped receiving; its position is below.
        promise: the highest term promised by the sender, also where it refuses.
        rule: the newest rule it confirmed.
        echo_age: milliseconds since it last echoed a heartbeat, None if never since it started.
        echo_term: term of that echo.
        reaped: the highest term whose leader it knows to have been open and to have resigned.
    """

    sender: str
    term: int
    yes: bool
    promise: int
    rule: Rule | None = None
    position: Position | None = None
    echo_age: int | None = None
    echo_term: int = 0
    reaped: int = 0
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class HandOver:
    """A candidate gives its term to the most advanced of its recruits, once.

    Args:
        base: the newest rule that a recruit confirmed; its cohort and W go on.
        wait: what remains of the old leader's read lease, in milliseconds.
    """

    sender: str
    term: int
    base: Rule
    wait: int


@dataclasses.dataclass(frozen=True, slots=True)
class Confirm:
    """A leader asks a follower to flush up to `lsn` and to remember the rule."""

    sender: str
    rule: Rule
    lsn: int


@dataclasses.dataclass(frozen=True, slots=True)
class Confirmed:
    """A follower's word that it flushed the rule's row and remembers the rule."""

    sender: str
    term: int
    seq: int


@dataclasses.dataclass(frozen=True, slots=True)
class Resigned:
    """A leader reaped its server.

    Args:
        successor: the member it stood down for, empty for none.
        promise: the highest promise it knows of; the next term lies above.
        opened: it had let clients in, so the read leases of all terms before were over.
        reason: a CamelCase fact, for people; empty from an older version.
    """

    sender: str
    term: int
    successor: str
    promise: int
    opened: bool
    reason: str = ""


Message = Beat | Echo | Ask | Reply | Recruit | Recruited | HandOver | Confirm | Confirmed | Resigned

KINDS: Final[dict[str, type[Any]]] = {
    "beat": Beat,
    "echo": Echo,
    "ask": Ask,
    "reply": Reply,
    "recruit": Recruit,
    "recruited": Recruited,
    "handover": HandOver,
    "confirm": Confirm,
    "confirmed": Confirmed,
    "resigned": Resigned,
}
_NAMES: Final = {kind: name for name, kind in KINDS.items()}
_HINTS: Final = {kind: typing.get_type_hints(kind) for kind in (*KINDS.values(), Rule, Position)}


def encode(message: Message) -> bytes:
    """Return a message as it travels."""
    body = [VERSION, _NAMES[type(message)], *(_plain(getattr(message, f.name)) for f in dataclasses.fields(message))]
    return json.dumps(body, separators=(",", ":")).encode()


def decode(body: bytes) -> Message:
    """Return the message that `encode` made of any version.

    Raises:
        NonsenseError: it is none.
    """
    if len(body) > MAX_BYTES:
        raise NonsenseError("MessageTooLong", f"A message has {len(body)} bytes, more than {MAX_BYTES}.")
    try:
        parts = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NonsenseError("MessageUnreadable", f"A message is no JSON: {error}.") from error
    if not isinstance(parts, list) or len(parts) < 3 or not isinstance(parts[0], int) or isinstance(parts[0], bool):
        raise NonsenseError("MessageUnreadable", "A message is no array of version, kind and fields.")
    kind = KINDS.get(parts[1]) if isinstance(parts[1], str) else None
    if kind is None:
        raise NonsenseError("MessageUnknown", f"There is no message {parts[1]!r}.")
    message: Message = _build(kind, parts[2:])
    return message


def _plain(value: object) -> object:
    if isinstance(value, Rule | Position):
        return [_plain(getattr(value, field.name)) for field in dataclasses.fields(value)]
    return list(value) if isinstance(value, tuple) else value


def _build(kind: type[Any], values: list[Any]) -> Any:  # noqa: ANN401  the class decides
    fields = dataclasses.fields(kind)
    hints = _HINTS[kind]
    taken = [_check(hints[field.name], value) for field, value in zip(fields, values, strict=False)]
    try:
        return kind(*taken)
    except TypeError as error:
        raise NonsenseError("MessageShort", f"{kind.__name__} has too few fields.") from error


def _check(hint: Any, value: Any) -> Any:  # noqa: ANN401  JSON in, a field's value out
    if isinstance(hint, types.UnionType):
        inner = next(part for part in hint.__args__ if part is not type(None))
        return None if value is None else _check(inner, value)
    if hint in {Rule, Position}:
        if not isinstance(value, list):
            raise NonsenseError("MessageField", f"{hint.__name__} is no array.")
        return _build(hint, value)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise NonsenseError("MessageField", "A list of names is none.")
        return tuple(value)
    if type(value) is not hint:
        raise NonsenseError("MessageField", f"A field is {type(value).__name__}, not {hint.__name__}.")
    if hint is int and not -(2**63) <= value < 2**63:
        raise NonsenseError("MessageField", "A number is out of range.")
    return value
