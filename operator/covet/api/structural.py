"""From the JSON schema of a model to the structural schema that the API server accepts.

Kubernetes takes a subset of OpenAPI v3: nothing referenced, no null, no free unions, and a
type on every node. What cannot be said in it is an error here, at generation, not at `kubectl apply`.
"""

from typing import Any, Final

from covet.api import model

Schema = dict[str, Any]

_DROPPED: Final = frozenset({"title", "$defs", "default"})
_COPIED: Final = frozenset({
    "type", "description", "format", "enum", "pattern", "required",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
    model.RULES, model.LIST_TYPE, model.LIST_MAP_KEYS,
})  # fmt: skip
_INTEGER_OR_STRING: Final = {"integer", "string"}


class StructureError(ValueError):
    """A model says something that a structural schema cannot; the message gives the path and the reason."""


def convert(schema: Schema, path: str = "") -> Schema:
    """Return the structural schema of a pydantic JSON schema.

    Args:
        schema: as `model_json_schema(by_alias=True)` makes it, with its `$defs`.
        path: where the schema stands, for messages.

    Raises:
        StructureError: a union, a tuple or a keyword that Kubernetes does not know.
    """
    return _convert(schema, schema.get("$defs", {}), path, ())


def _convert(schema: Schema, defs: Schema, path: str, seen: tuple[str, ...]) -> Schema:
    flat, seen = _inline(schema, defs, path, seen)
    found: Schema = {}
    for key, value in flat.items():
        if key in _DROPPED:
            continue
        if key == "properties":
            found[key] = {name: _convert(part, defs, f"{path}.{name}", seen) for name, part in value.items()}
        elif key == "items":
            found[key] = _convert(value, defs, f"{path}[]", seen)
        elif key == "additionalProperties":
            if value is not True and value is not False:
                found[key] = _convert(value, defs, f"{path}{{}}", seen)
        elif key == "const":
            found["enum"] = [value]
        elif key in ("anyOf", "x-kubernetes-int-or-string") or key in _COPIED:
            found[key] = value
        else:
            raise StructureError(f"{path or 'schema'}: the keyword {key!r} has no place in a structural schema")
    return _finish(found, path)


def _finish(found: Schema, path: str) -> Schema:
    """Put the finishing touches on one node: int64, boolean exclusive bounds, one-line descriptions."""
    if "type" not in found and "x-kubernetes-int-or-string" not in found:
        raise StructureError(f"{path or 'schema'}: a node without a type")
    if found.get("type") == "null":
        raise StructureError(f"{path or 'schema'}: null is not a type of the API")
    if found.get("type") == "integer":
        found["format"] = "int64"
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in found and not isinstance(found[exclusive], bool):
            found[bound] = found[exclusive]
            found[exclusive] = True
    if "description" in found:
        found["description"] = " ".join(found["description"].split())
    return found


def _inline(schema: Schema, defs: Schema, path: str, seen: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
    """Resolve references and unions at the top of a schema; what stands beside them wins."""
    flat = dict(schema)
    while "$ref" in flat or "anyOf" in flat or "oneOf" in flat or "allOf" in flat:
        if "x-kubernetes-int-or-string" in flat:
            break
        if "$ref" in flat:
            name = flat.pop("$ref").rsplit("/", 1)[-1]
            if name in seen:
                raise StructureError(f"{path or 'schema'}: {name} contains itself")
            seen = (*seen, name)
            flat = _merge(defs[name], flat)
            continue
        if "anyOf" not in flat:
            raise StructureError(f"{path or 'schema'}: only a union with None or of integer and string is allowed")
        flat = _union(flat, path)
    return flat, seen


def _union(flat: Schema, path: str) -> Schema:
    """Reduce `X | None` to X, and integer or string to the extension of that name."""
    beside = {key: value for key, value in flat.items() if key != "anyOf"}
    branches = [branch for branch in flat["anyOf"] if branch.get("type") != "null"]
    if len(branches) == 1:
        return _merge(branches[0], beside)
    if len(branches) == 2 and {branch.get("type") for branch in branches} == _INTEGER_OR_STRING:
        bounds = {key: value for branch in branches for key, value in branch.items() if key != "type"}
        return {
            **bounds,
            **beside,
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
        }
    raise StructureError(f"{path or 'schema'}: only a union with None or of integer and string is allowed")


def _merge(inner: Schema, outer: Schema) -> Schema:
    rules = [*inner.get(model.RULES, ()), *outer.get(model.RULES, ())]
    merged = {**inner, **outer}
    if rules:
        merged[model.RULES] = rules
    return merged
