"""Which shards there shall be, and the steps of a change of them in the birth record. Pure.

A record is in one of three states: no change, a change that can be given up, a change that only goes forward.
"""

import dataclasses
from typing import Final

from covet.api import spec
from covet.api.effective import EffectiveSpec
from covet.core import names
from covet.planner import record
from covet.planner.record import Change, Identity

LETTERS: Final = max(spec.INSTANCES)
"""Letters that a shard may have used for its instances in its life."""

Layout = tuple[tuple[str, int], ...]
"""Name and weight of each shard, in order."""


def wished(wanted: EffectiveSpec) -> Layout:
    """Return the shards that a spec asks for; one that is not named weighs 1."""
    shards = [names.shard(index) for index in range(wanted.shards.count)]
    return tuple((shard, wanted.shards.weight(shard)) for shard in shards)


def added(identity: Identity, change: Change) -> tuple[str, ...]:
    """Return the shards that a change makes."""
    return tuple(name for name in change.names if name not in dict(identity.layout))


def leaving(identity: Identity, change: Change) -> tuple[str, ...]:
    """Return the shards that a change takes away."""
    return tuple(name for name, _ in identity.layout if name not in change.names)


def begin(identity: Identity, cluster: str, change: Change) -> Identity:
    """Return the record of a change that begins, with the shards that it makes."""
    known = dict(identity.departed)
    made = (
        record.new_shard(cluster, identity.cluster_uid, name, known.get(name, 0)) for name in added(identity, change)
    )
    return dataclasses.replace(identity, change=change, shards=(*identity.shards, *made))


def cancel(identity: Identity, change: Change) -> Identity:
    """Return the record of a change that is given up: what it made goes again."""
    return _without(dataclasses.replace(identity, change=None), added(identity, change))


def decide(identity: Identity, change: Change) -> Identity:
    """Return the record of a change that only goes forward."""
    return dataclasses.replace(identity, change=dataclasses.replace(change, decided=True), epoch=change.epoch)


def end(identity: Identity, change: Change) -> Identity:
    """Return the record of a change that is over: its shards are those in force."""
    weights = {name: weight for name, weight in change.shards if weight != 1}
    shards = identity.born.shards.model_copy(update={"count": len(change.shards), "weights": weights})
    ended = dataclasses.replace(identity, change=None, born=identity.born.model_copy(update={"shards": shards}))
    return _without(ended, leaving(identity, change))


def _without(identity: Identity, gone: tuple[str, ...]) -> Identity:
    """Return a record without some shards, which remembers where their letters ended."""
    following = {known.name: known.first + LETTERS for known in identity.shards if known.name in gone}
    departed = {**dict(identity.departed), **following}
    kept = tuple(known for known in identity.shards if known.name not in gone)
    return dataclasses.replace(identity, shards=kept, departed=tuple(sorted(departed.items())))
