"""Which shard owns a key: the hash ring of Covet.

The package is a thin layer over the Rust crate that the router uses too, so that every part of Covet
gives the same answer. ``docs/ring.md`` describes slots, hashes and the format of the map.
"""

from covet_hasher._ring import (
    PG1_SEED,
    SLOTS,
    Map,
    Move,
    RingError,
    Shard,
    __version__,
    position,
    slot,
    sql_expression,
    sql_predicate,
    sql_probe,
)

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
