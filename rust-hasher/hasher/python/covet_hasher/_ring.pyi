"""Types of the Rust module; checked against it by stubtest."""

from collections.abc import Sequence
from typing import Final, Literal, Self, TypeAlias, final, overload
from uuid import UUID

import numpy
from numpy.typing import NDArray

_Key: TypeAlias = int | str | UUID

__all__ = [
    "PG1_SEED",
    "SLOTS",
    "Map",
    "Move",
    "RingError",
    "Shard",
    "__version__",
    "position",
    "slot",
    "sql_expression",
    "sql_predicate",
    "sql_probe",
]
__version__: Final[str]

SLOTS: Final[int]
"""Number of slots of the ring: 16384."""

PG1_SEED: Final[int]
"""The seed of hash pg1: the one PostgreSQL uses for PARTITION BY HASH."""

class RingError(ValueError):
    """A key, a map or a change of a map was refused.

    The message is a sentence with the values in it.

    Attributes:
        reason: One CamelCase word, stable, for programs: Gap, Overlap, BadChecksum, NotAKey and so on.
    """

    reason: str

@final
class Shard:
    """A shard as a map knows it: a name, the number that stands for it, a share of the slots."""

    @property
    def name(self) -> str: ...
    @property
    def id(self) -> int: ...
    @property
    def weight(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Move:
    """A run of slots (first to last, inclusive) of one group that leaves shard `source` for shard `target`.

    Raises:
        RingError: BadRange, when the slots are no range of the ring.
    """

    def __new__(cls, source: str, target: str, first: int, last: int, group: str = "default") -> Self: ...
    @property
    def group(self) -> str: ...
    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def slots(self) -> int:
        """Number of slots that move."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Map:
    """Which shard owns a key: versioned, exact and immutable; a change makes a new map with the next epoch.

    Where a method takes a `group`, it is "default" unless named. Every refusal is a RingError.
    """

    @staticmethod
    def initial(
        cluster_uid: str,
        shards: Sequence[tuple[str, int]],
        hashes: dict[str, str] | None = None,
    ) -> Map:
        """Make the first map of a cluster: epoch 1, group "default", each shard one range of slots.

        Args:
            cluster_uid: 1 to 128 visible ASCII characters.
            shards: (name, weight) pairs; slots go by weight, largest remainder first.
            hashes: The hash (pg1, cv1, crc1, md1) for each type of key (bigint, text, uuid) that the map
                shall take; pg1 for all of them unless given.

        Raises:
            RingError: NoWeight, TooManyShards, BadName, DuplicateName, UnknownHash, HashKeyType.
        """
    @staticmethod
    def from_json(text: str) -> Map:
        """Read a map and check all of it, its checksum included.

        Raises:
            RingError: With the fault and its place: Gap, Overlap, UnknownShardId, BadChecksum and so on.
        """
    @staticmethod
    def seal(text: str) -> Map:
        """Read a document that has no checksum yet, as a person or program writes it, and check all else.

        Raises:
            RingError: As from_json; a checksum that is there must fit.
        """
    def to_json(self) -> str:
        """Write the one text of this map: canonical JSON with its checksum."""
    def validate(self, previous: Map | None = None) -> None:
        """Check the map, and that it may replace `previous`.

        Raises:
            RingError: OtherCluster, StaleEpoch (it is older), EpochTwice (same epoch, other content).
        """
    @property
    def cluster(self) -> str:
        """The uid of the cluster."""
    @property
    def epoch(self) -> int:
        """The version of the map; it rises by one with each change."""
    @property
    def digest(self) -> str:
        """`sha256:` and the hex digest of `to_json()`."""
    @property
    def shards(self) -> list[Shard]:
        """The shards in the order of the document."""
    @property
    def groups(self) -> dict[str, Literal["Hash", "Range", "List"]]:
        """The groups and how each places keys."""
    @property
    def tables(self) -> dict[str, tuple[str, str] | None]:
        """The tables: (group, key column), or None for a reference table."""
    def lookup(self, key: _Key, group: str | None = None, *, table: str | None = None) -> Shard:
        """Find the shard that owns a key, in a group or in the group of a table.

        Raises:
            RingError: NotAKey (None, float, bool), WrongKeyType, Uncovered, UnknownGroup, UnknownTable,
                ReferenceTable.
        """
    @overload
    def lookup_many(
        self, keys: NDArray[numpy.int64], group: str | None = None, *, table: str | None = None
    ) -> NDArray[numpy.uint16]:
        """Find the ids of the shards that own many keys; the GIL is released while they are hashed.

        Args:
            keys: A one-dimensional array of int64 (not to be written to by other threads meanwhile),
                or a list of keys of one type.
            group: As in lookup.
            table: As in lookup.

        Returns:
            An array of uint16 for an array, a list for a list.

        Raises:
            RingError: As lookup.
            TypeError: For anything but a list or such an array.
        """
    @overload
    def lookup_many(
        self, keys: list[int] | list[str] | list[UUID], group: str | None = None, *, table: str | None = None
    ) -> list[int]: ...
    def owner(self, slot: int, group: str | None = None) -> Shard:
        """Find the shard that owns a slot (0 to 16383) of a Hash group."""
    def slots(self, group: str | None = None) -> list[tuple[int, int, str]]:
        """List all slots of a Hash group as runs: (first, last, name of the owner)."""
    def ranges(self, shard: str, group: str | None = None) -> list[tuple[int, int]]:
        """List the runs of slots that a shard owns in a Hash group: (first, last), inclusive."""
    def slot_counts(self, group: str | None = None) -> dict[str, int]:
        """Count the slots of each shard in a Hash group, in the order of the shards."""
    def plan(self, shards: Sequence[tuple[str, int]]) -> Map:
        """Make the target of a change of shards, with as little movement as the weights allow.

        Args:
            shards: The complete list of (name, weight) as it shall be: names not yet known are added,
                names left out are removed, weights may differ.

        Returns:
            The target, with the next epoch. It becomes true only when the data of `diff` has moved.

        Raises:
            RingError: ShardInUse, when a shard to be removed holds keys of a Range or List group.
        """
    def with_shards(self, shards: Sequence[tuple[str, int]]) -> Map:
        """Make the next map with this list of shards and the same owners; new shards own nothing yet.

        Raises:
            RingError: ShardInUse, when a shard left out still owns keys.
        """
    def with_moves(self, moves: Sequence[Move]) -> Map:
        """Make the next map, after the data of these moves has arrived.

        Raises:
            RingError: NotTheOwner, when a source does not own all slots of its move.
        """
    def diff(self, target: Map) -> list[Move]:
        """List the moves of slots that turn this map into `target`.

        Raises:
            RingError: NoSlotDiff, when they differ in more than shards and owners of slots.
        """
    def sql_predicate(self, shard: str, column: str, key_type: str, group: str | None = None) -> str:
        """Write the SQL predicate: the row belongs to this shard."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def position(key: _Key, hash: str = "pg1") -> int:
    """Ring position (32 bits) of a key under hash pg1, cv1, crc1 or md1.

    Raises:
        RingError: NotAKey, UnknownHash, HashKeyType.
    """

def slot(key: _Key, hash: str = "pg1") -> int:
    """Slot (0 to 16383) of a key: the upper 14 bits of its position."""

def sql_expression(column: str, key_type: str, hash: str = "pg1") -> str:
    """Write the SQL expression of which a range of slots is a range; an index on it serves sql_predicate.

    Args:
        column: Name of the key column; it is quoted.
        key_type: bigint (also for smallint and integer columns), text (also varchar) or uuid.
        hash: Name of the hash.

    Raises:
        RingError: NoSql for crc1, HashKeyType, BadColumn.
    """

def sql_predicate(column: str, key_type: str, first: int, last: int, hash: str = "pg1") -> str:
    """Write the SQL predicate: the row belongs to slots `first` to `last` (inclusive).

    CHECK constraints, indexes and publication row filters of PostgreSQL accept it.

    Raises:
        RingError: As sql_expression, and BadRange.
    """

def sql_probe(hash: str = "pg1") -> tuple[str, list[int]]:
    """Write a SELECT for a server and the row it must answer with before it may hold keys."""
