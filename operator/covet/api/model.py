"""The base of every model of the API, and the notation of a CEL rule beside its field.

Models ignore fields they do not know, so that an older operator reads newer objects; the
docstring under a field is its description in the CRD.
"""

from typing import Any

import pydantic
from pydantic import alias_generators

RULES = "x-kubernetes-validations"
LIST_TYPE = "x-kubernetes-list-type"
LIST_MAP_KEYS = "x-kubernetes-list-map-keys"


class Model(pydantic.BaseModel):
    """A part of an object: snake_case here, camelCase in the API, frozen."""

    model_config = pydantic.ConfigDict(
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        alias_generator=alias_generators.to_camel,
        populate_by_name=True,
    )


def rule(expression: str, message: str) -> dict[str, str]:
    """Return a CEL rule; `message` names what is wrong, why, and what to write instead."""
    return {"rule": expression, "message": message}


def rules(*entries: dict[str, str]) -> dict[str, Any]:
    """Return the schema extension that carries CEL rules."""
    return {RULES: list(entries)}


def keyed_by(name: str) -> dict[str, Any]:
    """Return the schema extension of a list whose items are told apart by one field."""
    return {LIST_TYPE: "map", LIST_MAP_KEYS: [name]}


def atomic() -> dict[str, Any]:
    """Return the schema extension of a list that one writer owns as a whole."""
    return {LIST_TYPE: "atomic"}
