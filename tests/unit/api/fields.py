"""Fields of a spec by their paths, such as `storage.size`."""

import copy
from typing import Any


def leaves(schema: dict[str, Any], path: str = "") -> list[str]:
    """Return the paths of all fields of a schema that hold a value."""
    parts = schema.get("properties")
    if not parts:
        return [path.removeprefix(".")]
    return [leaf for name, part in parts.items() for leaf in leaves(part, f"{path}.{name}")]


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of a spec with one field changed."""
    found = copy.deepcopy(document)
    *parents, last = path.split(".")
    node = found
    for part in parents:
        node = node[part]
    node[last] = value
    return found
