"""What the real API server refuses or drops whoever writes, so that no test leans on a more lenient one."""

import decimal
import functools
from typing import Any, Final

from covet.api import crd, quantity
from covet.kube import resources
from covet.kube.resources import Manifest, Resource

_EDITABLE: Final = frozenset(
    {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    }
)
"""Fields of a StatefulSet's spec that may change."""
_MAPS: Final = "additionalProperties"


def complaint(resource: Resource, old: Manifest | None, new: Manifest) -> str | None:  # noqa: PLR0911 -- rule by rule
    """Return why an object is invalid, None if it is not.

    Args:
        resource: its kind.
        old: the object as it is stored, None if it is new.
        new: the object as it would be stored.
    """
    owners = new["metadata"].get("ownerReferences") or []
    if sum(1 for owner in owners if owner.get("controller")) > 1:
        return "metadata.ownerReferences: Invalid value: Only one reference can have Controller set to true"
    ports = [port.get("name") for port in (new.get("spec") or {}).get("ports") or []]
    if resource == resources.SERVICE and len(ports) > len(set(ports)):
        return 'spec.ports[1].name: Duplicate value: "sql"'
    if old is None:
        return None
    if resource == resources.SECRET and old["type"] != new["type"]:
        return f'type: Invalid value: "{new["type"]}": field is immutable'
    if resource == resources.CLAIM and old.get("spec") != new.get("spec"):
        return _claim_complaint(old, new)
    if resource == resources.STATEFUL_SET:
        fields = {**(old.get("spec") or {}), **(new.get("spec") or {})}
        changed = [field for field in fields if _field(old, field) != _field(new, field)]
        if not set(changed) <= _EDITABLE:
            return (
                f"spec: Forbidden: updates to statefulset spec for fields other than {sorted(_EDITABLE)} are forbidden"
            )
    return None


def _claim_complaint(old: Manifest, new: Manifest) -> str | None:
    """Return why the claim of a volume may not be changed so: only that of a bound one, only to more."""
    # Whoever binds a claim writes the name of its volume.
    before, after = ({key: part for key, part in item["spec"].items() if key != "volumeName"} for item in (old, new))
    was, will = (_requested(spec.pop("resources", None)) for spec in (before, after))
    bound = (old.get("status") or {}).get("phase") == "Bound"
    if before == after and (was == will or (bound and will > was)):
        return None
    return (
        "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for"
        " bound claims"
    )


def _requested(resources_part: Manifest | None) -> decimal.Decimal:
    return quantity.parse(((resources_part or {}).get("requests") or {}).get("storage", "0"))


def complete(resource: Resource, item: Manifest) -> None:
    """Fill in the defaults of an object and drop what its definition does not know."""
    if resource == resources.SECRET:
        item.setdefault("type", "Opaque")
    if resource == resources.CLUSTER:
        for part in ("spec", "status"):
            if part in item:
                item[part] = _pruned(item[part], _schema()["properties"][part])


@functools.cache
def _schema() -> dict[str, Any]:
    return crd.schema()


def _pruned(value: Any, schema: dict[str, Any]) -> Any:  # noqa: ANN401 -- any JSON value
    """Return a value without the fields that a structural schema does not name."""
    if isinstance(value, list):
        return [_pruned(item, schema.get("items") or {}) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(schema.get(_MAPS), dict):
        return {key: _pruned(item, schema[_MAPS]) for key, item in value.items()}
    known = schema.get("properties") or {}
    return {key: _pruned(item, known[key]) for key, item in value.items() if key in known}


def _field(item: Manifest, field: str) -> Any:  # noqa: ANN401 -- any JSON value
    return (item.get("spec") or {}).get(field)
