"""How server-side apply and merge patches combine objects; lists of known shape merge by key."""

import json
from typing import Any, Final

_KEYS: Final = ("type", "name", "port", "uid", "key")
"""Fields that tell items of a list apart, as the real schemas say for the lists that Covet writes."""
_ATOMIC: Final = frozenset({"endpoints", "egress", "ingress", "tolerations", "readWrite", "readOnly", "from", "to"})


def copied(value: Any) -> Any:  # noqa: ANN401 -- any JSON value
    """Return a copy of a JSON value that shares nothing with it, several times faster than `copy.deepcopy`."""
    return json.loads(json.dumps(value))


def merge(target: Any, patch: Any) -> Any:  # noqa: ANN401 -- any JSON value
    """Return a JSON merge patch (RFC 7396) applied to a value."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def overlay(target: Any, applied: Any, field: str = "") -> Any:  # noqa: ANN401 -- any JSON value
    """Return a value with the fields of an applied manifest laid over it."""
    if isinstance(applied, dict) and isinstance(target, dict):
        return {**target, **{key: overlay(target.get(key), value, key) for key, value in applied.items()}}
    key = _key_of(applied, field) if isinstance(applied, list) and field not in _ATOMIC else None
    if key is None or not isinstance(target, list):
        return applied
    known = {item.get(key): item for item in target}
    fresh = {item[key]: overlay(known.get(item[key]), item) for item in applied}
    return [*fresh.values(), *(item for name, item in known.items() if name not in fresh)]


def drop(current: Any, before: Any, now: Any, field: str = "") -> Any:  # noqa: ANN401 -- any JSON value
    """Return a value without what was applied before and is not applied now."""
    if isinstance(current, dict) and isinstance(before, dict) and isinstance(now, dict):
        gone = {key for key in before if key not in now and not isinstance(before[key], dict)}
        return {
            key: drop(value, before[key], now.get(key, {} if isinstance(before[key], dict) else None), key)
            if key in before
            else value
            for key, value in current.items()
            if key not in gone
        }
    key = _key_of(before, field) if isinstance(before, list) and field not in _ATOMIC else None
    if key is None or not isinstance(current, list) or not isinstance(now, list):
        return copied(current)
    kept = {item[key] for item in now}
    had = {item[key] for item in before}
    return [item for item in current if item.get(key) in kept or item.get(key) not in had]


def _key_of(items: list[Any], field: str) -> str | None:
    if not items or not all(isinstance(item, dict) for item in items):
        return None
    if field == "ports" and all("port" in item for item in items):
        # Of a Service: by number, whatever the name.
        return "port"
    return next((key for key in _KEYS if all(key in item for item in items)), None)
