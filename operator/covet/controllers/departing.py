"""What is left of shards that the birth record has given up."""

from collections.abc import Mapping
from typing import Final

from covet.core import names
from covet.kube import resources
from covet.kube.ledger import Key
from covet.kube.resources import Manifest
from covet.planner.record import Identity

_FOLLOWING: Final = frozenset({resources.POD.kind, resources.CLAIM.kind})
"""Kinds that Kubernetes ends with their StatefulSet, or keeps by its policy."""


def departed(identity: Identity) -> tuple[str, ...]:
    """Return the shards that the record has given up."""
    known = {record.name for record in identity.shards}
    return tuple(name for name, _ in identity.departed if name not in known)


def left(objects: Mapping[Key, Manifest], identity: Identity | None) -> dict[str, bool]:
    """Return the shards that the record has given up and of which something but claims is still there.

    True while something of it stands: it was not told to go yet.
    """
    if identity is None:
        return {}
    there = {name: [item for item in objects.values() if shard_of(item) == name] for name in departed(identity)}
    return {
        name: any(stands(item) for item in found)
        for name, found in there.items()
        if any(item["kind"] != resources.CLAIM.kind for item in found)
    }


def stands(item: Manifest) -> bool:
    """Return whether an object does not go by itself: nobody deleted it, and only its cluster owns it."""
    metadata = item["metadata"]
    if item["kind"] in _FOLLOWING or "deletionTimestamp" in metadata:
        return False
    return all(owner.get("kind") == names.KIND for owner in metadata.get("ownerReferences") or [])


def shard_of(item: Manifest) -> str | None:
    """Return the shard that an object belongs to, None for one of the whole cluster."""
    return (item["metadata"].get("labels") or {}).get(names.LABEL_SHARD)
