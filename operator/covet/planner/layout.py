"""Which edits of a spec a living cluster follows, and which have to wait.

Shards, instances, weights, volumes, the server's version and the database are fixed
at birth in this version of Covet: the cluster goes on with what it was born with, and each edit
of such a field is listed in `status.pendingChanges`, never silently ignored.
"""

from collections.abc import Iterator

from covet.api.effective import EffectiveSpec
from covet.planner.actions import PendingChange
from covet.planner.facts import ClusterFacts

_UNDO = "Put the old value back, or make a new cluster and move the data."


def in_force(wanted: EffectiveSpec, born: EffectiveSpec) -> EffectiveSpec:
    """Return the spec to work by: what is fixed at birth from `born`, the rest as wanted now."""
    return wanted.model_copy(
        update={
            "engine": wanted.engine.model_copy(update={"version": born.engine.version}),
            "shards": born.shards,
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
        ("spec.shards.instances", "ScalingUnsupported", born.shards.instances, wanted.shards.instances),
        ("spec.shards.weights", "ReshardingUnsupported", born.shards.weights, wanted.shards.weights),
        ("spec.storage.size", "VolumeGrowthUnsupported", born.storage.size, wanted.storage.size),
        ("spec.storage.className", "VolumeMoveUnsupported", born.storage.class_name, wanted.storage.class_name),
        ("spec.database.name", "RenameUnsupported", born.database.name, wanted.database.name),
        ("spec.database.owner", "RenameUnsupported", born.database.owner, wanted.database.owner),
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
            f"Takes effect when the server restarts on {', '.join(sorted(waiting))}: delete the pods of the replicas"
            " one by one, then the pod of the primary.",
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


def _text(value: object) -> str:
    return "the default" if value is None or value == {} else str(value)
