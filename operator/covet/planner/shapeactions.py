"""What can be done about the shards of a cluster, their number and their weights: values, as in `actions`."""

import dataclasses

from covet.planner.record import Change


@dataclasses.dataclass(frozen=True)
class BeginChange:
    """Record a change of the shards and the births of those that it adds, by compare-and-set."""

    change: Change


@dataclasses.dataclass(frozen=True)
class CancelChange:
    """Record that a change is given up, and that the shards which it added go again, by compare-and-set."""

    change: Change


@dataclasses.dataclass(frozen=True)
class DecideChange:
    """Record that a change goes forward, if every shard still is sealed and empty. Cannot be taken back."""

    change: Change


@dataclasses.dataclass(frozen=True)
class EndChange:
    """Record the shards in force, if those that leave still are sealed and empty. Cannot be taken back."""

    change: Change


@dataclasses.dataclass(frozen=True)
class RemoveShard:
    """Take away what is left of a shard that the record has given up; its claims follow the deletion policy."""

    shard: str


@dataclasses.dataclass(frozen=True)
class SealShard:
    """Have the leader let nothing be made in the application's database.

    Args:
        epoch: of the map that it is sealed for.
        leaves: the map no longer names the shard: clients are shut out, too.
    """

    shard: str
    leader: str
    epoch: int
    leaves: bool


@dataclasses.dataclass(frozen=True)
class UnsealShard:
    """Have the leader let clients make things again."""

    shard: str
    leader: str


ClusterStep = BeginChange | CancelChange | DecideChange | EndChange | RemoveShard
ShardStep = SealShard | UnsealShard
