"""Reading once more before what cannot be taken back, and what every action works with."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from covet.api.effective import EffectiveSpec
from covet.controllers import agents, rivals
from covet.controllers.agents import Agents
from covet.controllers.observe import Seen
from covet.core import events, names
from covet.core.clock import Clock
from covet.core.errors import ConflictError
from covet.kube import resources
from covet.kube.client import Kube
from covet.kube.ledger import Ledger
from covet.kube.resources import Manifest
from covet.manifests.certificates import DEFAULT_LIFETIMES, Lifetimes
from covet.planner import record
from covet.planner.facts import InstanceFacts, ShardFacts
from covet.planner.record import Identity, Rotation, ShardRecord
from covet.planner.telling import News

_PARALLEL: Final = 8
"""Calls at a time."""


@dataclasses.dataclass(frozen=True)
class Means:
    """What actions on one cluster are carried out with.

    Args:
        agents: connections to its agents.
        applied: told of every object that was applied.
        recording: held while the birth record is changed.
        news: what came of actions and is worth an Event; whoever sends them empties it.
        lifetimes: of what is issued.
    """

    kube: Kube
    clock: Clock
    agents: Agents
    applied: Ledger
    recording: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)
    news: list[News] = dataclasses.field(default_factory=list)
    lifetimes: Lifetimes = DEFAULT_LIFETIMES


async def still_wanted(means: Means, seen: Seen) -> None:
    """Check that the object still stands, as it was seen.

    Raises:
        ConflictError: it is gone, being deleted, another one, paused, edited, or served by another operator by now.
    """
    body = await means.kube.get(resources.CLUSTER, seen.ref.namespace, seen.ref.name)
    metadata = (body or {}).get("metadata") or {}
    if metadata.get("uid") != seen.ref.uid or "deletionTimestamp" in metadata:
        raise ConflictError("ClusterGone", f"{seen.ref.name} is gone or being deleted.")
    if metadata.get("generation") != seen.facts.generation:
        raise ConflictError("ClusterChanged", f"{seen.ref.name} was edited meanwhile.")
    if rivals.named_in(body or {}) not in {None, seen.facts.operator}:
        raise ConflictError(events.SERVED_ELSEWHERE, f"{seen.ref.name} is served by another operator by now.")


async def read_identity(means: Means, seen: Seen) -> tuple[Manifest, Identity]:
    """Return the ConfigMap of the birth record and the record."""
    name = names.identity(seen.ref.name)
    found = await means.kube.get(resources.CONFIG_MAP, seen.ref.namespace, name)
    if found is None:
        raise ConflictError("IdentityGone", f"ConfigMap {name} is gone.")
    identity = record.decode((found.get("data") or {}).get(record.KEY, ""))
    if identity.owner_uid != seen.ref.uid:
        raise ConflictError("IdentityChanged", f"ConfigMap {name} belongs to another cluster.")
    return found, identity


async def fresh_record(means: Means, seen: Seen, shard: str) -> ShardRecord:
    """Return the birth record of a shard as it is now, if the cluster is still wanted."""
    await still_wanted(means, seen)
    _, identity = await read_identity(means, seen)
    return known_shard(identity, shard)


async def change_record(means: Means, seen: Seen, shard: str, change: Callable[[ShardRecord], ShardRecord]) -> None:
    """Change the birth record of a shard by compare-and-set."""
    async with means.recording:
        await still_wanted(means, seen)
        found, identity = await read_identity(means, seen)
        known = known_shard(identity, shard)
        changed = change(known)
        if changed == known:
            return
        data = {**(found.get("data") or {}), record.KEY: record.encode(identity.with_shard(changed))}
        await means.kube.replace({**found, "data": data})


async def change_identity(means: Means, seen: Seen, change: Callable[[Identity], Identity]) -> None:
    """Change the birth record as a whole by compare-and-set."""
    async with means.recording:
        await still_wanted(means, seen)
        found, identity = await read_identity(means, seen)
        data = {**(found.get("data") or {}), record.KEY: record.encode(change(identity))}
        await means.kube.replace({**found, "data": data})


async def change_rotation(means: Means, seen: Seen, before: Rotation | None, after: Rotation) -> None:
    """Change the record of the newest rotation by compare-and-set.

    Raises:
        ConflictError: it is another one by now than was seen.
    """
    async with means.recording:
        await still_wanted(means, seen)
        found, identity = await read_identity(means, seen)
        if identity.rotation != before:
            raise ConflictError("RecordChanged", "The record of the newest rotation has changed.")
        changed = dataclasses.replace(identity, rotation=after)
        data = {**(found.get("data") or {}), record.KEY: record.encode(changed)}
        await means.kube.replace({**found, "data": data})


async def asked_again(means: Means, seen: Seen, shard: ShardFacts) -> ShardFacts:
    """Return a shard with the answers that its agents give now; who was not asked before is not asked."""

    async def ask(instance: InstanceFacts) -> InstanceFacts:
        if instance.agent is None:
            return instance
        peer = agents.peer_of(instance.name, names.shard_set(seen.ref.name, shard.name), seen.ref.namespace)
        return dataclasses.replace(instance, agent=await means.agents.ask(peer))

    return dataclasses.replace(shard, instances=tuple(await asyncio.gather(*map(ask, shard.instances))))


async def bounded(calls: Iterable[Callable[[], Awaitable[Any]]]) -> None:
    """Await calls, a few at a time; all are tried, then the first failure is raised."""
    gate = asyncio.Semaphore(_PARALLEL)

    async def one(call: Callable[[], Awaitable[Any]]) -> None:
        async with gate:
            await call()

    raise_first(await asyncio.gather(*(one(call) for call in calls), return_exceptions=True))


def raise_first(outcomes: Iterable[object]) -> None:
    """Raise the first exception among outcomes."""
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def identity_of(seen: Seen) -> Identity:
    """Return the birth record that was observed."""
    if seen.facts.identity is None:
        raise ConflictError("IdentityGone", f"{seen.ref.name} has no birth record.")
    return seen.facts.identity


def born(seen: Seen) -> EffectiveSpec:
    """Return the spec at birth."""
    return identity_of(seen).born


def known_shard(identity: Identity, shard: str) -> ShardRecord:
    """Return the record of one shard."""
    known = identity.shard(shard)
    if known is None:
        raise ConflictError("RecordGone", f"{shard} has no birth record.")
    return known
