"""Whether an object may take over what an earlier one of its name left: only by naming it. Pure."""

from collections.abc import Iterator

from covet.api.effective import EffectiveSpec
from covet.core import events, names
from covet.planner.facts import ClusterFacts, Finding
from covet.planner.plan import PendingChange
from covet.planner.record import Identity


def refusal(facts: ClusterFacts, kept: Identity) -> Finding | None:
    """Return why a record of another object must not be touched, None if the spec asks for this very one."""
    wish = facts.spec.adopt if facts.spec is not None else None
    if wish == kept.cluster_uid:
        return None
    named = f"; spec.adopt names {wish}" if wish is not None else ""
    return Finding(
        events.KEPT_IDENTITY,
        f"Volumes of an earlier cluster of this name are kept (uid {kept.cluster_uid}{named}). To take them over, set"
        f" spec.adopt: {kept.cluster_uid}. Else choose another name; or, if that data may go, delete its claims, its"
        f" Secrets and the ConfigMaps {names.identity(facts.name)} and {names.ring_map(facts.name)}.",
        stalls=True,
        subject=f"ConfigMap/{names.identity(facts.name)}",
    )


def missing(facts: ClusterFacts) -> Finding | None:
    """Return why a new cluster is not begun where one with data was asked for, None if none was."""
    wish = facts.spec.adopt if facts.spec is not None else None
    if wish is None:
        return None
    return Finding(
        events.NOTHING_TO_ADOPT,
        f"spec.adopt asks for the volumes of {wish}, and no ConfigMap {names.identity(facts.name)} with its birth"
        " record is here: an empty cluster in its place would hide that. Put the record and the claims back from a"
        " copy; or remove spec.adopt, and a new, empty cluster is made.",
        stalls=True,
        subject=f"ConfigMap/{names.identity(facts.name)}",
    )


def pending(wanted: EffectiveSpec, identity: Identity) -> Iterator[PendingChange]:
    """Yield the wish for another cluster's volumes that a living cluster cannot follow."""
    if wanted.adopt not in {None, identity.cluster_uid}:
        yield PendingChange(
            "spec.adopt",
            "AdoptionTooLate",
            f"The cluster has data of its own (uid {identity.cluster_uid}) and never takes over another's. Remove it.",
        )
