"""What is wrong with a spec, before anything is made of it."""

from collections.abc import Collection, Iterator

from covet.api import problems
from covet.api.effective import EffectiveSpec
from covet.api.spec import ClusterSpec
from covet.core import events
from covet.planner import parameters
from covet.planner.facts import Finding


def spec_findings(
    wanted: ClusterSpec, effective: EffectiveSpec, name: str, versions: Collection[str]
) -> Iterator[Finding]:
    """Return everything about a spec that cannot be honoured; each finding stalls the cluster.

    Args:
        wanted: the spec as the user wrote it.
        effective: the same with defaults filled in.
        name: metadata.name of the object.
        versions: engine versions that the operator has images for.
    """
    for problem in problems.problems(wanted, name, versions):
        unknown = problem.field == "spec.engine.version"
        yield Finding(events.VERSION_UNKNOWN if unknown else events.SPEC_INVALID, f"{problem}.", stalls=True)
    for sentence in parameters.refusals(effective.engine.parameters):
        yield Finding(events.PARAMETER_REFUSED, f"spec.engine.parameters: {sentence}", stalls=True)


def storage_finding(class_name: str | None, classes: dict[str, bool]) -> Finding | None:
    """Return what is wrong with the StorageClass of new volumes, None if nothing is.

    Args:
        class_name: the class that is asked for, None for the default class.
        classes: by name of every class there is, whether it is a default.
    """
    if class_name is None and not any(classes.values()):
        return Finding(
            events.STORAGE_CLASS_MISSING,
            "spec.storage.className is not given and the cluster has no default StorageClass. Name one of: "
            f"{_listed(classes)}.",
            stalls=True,
        )
    if class_name is not None and class_name not in classes:
        return Finding(
            events.STORAGE_CLASS_MISSING,
            f"spec.storage.className: StorageClass {class_name} does not exist. Create it, or make the cluster anew"
            f" with one of: {_listed(classes)}.",
            stalls=True,
        )
    return None


def _listed(classes: dict[str, bool]) -> str:
    return ", ".join(sorted(classes)) or "(there is none)"
