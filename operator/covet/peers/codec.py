"""JSON of the agent API: the dataclasses of `covet.core.agentapi` and `agentorders` with camelCase names.

The rename happens here and nowhere else. msgspec renames only its own structs, so each
dataclass gets a struct of the same shape, made once; unknown fields are ignored and missing
ones take their default, as the version rule of the API asks.
"""

import dataclasses
import functools
import operator
import types
import typing
from typing import Any, TypeVar

import msgspec

from covet.core.errors import SpecError

T = TypeVar("T")


def encode(message: object) -> bytes:
    """Return a dataclass as JSON text."""
    return msgspec.json.encode(msgspec.convert(message, _wire(type(message)), from_attributes=True))


def decode(body: bytes | str, kind: type[T]) -> T:
    """Return the dataclass that a JSON text stands for.

    Raises:
        SpecError: the text is not JSON, or not of this kind; the message says where.
    """
    try:
        return msgspec.convert(msgspec.json.decode(body, type=_wire(kind)), kind, from_attributes=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SpecError("BodyInvalid", f"Not a valid {kind.__name__}: {error}.") from error


_WIRES: dict[type[Any], type[msgspec.Struct]] = {}


def _wire(kind: type[Any]) -> type[msgspec.Struct]:
    """Return the struct with the fields of a dataclass, in camelCase."""
    if kind not in _WIRES:
        _WIRES[kind] = _define(kind)
    return _WIRES[kind]


def _define(kind: type[Any]) -> type[msgspec.Struct]:
    hints = typing.get_type_hints(kind)
    fields: list[Any] = []
    for field in dataclasses.fields(kind):
        shape = _shape(hints[field.name])
        if field.default is not dataclasses.MISSING:
            fields.append((field.name, shape, field.default))
        elif field.default_factory is not dataclasses.MISSING:
            fields.append((field.name, shape, msgspec.field(default_factory=field.default_factory)))
        else:
            fields.append((field.name, shape))
    return msgspec.defstruct(kind.__name__, fields, rename="camel", frozen=True)


def _shape(hint: Any) -> Any:  # noqa: ANN401  a type hint can be any object of `typing`
    """Return a type hint with every dataclass in it replaced by its struct."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _wire(hint)
    origin = typing.get_origin(hint)
    if origin is None:
        return hint
    arguments: tuple[Any, ...] = tuple(part if part is Ellipsis else _shape(part) for part in typing.get_args(hint))
    if origin in (types.UnionType, typing.Union):
        return functools.reduce(operator.or_, arguments)
    return origin[arguments]
