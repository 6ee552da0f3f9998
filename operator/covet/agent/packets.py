"""What agent and voter tell each other on their line: the core's small frozen values as JSON.

Standard library only, for the voter. Both ends run the same code, started together, so the values
travel as arrays of their fields and nothing is checked that the types of both ends say already.
"""

import collections.abc
import dataclasses
import enum
import functools
import json
import operator
import types
import typing
from collections.abc import Callable
from typing import Any, Final

from covet.planner.election.timers import Timers
from covet.planner.election.watch import Config, View, Watch

MAX_PACKET: Final = 65536
"""Bytes of a packet; the largest one, a `Watch` of seven members, has about 3,000."""
_FACTS: Final = tuple(field.name for field in dataclasses.fields(Watch) if field.name not in {"config", "view"})
_GET_FACTS: Final = operator.attrgetter(*_FACTS)

Reader = Callable[[Any], Any]


def encode(packet: dict[str, Any]) -> bytes:
    """Return a packet as it travels; the core's values in it become arrays of their fields."""
    return _ENCODER.encode(packet).encode()


def unpack(kind: Any, value: Any) -> Any:  # noqa: ANN401  a type and JSON in, a value of the type out
    """Return the value of a type that `encode` wrote; the JSON is used up."""
    return _reader(kind)(value)


def pack_view(number: int, config: Config, view: View) -> dict[str, Any]:
    """Return the packet that tells a numbered view in a member's name."""
    return {"view": view, "number": number, "me": config.me, "timers": config.timers}


def unpack_view(packet: dict[str, Any]) -> tuple[int, Config, View]:
    """Return what `pack_view` packed; the guards are all on, as ever outside of tests."""
    config = Config(packet["me"], unpack(Timers, packet["timers"]))
    return packet["number"], config, unpack(View, packet["view"])


def pack_facts(state: Watch) -> tuple[Any, ...]:
    """Return everything of the voter half but what the agent told it."""
    facts: tuple[Any, ...] = _GET_FACTS(state)
    return facts


def unpack_facts(config: Config, view: View, facts: list[Any]) -> Watch:
    """Return the voter half as it was when it packed its facts, under the view that it had then."""
    read = {name: reader(fact) for (name, reader), fact in zip(_fact_readers(), facts, strict=True)}
    return Watch(config=config, view=view, **read)


def _plain(value: Any) -> list[Any]:  # noqa: ANN401  whatever JSON does not know
    if isinstance(value, frozenset):
        return list(value)
    return [getattr(value, name) for name in _names(value.__class__)]


@functools.cache
def _names(kind: Any) -> tuple[str, ...]:  # noqa: ANN401  a dataclass
    return tuple(field.name for field in dataclasses.fields(kind))


@functools.cache
def _reader(kind: Any) -> Reader:  # noqa: ANN401  a type
    """Return the function that reads a type; made once, for a leader's facts come ten times a second."""
    if isinstance(kind, types.UnionType):
        inner = _reader(next(part for part in kind.__args__ if part is not type(None)))
        return lambda value: None if value is None else inner(value)
    origin = typing.get_origin(kind)
    if origin is tuple or origin is frozenset:
        inner = _reader(kind.__args__[0])
        return lambda value: origin(map(inner, value))
    if origin is collections.abc.Mapping or not isinstance(kind, type):
        return _as_is
    if dataclasses.is_dataclass(kind):
        readers = _field_readers(kind)
        return lambda value: kind(*[read(item) for read, item in zip(readers, value, strict=True)])
    return kind if issubclass(kind, enum.Enum) else _as_is


def _as_is(value: Any) -> Any:  # noqa: ANN401  numbers, names, and maps of them
    return value


def _field_readers(kind: type) -> tuple[Reader, ...]:
    hints = typing.get_type_hints(kind)
    return tuple(_reader(hints[field.name]) for field in dataclasses.fields(kind))


@functools.cache
def _fact_readers() -> tuple[tuple[str, Reader], ...]:
    hints = typing.get_type_hints(Watch)
    return tuple((name, _reader(hints[name])) for name in _FACTS)


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), default=_plain)
