"""Actions on one shard: orders to its agents, and the steps of its birth record."""

import dataclasses
import functools

from covet.controllers import agents, freshness
from covet.controllers.freshness import Means
from covet.controllers.observe import Seen
from covet.core import names
from covet.core.agentapi import Peer
from covet.core.agentorders import (
    BootstrapOrder,
    CloneOrder,
    CohortOrder,
    DatabaseOrder,
    MapOrder,
    OpenOrder,
    SealOrder,
    SwitchoverOrder,
)
from covet.core.errors import ConflictError, RefusedError
from covet.kube import resources
from covet.manifests import passwords, secrets
from covet.planner import actions as act
from covet.planner.record import ShardRecord


async def push_spec(means: Means, seen: Seen, action: act.PushSpec) -> None:
    """Hand the newest spec to agents."""
    spec = seen.facts.wanted_specs[action.shard]
    await freshness.bounded(
        functools.partial(means.agents.orders.put_spec, _peer(seen, action.shard, name), spec)
        for name in action.instances
    )


async def bootstrap(means: Means, seen: Seen, action: act.Bootstrap) -> None:
    """Order the one initdb of a shard, if its record still asks for it."""
    known = await freshness.fresh_record(means, seen, action.shard)
    if not known.asks(action.instance):
        raise ConflictError("RecordChanged", f"The record of {action.shard} no longer asks for a bootstrap.")
    order = BootstrapOrder(cluster_uid=freshness.identity_of(seen).cluster_uid, shard_uid=known.uid)
    await means.agents.orders.bootstrap(_peer(seen, action.shard, action.instance), order)


async def record_system_id(means: Means, seen: Seen, action: act.RecordSystemId) -> None:
    """Record the system id of a shard."""

    def change(known: ShardRecord) -> ShardRecord:
        if known.system_id not in {None, action.system_id}:
            raise ConflictError("RecordChanged", f"{action.shard} has another system id by now.")
        return dataclasses.replace(known, system_id=action.system_id)

    await freshness.change_record(means, seen, action.shard, change)


async def clone(means: Means, seen: Seen, action: act.Clone) -> None:
    """Order empty volumes to copy the leader."""
    known = await freshness.fresh_record(means, seen, action.shard)
    if known.system_id != action.system_id:
        raise ConflictError("RecordChanged", f"{action.shard} has another system id by now.")
    order = CloneOrder(leader=action.leader, system_id=action.system_id)
    await freshness.bounded(
        functools.partial(means.agents.orders.clone, _peer(seen, action.shard, name), order)
        for name in action.instances
    )


async def grow_cohort(means: Means, seen: Seen, action: act.GrowCohort) -> None:
    """Ask the leader for one step."""
    order = CohortOrder(instances=action.instances, acks=action.acks)
    await means.agents.orders.cohort(_peer(seen, action.shard, action.leader), order)


async def hand_over(means: Means, seen: Seen, action: act.HandOver) -> None:
    """Have a leader that leaves hand over."""
    await freshness.still_wanted(means, seen)
    await means.agents.orders.switchover(_peer(seen, action.shard, action.leader), SwitchoverOrder(to=action.to))


async def put_database(means: Means, seen: Seen, action: act.PutDatabase) -> None:
    """Have the leader make database and owner, then record a digest of the password; the verifier is computed here."""
    database = freshness.born(seen).database
    name = names.user_secret(seen.ref.name, database.owner)
    found = await means.kube.get(resources.SECRET, seen.ref.namespace, name)
    try:
        values = secrets.values_of(found or {})
        salt = passwords.salt(freshness.identity_of(seen).cluster_uid, database.owner)
        verifier = passwords.verifier(values["password"], salt)
    except (KeyError, ValueError, TypeError) as error:
        raise RefusedError(
            "PasswordUnreadable",
            f"Secret {name} has no usable key `password` ({error}): write one of printable ASCII, or delete the"
            " Secret and a new one is made.",
        ) from error
    separate = values.get("username", database.owner) in names.logins(database.owner)
    order = DatabaseOrder(name=database.name, owner=database.owner, verifier="" if separate else verifier)
    await means.agents.orders.put_database(_peer(seen, action.shard, action.leader), order)
    if separate:  # the password is a login role's, which the next round looks after
        return
    authority = seen.objects.get(("Secret", seen.ref.namespace, names.authority_secret(seen.ref.name)))
    digest = secrets.password_digest(found or {}, authority)
    if digest is not None:
        await freshness.change_record(means, seen, action.shard, lambda known: known.given(digest, staged=False))


async def put_map(means: Means, seen: Seen, action: act.PutMap) -> None:
    """Have the leader store the published map."""
    ring = seen.facts.ring_map
    if ring is None or ring.epoch != action.epoch:
        raise ConflictError("MapChanged", f"Epoch {action.epoch} is no longer the published map.")
    change = freshness.identity_of(seen).change
    seal = None
    if change is not None and change.decided and change.epoch == ring.epoch:
        seal = SealOrder(change.epoch, leaves=action.shard not in change.names)
    order = MapOrder(epoch=ring.epoch, document=ring.document, seal=seal)
    await means.agents.orders.put_map(_peer(seen, action.shard, action.leader), order)


async def record_opened(means: Means, seen: Seen, action: act.RecordOpened) -> None:
    """Record that a shard is open."""

    def change(known: ShardRecord) -> ShardRecord:
        if known.system_id is None:
            raise ConflictError("RecordChanged", f"{action.shard} has no system id in its record.")
        return dataclasses.replace(known, opened=True)

    await freshness.change_record(means, seen, action.shard, change)


async def open_shard(means: Means, seen: Seen, action: act.Open) -> None:
    """Order the leader to let clients in, if the record says so."""
    known = await freshness.fresh_record(means, seen, action.shard)
    if not known.opened:
        raise ConflictError("RecordChanged", f"The record of {action.shard} does not say opened.")
    await means.agents.orders.open(_peer(seen, action.shard, action.leader), OpenOrder(shard_uid=known.uid))


def _peer(seen: Seen, shard: str, instance: str) -> Peer:
    return agents.peer_of(instance, names.shard_set(seen.ref.name, shard), seen.ref.namespace)
