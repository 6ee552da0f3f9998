"""What agent and voter tell each other on their line: the core's small frozen values as JSON.

Standard library only, for the voter. Both ends run the same code, started together, so the values
travel as arrays of their fields and nothing is checked that the types of both ends say already.
"""

import collections.abc
import dataclasses
import enum
import functools
import json
import types
import typing
from typing import Any, Final

from covet.planner.election.timers import Timers
from covet.planner.election.watch import Config, View, Watch

MAX_PACKET: Final = 65536
"""Bytes of a packet; the largest one, a `Watch` of seven members, has about 3,000."""
_FACTS: Final = tuple(field.name for field in dataclasses.fields(Watch) if field.name not in {"config", "view"})


def encode(packet: dict[str, Any]) -> bytes:
    """Return a packet as it travels."""
    return json.dumps(packet, separators=(",", ":")).encode()


def pack(value: Any) -> Any:  # noqa: ANN401  any of the core's values, as JSON
    """Return a value as JSON has it: dataclasses and sets as arrays."""
    if dataclasses.is_dataclass(value):
        return [pack(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, collections.abc.Mapping):
        return {key: pack(item) for key, item in value.items()}
    if isinstance(value, tuple | frozenset):
        return [pack(item) for item in value]
    return value


def unpack(hint: Any, value: Any) -> Any:  # noqa: ANN401  a type and JSON in, a value of the type out
    """Return the value of a type that `pack` packed."""
    if isinstance(hint, types.UnionType):
        inner = next(part for part in hint.__args__ if part is not type(None))
        return None if value is None else unpack(inner, value)
    origin = typing.get_origin(hint)
    if origin is tuple or origin is frozenset:
        return origin(unpack(hint.__args__[0], item) for item in value)
    if origin is collections.abc.Mapping:
        return {key: unpack(hint.__args__[1], item) for key, item in value.items()}
    if not isinstance(hint, type):
        return value
    if dataclasses.is_dataclass(hint):
        return hint(*(unpack(inner, item) for inner, item in zip(_hints(hint), value, strict=True)))
    return hint(value) if issubclass(hint, enum.Enum) else value


@functools.cache
def _hints(kind: type) -> tuple[Any, ...]:
    hints = typing.get_type_hints(kind)
    return tuple(hints[field.name] for field in dataclasses.fields(kind))


def pack_view(number: int, config: Config, view: View) -> dict[str, Any]:
    """Return the packet that tells a numbered view in a member's name."""
    return {"view": pack(view), "number": number, "me": config.me, "timers": pack(config.timers)}


def unpack_view(packet: dict[str, Any]) -> tuple[int, Config, View]:
    """Return what `pack_view` packed; the guards are all on, as ever outside of tests."""
    config = Config(packet["me"], unpack(Timers, packet["timers"]))
    return packet["number"], config, unpack(View, packet["view"])


def pack_facts(state: Watch) -> list[Any]:
    """Return everything of the voter half but what the agent told it."""
    return [pack(getattr(state, name)) for name in _FACTS]


def unpack_facts(config: Config, view: View, facts: list[Any]) -> Watch:
    """Return the voter half as it was when it packed its facts, under the view that it had then."""
    hints = _hints(Watch)
    names = [field.name for field in dataclasses.fields(Watch)]
    kinds = [hint for hint, name in zip(hints, names, strict=True) if name in _FACTS]
    values = (unpack(kind, fact) for kind, fact in zip(kinds, facts, strict=True))
    return Watch(config=config, view=view, **dict(zip(_FACTS, values, strict=True)))
