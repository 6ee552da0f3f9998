"""What is left of shards that the birth record has given up."""

from collections.abc import Mapping

from covet.core import names
from covet.kube import resources
from covet.kube.ledger import Key
from covet.kube.resources import Manifest
from covet.planner.record import Identity


def departed(identity: Identity) -> tuple[str, ...]:
    """Return the shards that the record has given up."""
    known = {record.name for record in identity.shards}
    return tuple(name for name, _ in identity.departed if name not in known)


def left(objects: Mapping[Key, Manifest], identity: Identity | None) -> tuple[str, ...]:
    """Return the shards that the record has given up and of which something but claims is still there."""
    if identity is None:
        return ()
    there = {shard_of(item) for item in objects.values() if item["kind"] != resources.CLAIM.kind}
    return tuple(name for name in departed(identity) if name in there)


def shard_of(item: Manifest) -> str | None:
    """Return the shard that an object belongs to, None for one of the whole cluster."""
    return (item["metadata"].get("labels") or {}).get(names.LABEL_SHARD)
