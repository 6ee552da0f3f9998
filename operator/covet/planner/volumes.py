"""How large the volumes shall be, and what becomes of an edit of that size. Pure.

Volumes grow and never shrink: what the claims ask for already is the least that is in force. A claim is grown whatever
its instance does, for a full disk is what people grow volumes for. Claim templates of StatefulSets never change:
the claim that one makes in place of a lost one is grown right after.
"""

from collections.abc import Iterator
from typing import Final

from covet.api import quantity
from covet.api.effective import EffectiveSpec
from covet.core import events
from covet.planner.actions import GrowVolumes
from covet.planner.facts import ClusterFacts, Finding, VolumeFacts, Volumes
from covet.planner.plan import PendingChange

FIELD: Final = "spec.storage.size"
GROWING: Final = "VolumesGrowing"
"""Why a change is listed that storage has begun with."""
REFUSED: Final = "VolumeGrowthRefused"
"""Why a larger size is listed that the volumes' StorageClass does not allow."""
SHRINKS: Final = "VolumesNeverShrink"
"""Why a smaller size is listed than the volumes have."""


def size(wanted: str, born: str, volumes: Volumes) -> str:
    """Return the size in force: the wanted one if the volumes can have it, else the largest that one asks for.

    Args:
        wanted: as the user asks.
        born: at birth.
        volumes: what is there.
    """
    least = _least(born, volumes)
    if quantity.parse(wanted) <= quantity.parse(least) or _fixed(wanted, volumes):
        return least
    return wanted


def growth(facts: ClusterFacts) -> GrowVolumes | None:
    """Return whose claims are to ask for more, None if there is none."""
    target = _target(facts)
    if target is None:
        return None
    fixed = _fixed(target, facts.volumes)
    chosen = [name for name, seen in sorted(_smaller(target, facts.volumes).items()) if seen.bound]
    grown = tuple(name for name in chosen if name not in fixed)
    return GrowVolumes(target, grown) if grown else None


def pending(facts: ClusterFacts) -> Iterator[PendingChange]:
    """Yield what of the wanted size is not in force, and what storage still has to do."""
    target = _target(facts)
    if target is None or facts.spec is None:
        return
    wanted, least = quantity.parse(facts.spec.storage.size), quantity.parse(target)
    if wanted < least:
        yield PendingChange(
            FIELD,
            SHRINKS,
            f"The volumes have {target}, and a volume never shrinks; {facts.spec.storage.size} waits. Write {target},"
            " or make a new cluster and move the data.",
        )
    elif wanted > least:
        yield PendingChange(FIELD, REFUSED, _way_out(facts.spec.storage.size, target, facts.volumes))
    fixed = _fixed(target, facts.volumes)
    growing = {
        name: _progress(target, seen, fixed=name in fixed) for name, seen in sorted(facts.volumes.by_instance.items())
    }
    left = ", ".join(f"{name} ({text})" for name, text in growing.items() if text)
    if left:
        yield PendingChange(FIELD, GROWING, f"Volumes grow to {target}; left are {left}.")


def findings(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield what a person has to do so that volumes can be as large as they should."""
    for change in pending(facts):
        if change.reason == REFUSED:
            yield Finding(events.VOLUME_NOT_EXPANDABLE, f"{FIELD}: {change.message}", stalls=True)


def is_growing(changes: tuple[PendingChange, ...]) -> PendingChange | None:
    """Return the change among others that says which volumes grow, None if none does."""
    return next((change for change in changes if change.reason == GROWING), None)


def _target(facts: ClusterFacts) -> str | None:
    if facts.spec is None or facts.identity is None:
        return None
    return size(facts.spec.storage.size, facts.identity.born.storage.size, facts.volumes)


def in_force(wanted: EffectiveSpec, born: EffectiveSpec, volumes: Volumes) -> EffectiveSpec:
    """Return the wanted spec with the storage to work by: the class of birth, the size that volumes can have."""
    found = size(wanted.storage.size, born.storage.size, volumes)
    return wanted.model_copy(update={"storage": born.storage.model_copy(update={"size": found})})


def _least(born: str, volumes: Volumes) -> str:
    return max((born, *(seen.requested for seen in volumes.by_instance.values())), key=quantity.parse)


def _smaller(target: str, volumes: Volumes) -> dict[str, VolumeFacts]:
    """Return the volumes whose claims ask for less."""
    return {
        name: seen
        for name, seen in volumes.by_instance.items()
        if quantity.parse(seen.requested) < quantity.parse(target)
    }


def _fixed(target: str, volumes: Volumes) -> dict[str, VolumeFacts]:
    """Return the volumes that would have to grow and whose class does not let them."""
    return {
        name: seen
        for name, seen in _smaller(target, volumes).items()
        if seen.bound and seen.class_name not in volumes.expandable
    }


def _progress(target: str, seen: VolumeFacts, *, fixed: bool) -> str:
    """Return what is left to do until a volume has its size, empty if nothing is."""
    if fixed:
        return f"its StorageClass {seen.class_name or '(none)'} does not allow it"
    if quantity.parse(seen.requested) < quantity.parse(target):
        return "its claim is bound first" if not seen.bound else "its claim is changed next"
    if seen.capacity is not None and quantity.parse(seen.capacity) >= quantity.parse(target):
        return ""
    return seen.resizing or ("storage grows the volume" if seen.bound else "")


def _way_out(wanted: str, target: str, volumes: Volumes) -> str:
    fixed = _fixed(wanted, volumes)
    classes = sorted({seen.class_name or "" for seen in fixed.values()})
    names = ", ".join(name or "(none)" for name in classes)
    mend = "".join(
        f" If its driver can grow volumes: kubectl patch storageclass {name} -p '{{\"allowVolumeExpansion\":true}}'."
        for name in classes
        if name
    )
    return (
        f"{wanted} waits; the volumes of {', '.join(sorted(fixed))} keep {target}: StorageClass {names} does not let"
        f" volumes grow.{mend} Else write {target} again, and move the data to a new cluster on another class."
    )
