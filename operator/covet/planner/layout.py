"""Which edits of a spec a living cluster follows, and which have to wait.

The class of volumes, the server's version and the database are fixed at birth in this version of Covet: the cluster
goes on with what it was born with, and each edit of such a field is listed in `status.pendingChanges`, never silently
ignored. The number of shards and their weights change by steps of their own (`reshaping`); what is in force of them
stands in the record as well.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from covet.api.effective import EffectiveShards, EffectiveSpec
from covet.planner import volumes
from covet.planner.facts import NO_VOLUMES, Volumes
from covet.planner.plan import PendingChange

_UNDO: Final = "Put the old value back, or make a new cluster and move the data."
RESHARDING: Final = "ReshardingUnsupported"
"""Why a change of the shards is listed that would have to move rows."""
_SAME: Final = 1
"""Weight of a shard that is not named."""


def in_force(wanted: EffectiveSpec, born: EffectiveSpec, seen: Volumes = NO_VOLUMES) -> EffectiveSpec:
    """Return the spec to work by: what is fixed at birth from `born`, a size that volumes can have, else as wanted."""
    return volumes.in_force(wanted, born, seen).model_copy(
        update={
            "engine": wanted.engine.model_copy(update={"version": born.engine.version}),
            "shards": _shards(wanted.shards, born.shards),
            "database": born.database,
            "adopt": None,  # says whose data a record is for; nothing is run by it
        }
    )


def _shards(wanted: EffectiveShards, born: EffectiveShards) -> EffectiveShards:
    """Return number and weights in force, in the user's words where they say the same, and all else as wanted."""
    if (wanted.count, _uneven(wanted.weights)) == (born.count, _uneven(born.weights)):
        return wanted
    return born.model_copy(update={"instances": wanted.instances, "placement": wanted.placement})


def of_shards(wanted: EffectiveSpec, born: EffectiveSpec) -> tuple[str, ...]:
    """Return the fields about shards in which a spec asks for something else than is in force."""
    count = ("spec.shards.count",) if wanted.shards.count != born.shards.count else ()
    uneven = _uneven(wanted.shards.weights) != _uneven(born.shards.weights)
    return (*count, "spec.shards.weights") if uneven else count


def pending(wanted: EffectiveSpec, born: EffectiveSpec) -> tuple[PendingChange, ...]:
    """Return the edits of fields that are fixed at birth."""
    return tuple(_pending(wanted, born))


def _pending(wanted: EffectiveSpec, born: EffectiveSpec) -> Iterator[PendingChange]:
    fixed: tuple[tuple[str, str, object, object], ...] = (
        ("spec.engine.version", "UpgradeUnsupported", born.engine.version, wanted.engine.version),
        ("spec.storage.className", "VolumeMoveUnsupported", born.storage.class_name, wanted.storage.class_name),
        ("spec.database.name", "RenameUnsupported", born.database.name, wanted.database.name),
        ("spec.database.owner", "RenameUnsupported", born.database.owner, wanted.database.owner),
    )
    for field, reason, old, new in fixed:
        if old != new:
            yield PendingChange(
                field, reason, f"The cluster was born with {_text(old)} and keeps it; {_text(new)} waits. {_UNDO}"
            )


def _uneven(weights: Mapping[str, int]) -> str | None:
    """Return the weights that are not the usual one, None if there are none: naming that one changes nothing."""
    named = [
        f"{shard}: {weight}"
        for shard, weight in sorted(weights.items(), key=lambda one: (len(one[0]), one))
        if weight != _SAME
    ]
    return ", ".join(named) or None


def _text(value: object) -> str:
    return "the default" if value is None else str(value)
