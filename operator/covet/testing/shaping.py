"""What becomes of a world when its shards change: steps of the record, seals, and shards that are taken away."""

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

from covet.core.agentapi import MemberState
from covet.core.agentorders import Inside, InsideRequest, MapOrder, SealOrder, UnsealOrder
from covet.core.errors import ConflictError, CovetError
from covet.planner import actions as act
from covet.planner import reshaping, shapes
from covet.planner import shard as shards
from covet.planner.facts import MapFacts, ShardFacts
from covet.planner.record import Identity
from covet.planner.shapeactions import (
    BeginChange,
    CancelChange,
    ClusterStep,
    DecideChange,
    EndChange,
    RemoveShard,
    SealShard,
    ShardStep,
)
from covet.testing.agents import FakeAgent, ImpossibleError

if TYPE_CHECKING:
    from covet.testing.world import World


def published(identity: Identity) -> MapFacts:
    """Return the map that a record tells."""
    return MapFacts(identity.epoch, "{}", "pg1", "sha256:0", {name: 1 for name, _ in identity.mapped})


def asked(world: "World", seen: ShardFacts) -> ShardFacts:
    """Return a shard with what its leader says of its database."""
    return dataclasses.replace(seen, inside=_inside(world, seen))


def _inside(world: "World", seen: ShardFacts) -> Inside | None:
    identity = _known(world)
    leader = shards.leader_of(seen, identity.shard(seen.name))
    if leader is None:
        return None
    try:
        return world.agents[leader[0].name].inside(InsideRequest())
    except CovetError:
        return None


def left(world: "World") -> dict[str, bool]:
    """Return the shards that the record has given up and that are still there."""
    known = {record.name for record in _known(world).shards}
    return {name: True for name, _ in _known(world).departed if name not in known and world.siblings.get(name)}


def carry_out(world: "World", action: ClusterStep) -> None:
    """Carry out a step of the record, or take a shard away."""
    identity = _known(world)
    if isinstance(action, RemoveShard):
        _remove(world, action.shard)
        return
    change = action.change
    if identity.change != (None if isinstance(action, BeginChange) else change):
        raise ConflictError("RecordChanged", "another change is recorded")
    gone = shapes.leaving(identity, change)
    if isinstance(action, BeginChange):
        world.identity = shapes.begin(identity, world.name, change)
    elif isinstance(action, CancelChange):
        made = shapes.added(identity, change)
        opened = [record.name for record in identity.shards if record.name in made and record.opened]
        _require_sealed(world, change.epoch, opened, made)
        world.identity = shapes.cancel(identity, change)
    elif isinstance(action, DecideChange):
        _require_sealed(world, change.epoch, (record.name for record in identity.shards), gone)
        world.identity = shapes.decide(identity, change)
    elif isinstance(action, EndChange):
        _require_sealed(world, change.epoch, gone, gone)
        world.identity = shapes.end(identity, change)


def order(agent: FakeAgent, action: ShardStep) -> None:
    """Give an order about a seal."""
    if isinstance(action, SealShard):
        agent.seal(SealOrder(action.epoch, action.leaves))
    else:
        agent.unseal(UnsealOrder())


def map_order(identity: Identity, action: act.PutMap) -> MapOrder:
    """Return the order to store a map."""
    change = identity.change
    if change is None or not change.decided or change.epoch != action.epoch:
        return MapOrder(action.epoch, "{}")
    return MapOrder(action.epoch, "{}", SealOrder(change.epoch, action.shard not in change.names))


def _require_sealed(world: "World", epoch: int, names: Iterable[str], gone: tuple[str, ...]) -> None:
    for name in names:
        leads = [agent for agent in world.siblings[name].values() if agent.state is MemberState.LEADER]
        reached = [agent for agent in leads if agent.instance not in world.unreachable]
        if len(reached) != 1 or not reshaping.is_sealed(reached[0].inside(InsideRequest()), epoch, leaves=name in gone):
            raise ConflictError("ShardChanged", f"{name} is not sealed and empty")


def _remove(world: "World", shard: str) -> None:
    for instance, agent in world.siblings.pop(shard).items():
        volume = agent.volume
        if volume is not None and volume.tables:
            raise ImpossibleError(f"{instance} was taken away with {', '.join(volume.tables)}")
        del world.agents[instance], world.pods[instance]
    world.published.pop(shard, None)
    world.endpoints.pop(shard, None)


def _known(world: "World") -> Identity:
    if world.identity is None:
        raise AssertionError("acted before the birth record")
    return world.identity
