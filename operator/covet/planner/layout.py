"""Which edits of a spec a living cluster follows, and which have to wait.

The number of shards, their weights, volumes, the server's version and the database are fixed
at birth in this version of Covet: the cluster goes on with what it was born with, and each edit
of such a field is listed in `status.pendingChanges`, never silently ignored.
"""

from collections.abc import Iterator
from typing import Final

from covet.api import quantity
from covet.api.effective import EffectiveSpec
from covet.planner.actions import PendingChange
from covet.planner.facts import ClusterFacts

_UNDO: Final = "Put the old value back, or make a new cluster and move the data."
_MOVE: Final = "Make a new cluster of that size and move the data."
"""Instead of `_UNDO` for the volumes' size, which the definition lets nobody change, not even back."""

_AT_LEAST_THE_PRIMARYS: Final = frozenset(
    {
        "max_connections",
        "max_worker_processes",
        "max_wal_senders",
        "max_prepared_transactions",
        "max_locks_per_transaction",
    }
)
"""Settings with a lower value of which than the primary's a replica does not start."""


def in_force(wanted: EffectiveSpec, born: EffectiveSpec) -> EffectiveSpec:
    """Return the spec to work by: what is fixed at birth from `born`, the rest as wanted now."""
    return wanted.model_copy(
        update={
            "engine": wanted.engine.model_copy(update={"version": born.engine.version}),
            "shards": born.shards.model_copy(update={"instances": wanted.shards.instances}),
            "storage": born.storage,
            "database": born.database,
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
    if quantity.parse(wanted.storage.size) != quantity.parse(born.storage.size):
        yield PendingChange(
            "spec.storage.size",
            "VolumeGrowthUnsupported",
            f"The cluster was born with {born.storage.size} and keeps it; {wanted.storage.size} waits. {_MOVE}",
        )
    for field, reason, old, new in fixed:
        if old != new:
            yield PendingChange(
                field, reason, f"The cluster was born with {_text(old)} and keeps it; {_text(new)} waits. {_UNDO}"
            )


def restarts(facts: ClusterFacts) -> tuple[PendingChange, ...]:
    """Return the changes that wait for a restart of pods or servers."""
    pods = [seen.pod for shard in facts.shards for seen in shard.instances if seen.pod is not None]
    outdated = sorted(pod.name for pod in pods if pod.outdated)
    settings: dict[str, list[str]] = {}
    for shard in facts.shards:
        for seen, answer in shard.answers():
            for setting in answer.pending_restart:
                settings.setdefault(setting, []).append(seen.name)
    changes = [
        PendingChange(
            f"spec.engine.parameters.{setting}",
            "RestartNeeded",
            f"Takes effect when the server restarts on {', '.join(sorted(waiting))}{_order(setting)}",
        )
        for setting, waiting in sorted(settings.items())
    ]
    if outdated:
        changes.append(
            PendingChange(
                "spec",
                "PodRestartNeeded",
                f"The pod template has changed since {', '.join(outdated)} started: delete the pods of the"
                " replicas one by one, then the pod of the primary.",
            )
        )
    return tuple(changes)


def _order(setting: str) -> str:
    """Return in which order a person restarts the servers of a shard for a setting."""
    replicas_first = "delete the pods of the replicas one by one, then the pod of the primary"
    if setting not in _AT_LEAST_THE_PRIMARYS:
        return f": {replicas_first}."
    return (
        f". If the value was raised, {replicas_first}; if it was lowered, the pod of the primary first, then the"
        " replicas one by one: a replica with less than its primary does not start."
    )


def _text(value: object) -> str:
    return "the default" if value is None or value == {} else str(value)
