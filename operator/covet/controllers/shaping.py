"""Actions on the shards of a cluster, their number and their weights: steps of the record, seals, and what goes."""

import functools
import uuid
from collections.abc import Iterable

from covet.controllers import agents, departing, freshness
from covet.controllers.freshness import Means
from covet.controllers.observe import Seen
from covet.core import events, names
from covet.core.agentapi import Peer
from covet.core.agentorders import SealOrder
from covet.core.errors import ConflictError
from covet.kube import resources
from covet.kube.resources import Manifest
from covet.manifests import metadata
from covet.planner import reshaping, shapes
from covet.planner import shard as shards
from covet.planner.record import Change, Identity
from covet.planner.shapeactions import (
    BeginChange,
    CancelChange,
    DecideChange,
    EndChange,
    RemoveShard,
    SealShard,
    UnsealShard,
)
from covet.planner.telling import News


async def begin(means: Means, seen: Seen, action: BeginChange) -> None:
    """Record a change and the births that it brings."""

    def change(known: Identity) -> Identity:
        if known.change is not None or known.epoch >= action.change.epoch:
            raise ConflictError("RecordChanged", "Another change of the shards is recorded by now.")
        return shapes.begin(known, seen.ref.name, action.change)

    await freshness.change_identity(means, seen, change)
    _tell(means, events.SHARDS_CHANGE, f"The shards change to {_listed(action.change)}.")


async def cancel(means: Means, seen: Seen, action: CancelChange) -> None:
    """Give a change up, if nobody can have put anything into what it made."""
    _, identity = await freshness.read_identity(means, seen)
    made = shapes.added(identity, action.change)
    opened = [name for name in made if _was_opened(identity, name)]
    await _require_sealed(means, seen, action.change, opened, made)

    def change(known: Identity) -> Identity:
        if known.change != action.change or any(_was_opened(known, name) for name in made if name not in opened):
            raise ConflictError("RecordChanged", "The change of the shards is another one by now.")
        return shapes.cancel(known, action.change)

    await freshness.change_identity(means, seen, change)
    _tell(means, events.SHARDS_KEPT, f"The change to {_listed(action.change)} was given up; the shards stay.")


async def decide(means: Means, seen: Seen, action: DecideChange) -> None:
    """Decide the next map, if every shard still is sealed and empty."""
    identity = freshness.identity_of(seen)
    everybody = [known.name for known in identity.shards]
    await _require_sealed(means, seen, action.change, everybody, shapes.leaving(identity, action.change))

    def change(known: Identity) -> Identity:
        if known.change != action.change or [entry.name for entry in known.shards] != everybody:
            raise ConflictError("RecordChanged", "The change of the shards is another one by now.")
        return shapes.decide(known, action.change)

    await freshness.change_identity(means, seen, change)


async def end(means: Means, seen: Seen, action: EndChange) -> None:
    """Record the shards in force, if those that leave still are sealed and empty."""
    gone = shapes.leaving(freshness.identity_of(seen), action.change)
    await _require_sealed(means, seen, action.change, gone, gone)

    def change(known: Identity) -> Identity:
        if known.change != action.change:
            raise ConflictError("RecordChanged", "The change of the shards is another one by now.")
        return shapes.end(known, action.change)

    await freshness.change_identity(means, seen, change)
    message = f"The shards are {_listed(action.change)}, by the map of epoch {action.change.epoch}."
    _tell(means, events.SHARDS_CHANGED, f"{message} Removed: {', '.join(gone)}." if gone else message)


async def seal(means: Means, seen: Seen, action: SealShard) -> None:
    """Have a leader seal its database, if the change that asks for it still stands."""
    await freshness.still_wanted(means, seen)
    _, identity = await freshness.read_identity(means, seen)
    if identity.change is None or identity.change.epoch != action.epoch:
        raise ConflictError("RecordChanged", "The change of the shards is another one by now.")
    order = SealOrder(action.epoch, action.leaves)
    await means.agents.orders.seal(_peer(seen, action.shard, action.leader), order)


async def unseal(means: Means, seen: Seen, action: UnsealShard) -> None:
    """Have a leader take the seal off."""
    await means.agents.orders.unseal(_peer(seen, action.shard, action.leader))


async def remove(means: Means, seen: Seen, action: RemoveShard) -> None:
    """Take away what is left of a shard: everything is given to a StatefulSet of it and goes with that one.

    Whoever may not delete Services and Roles takes them away all the same, and an operator that dies amid this leaves
    them with the StatefulSet, for the next one to find.
    """
    await freshness.still_wanted(means, seen)
    _, identity = await freshness.read_identity(means, seen)
    if action.shard not in departing.departed(identity):
        raise ConflictError("RecordChanged", f"{action.shard} is a shard of the cluster by now.")
    found = [item for item in seen.objects.values() if departing.shard_of(item) == action.shard]
    sets = [item for item in found if item["kind"] == resources.STATEFUL_SET.kind]
    owner = metadata.owned_by(sets[0]) if sets else _nobody(seen, action.shard)
    given = [item for item in found if item not in sets and departing.stands(item)]
    await freshness.bounded(functools.partial(_give, means, item, owner) for item in given)
    for item in sets:
        await means.kube.delete(item)
    if sets:
        _tell(means, events.SHARD_REMOVED, f"{action.shard} is removed; its volumes follow deletion.volumes.")


async def _give(means: Means, item: Manifest, owner: Manifest) -> None:
    standing = item["metadata"]
    patch = {"metadata": {"uid": standing["uid"], "ownerReferences": [owner]}}
    await means.kube.merge(resources.of(item), standing["namespace"], standing["name"], patch)


def _nobody(seen: Seen, shard: str) -> Manifest:
    """Return an owner that is gone: what has no other one, Kubernetes collects."""
    return {
        "apiVersion": resources.STATEFUL_SET.api_version,
        "kind": resources.STATEFUL_SET.kind,
        "name": names.shard_set(seen.ref.name, shard),
        "uid": str(uuid.uuid5(uuid.UUID(seen.ref.uid), shard)),
        "controller": False,
        "blockOwnerDeletion": False,
    }


def _was_opened(identity: Identity, shard: str) -> bool:
    known = identity.shard(shard)
    return known is not None and known.opened


async def _require_sealed(means: Means, seen: Seen, change: Change, asked: Iterable[str], leave: Iterable[str]) -> None:
    """Ask leaders once more whether their databases are empty and stay so.

    Raises:
        ConflictError: one is not; the next round looks again.
    """
    gone, identity = set(leave), freshness.identity_of(seen)
    for name in asked:
        shard = next((found for found in seen.facts.shards if found.name == name), None)
        leader = shards.leader_of(shard, identity.shard(name)) if shard is not None else None
        if leader is None:
            raise ConflictError("ShardChanged", f"{name} has no primary by now.")
        inside = await means.agents.orders.inside(_peer(seen, name, leader[0].name))
        if not reshaping.is_sealed(inside, change.epoch, leaves=name in gone):
            raise ConflictError("ShardChanged", f"{name} is no longer sealed and empty.")


def _listed(change: Change) -> str:
    return ", ".join(f"{name} (weight {weight})" for name, weight in change.shards)


def _tell(means: Means, reason: str, message: str) -> None:
    means.news.append(News(reason, message))


def _peer(seen: Seen, shard: str, instance: str) -> Peer:
    return agents.peer_of(instance, names.shard_set(seen.ref.name, shard), seen.ref.namespace)
