"""Is there a storage class for the volumes, and does every volume claim have its volume?"""

from collections.abc import Iterator
from typing import Final

from covet.api import effective
from covet.cli.doctoring import finding
from covet.cli.doctoring.facts import Facts
from covet.cli.doctoring.finding import Finding
from covet.cli.raw import Manifest

AREA: Final = "Storage"
_DEFAULT: Final = "storageclass.kubernetes.io/is-default-class"


def check(facts: Facts) -> Iterator[Finding]:
    """Yield what there is to say about storage."""
    yield from finding.seen_or_not(AREA, facts.classes, facts.claims)
    if not isinstance(facts.classes, Exception):
        yield from _classes(facts, facts.classes)
    for claim in finding.objects(facts.claims):
        yield from _claim(claim)


def _classes(facts: Facts, classes: tuple[Manifest, ...]) -> Iterator[Finding]:
    by_name = {finding.name_of(one): one for one in classes}
    defaults = [name for name, one in by_name.items() if _is_default(one)]
    asked = None
    if facts.seen is not None:
        asked = (facts.seen.status.effective or effective.effective(facts.seen.cluster.spec)).storage.class_name
    if asked is not None and asked not in by_name:
        yield finding.bad(
            AREA,
            f"There is no StorageClass {asked}, which spec.storage.className names.",
            "A pod whose volume nobody makes never starts.",
            f"Make it, or ask for one that is there: {', '.join(by_name) or 'there is none'}.",
        )
    elif asked is None and not defaults:
        yield finding.bad(
            AREA,
            "No StorageClass is the default one.",
            "A cluster that names none gets no volumes.",
            f"Set spec.storage.className ({', '.join(by_name) or 'there is none yet'}), or annotate one with"
            f" {_DEFAULT}=true.",
        )
    elif asked is None and len(defaults) > 1:
        yield finding.doubtful(
            AREA,
            f"{', '.join(defaults)} are default StorageClasses all at once.",
            "Kubernetes takes the newest, which a person hardly expects.",
            "Leave the mark on one, or name one in spec.storage.className.",
        )
    else:
        yield _class(by_name[asked or defaults[0]])


def _class(chosen: Manifest) -> Finding:
    name = finding.name_of(chosen)
    if chosen.get("volumeBindingMode") != "WaitForFirstConsumer":
        return finding.doubtful(
            AREA,
            f"StorageClass {name} makes volumes before it is known where the pod will run.",
            "A volume in one zone and a pod that spreads to another never meet.",
            "Take a class with volumeBindingMode WaitForFirstConsumer where volumes belong to a zone or a node.",
        )
    grows = "its volumes can grow" if chosen.get("allowVolumeExpansion") else "its volumes cannot grow"
    return finding.good(AREA, f"StorageClass {name} ({chosen.get('provisioner')}); {grows}.")


def _claim(claim: Manifest) -> Iterator[Finding]:
    status = claim.get("status") or {}
    if status.get("phase") != "Bound":
        yield finding.bad(
            AREA,
            f"Claim {finding.name_of(claim)} is {status.get('phase') or 'new'}.",
            "Its pod waits for the volume." if status.get("phase") != "Lost" else "Its volume is gone.",
            f"`kubectl describe pvc {finding.name_of(claim)}` shows what the provisioner says.",
        )


def _is_default(one: Manifest) -> bool:
    return (one["metadata"].get("annotations") or {}).get(_DEFAULT) == "true"
