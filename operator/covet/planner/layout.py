"""Which edits of a spec a living cluster follows, and which have to wait.

The number of shards, their weights, the class of volumes, the server's version and the database are fixed
at birth in this version of Covet: the cluster goes on with what it was born with, and each edit
of such a field is listed in `status.pendingChanges`, never silently ignored.
"""

from collections.abc import Iterator
from typing import Final

from covet.api.effective import EffectiveSpec
from covet.planner import volumes
from covet.planner.facts import NO_VOLUMES, Volumes
from covet.planner.plan import PendingChange

_UNDO: Final = "Put the old value back, or make a new cluster and move the data."


def in_force(wanted: EffectiveSpec, born: EffectiveSpec, seen: Volumes = NO_VOLUMES) -> EffectiveSpec:
    """Return the spec to work by: what is fixed at birth from `born`, a size that volumes can have, else as wanted."""
    return volumes.in_force(wanted, born, seen).model_copy(
        update={
            "engine": wanted.engine.model_copy(update={"version": born.engine.version}),
            "shards": born.shards.model_copy(update={"instances": wanted.shards.instances}),
            "database": born.database,
            "adopt": None,  # says whose data a record is for; nothing is run by it
        }
    )


def pending(wanted: EffectiveSpec, born: EffectiveSpec) -> tuple[PendingChange, ...]:
    """Return the edits of fields that are fixed at birth."""
    return tuple(_pending(wanted, born))


def _pending(wanted: EffectiveSpec, born: EffectiveSpec) -> Iterator[PendingChange]:
    fixed: tuple[tuple[str, str, object, object], ...] = (
        ("spec.engine.version", "UpgradeUnsupported", born.engine.version, wanted.engine.version),
        ("spec.shards.count", "ReshardingUnsupported", born.shards.count, wanted.shards.count),
        ("spec.shards.weights", "ReshardingUnsupported", born.shards.weights, wanted.shards.weights),
        ("spec.storage.className", "VolumeMoveUnsupported", born.storage.class_name, wanted.storage.class_name),
        ("spec.database.name", "RenameUnsupported", born.database.name, wanted.database.name),
        ("spec.database.owner", "RenameUnsupported", born.database.owner, wanted.database.owner),
    )
    for field, reason, old, new in fixed:
        if old != new:
            yield PendingChange(
                field, reason, f"The cluster was born with {_text(old)} and keeps it; {_text(new)} waits. {_UNDO}"
            )


def _text(value: object) -> str:
    return "the default" if value is None or value == {} else str(value)
