"""Finds what somebody else made of an object since we applied it: which of our fields, and in whose name.

Pure. What is compared is what the API server had made of our fields right after they were applied. So its defaults,
a new wish of ours and fields of others are no drift, whatever they look like.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from covet.core import names
from covet.kube.resources import Manifest
from covet.planner.facts import Drift

MERGE_KEYS: Final = ("name", "containerPort", "port", "key", "topologyKey", "ip", "uid", "type")
"""Fields that tell the items of a list apart, most telling first."""

Step = str | tuple[str, Any]
"""A key of an object, or an item of a list by one field of its own: (field, value)."""
Path = tuple[Step, ...]


def find(settled: Manifest, wanted: Manifest, observed: Manifest | None) -> Drift | None:
    """Return what has become of an object, None if our fields are as they were left.

    Args:
        settled: what the API server had made of our fields when they were applied last.
        wanted: what they should be now; a field that is wanted no more, or is so already, is no drift.
        observed: the object as it is now, None if it is gone.
    """
    if observed is None:
        return Drift()
    changed = tuple(_changed(settled, wanted, observed, ()))
    if not changed:
        return None
    managers = {entry.get("manager", "") for path in changed for entry in _writers(observed, path)}
    return Drift(tuple(map(_spelled, changed)), tuple(sorted(managers)))


def merge_key(items: list[Any]) -> str | None:
    """Return the field that tells the items of a list apart, None if none does."""
    if not items or not all(isinstance(item, dict) for item in items):
        return None
    return next((key for key in MERGE_KEYS if all(key in item for item in items)), None)


def _changed(settled: Any, wanted: Any, observed: Any, path: Path) -> Iterator[Path]:  # noqa: ANN401 -- any JSON value
    """Yield where an observed value is neither as it was left nor as it should be."""
    if isinstance(settled, dict) and isinstance(observed, dict):
        for key, value in settled.items():
            if isinstance(wanted, dict) and key in wanted:
                yield from _changed(value, wanted[key], observed.get(key), (*path, key))
        return
    field = merge_key(settled) if isinstance(settled, list) else None
    if field is not None and isinstance(observed, list):
        # Other items are wanted by now, perhaps of another kind: those that stay are compared.
        for item in settled:
            value = item[field]
            now = _item(wanted if isinstance(wanted, list) else [], field, value)
            if now is not None:
                yield from _changed(item, now, _item(observed, field, value), (*path, (field, value)))
        return
    if observed not in (settled, wanted):
        yield path


def _item(items: list[Any], field: str, value: Any) -> Any:  # noqa: ANN401 -- any JSON value
    return next((item for item in items if isinstance(item, dict) and item.get(field) == value), None)


def _writers(observed: Manifest, path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield who else owns a field by `metadata.managedFields`."""
    for entry in observed["metadata"].get("managedFields") or []:
        if entry.get("manager") != names.FIELD_MANAGER and _owns(entry.get("fieldsV1") or {}, path, observed):
            yield entry


def _owns(fields: Mapping[str, Any], path: Path, observed: Any) -> bool:  # noqa: ANN401 -- any JSON value
    """Return whether a tree of owned fields holds a path: down to it, or a whole value above it."""
    if not fields:
        return False
    for step in path:
        if isinstance(step, str):
            observed = observed.get(step) if isinstance(observed, dict) else None
            inner = fields.get(f"f:{step}")
        else:
            observed = _item(observed if isinstance(observed, list) else [], *step)
            inner = _entry_of(fields, observed)
        if inner is None:
            return False
        if not inner:
            return True
        fields = inner
    return True


def _entry_of(fields: Mapping[str, Any], item: Any) -> Mapping[str, Any] | None:  # noqa: ANN401 -- any JSON value
    """Return what is owned of an item of a list: its entry is named by the fields that tell it apart."""
    if not isinstance(item, dict):
        return None
    for name, inner in fields.items():
        if name.startswith("k:") and json.loads(name[2:]).items() <= item.items():
            owned: Mapping[str, Any] = inner
            return owned
    return None


def _spelled(path: Path) -> str:
    """Return a path as a person writes it: `spec.ports[sql].port`, `data[spec.json]`."""
    text = ""
    for step in path:
        name = step if isinstance(step, str) else str(step[1])
        plain = isinstance(step, str) and not {".", "/"} & set(name)
        text += f".{name}" if plain else f"[{name}]"
    return text.removeprefix(".")
