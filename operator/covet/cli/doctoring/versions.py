"""Kubernetes, the definition of CovetCluster, operator, chart, images and this command: do they go together?"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from covet.cli.doctoring import finding
from covet.cli.doctoring.facts import Facts
from covet.cli.doctoring.finding import Finding
from covet.cli.raw import Manifest
from covet.core import names
from covet.manifests import pods

AREA: Final = "Versions"
OLDEST: Final = (1, 29)
"""Oldest Kubernetes that Covet is for; the chart says the same."""
_LABEL_VERSION: Final = "app.kubernetes.io/version"
_LABEL_CHART: Final = "helm.sh/chart"
_SHOWN: Final = 3
"""Fields that are named before the rest is counted."""


def check(facts: Facts) -> Iterator[Finding]:
    """Yield what there is to say about versions."""
    yield from finding.seen_or_not(AREA, facts.definition, facts.operators)
    yield _kubernetes(facts.server.version)
    if facts.definition == ():
        yield finding.bad(
            "Definition",
            "This Kubernetes has no CovetCluster.",
            "Without the definition the API server takes no cluster, and no operator works.",
            "Install the chart covet-crds, then the chart covet.",
        )
    for definition in finding.objects(facts.definition):
        yield _definition(definition)
    yield from _operators(facts)
    yield from _images(facts)


def _kubernetes(version: str) -> Finding:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is not None and (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return finding.bad(
            AREA,
            f"Kubernetes is {version}.",
            f"Covet is made for {oldest} and newer: older ones lack what its manifests and rules use.",
            f"Upgrade Kubernetes to {oldest} or newer.",
        )
    return finding.good(AREA, f"Kubernetes {version}.")


def _definition(installed: Manifest) -> Finding:
    """Compare the fields of the installed definition with those that this command knows."""
    from covet.api import crd  # noqa: PLC0415 -- loads YAML and the whole model, for this alone

    served = next((one for one in installed["spec"]["versions"] if one["name"] == names.VERSION), None)
    if served is None:
        return finding.bad(
            "Definition",
            f"The definition of CovetCluster has no version {names.VERSION}.",
            "The operator and this command speak that version.",
            "Upgrade the chart covet-crds to the version of the chart covet.",
        )
    there, known = _fields(served["schema"]["openAPIV3Schema"]), _fields(crd.schema())
    missing, new = sorted(known - there), sorted(there - known)
    if missing:
        return finding.bad(
            "Definition",
            f"The installed definition does not know {_listed(missing)}.",
            "The API server drops a field that its definition does not know, without a word.",
            "Upgrade the chart covet-crds: Helm does not do that along with the chart covet.",
        )
    if new:
        return finding.doubtful(
            "Definition",
            f"The installed definition has fields that this command does not know: {_listed(new)}.",
            "The definition is newer than this command, which shows nothing of what it does not know.",
            "Install the version of kubectl-covet that belongs to the operator.",
        )
    return finding.good("Definition", f"{names.KIND} {names.VERSION} has every field.")


def _operators(facts: Facts) -> Iterator[Finding]:
    if facts.operator_namespace is None:
        if facts.seen is not None:
            yield finding.bad(
                "Operator",
                f"No operator has taken up {facts.seen.name}.",
                "What is asked for is carried out by an operator that serves the namespace; there is none so far.",
                "`helm list --all-namespaces` shows the release; its value watchNamespaces must be empty or name"
                f" {facts.namespace}. Then look at the operator's log.",
            )
        return
    running = finding.objects(facts.operators)
    versions = sorted({_label(pod, _LABEL_VERSION) for pod in running})
    charts = sorted({_label(pod, _LABEL_CHART) for pod in running})
    if not running and facts.operators == ():
        yield finding.bad(
            "Operator",
            f"No pod of the operator is in namespace {facts.operator_namespace}.",
            "Databases run on and fail over, but nothing that is asked for is carried out.",
            f"`kubectl get deployments -n {facts.operator_namespace}`: is it scaled to 0, or gone?",
        )
    for pod in running:
        if not _is_ready(pod):
            yield finding.bad(
                "Operator",
                f"Pod {finding.name_of(pod)} in namespace {facts.operator_namespace} is not ready.",
                "An operator that is not ready has no way to the API server, or is still starting.",
                f"`kubectl logs -n {facts.operator_namespace} {finding.name_of(pod)}` says why.",
            )
    if len(versions) > 1:
        yield finding.doubtful(
            "Operator",
            f"Operators of the versions {', '.join(versions)} run at once.",
            "An upgrade is under way, or stuck.",
            f"`kubectl rollout status deployment -n {facts.operator_namespace}` says which.",
        )
    elif versions and versions[0] != facts.command:
        yield finding.doubtful(
            "Operator",
            f"The operator is {versions[0]}, this command {facts.command}.",
            "One may write or show what the other does not know.",
            f"Install kubectl-covet {versions[0]}.",
        )
    elif versions:
        yield finding.good("Operator", f"Operator {versions[0]} of chart {', '.join(charts)}, as this command.")


def _images(facts: Facts) -> Iterator[Finding]:
    """Compare the images that pods run with the one that the operator would start now."""
    if facts.seen is None:
        return
    wanted = _postgres_images(finding.objects(facts.operators)).get(facts.seen.cluster.spec.engine.version)
    running: dict[str, list[str]] = {}
    for pod in finding.objects(facts.pods):
        for container in pod["spec"]["containers"]:
            if container["name"] == pods.CONTAINER:
                running.setdefault(str(container["image"]), []).append(finding.name_of(pod))
    old = {image: owners for image, owners in running.items() if wanted is not None and image != wanted}
    for image, owners in old.items():
        yield finding.doubtful(
            "Images",
            f"{', '.join(owners)} run {image}; the operator would start {wanted}.",
            "An upgrade of the operator restarts no database by itself.",
            f"`kubectl covet restart {facts.seen.name}` restarts them in order.",
        )
    if running and not old:
        yield finding.good("Images", f"Database pods run {', '.join(sorted(running))}.")


def _postgres_images(operators: tuple[Manifest, ...]) -> dict[str, str]:
    """Return the images by major version that the operator is told to start."""
    for pod in operators:
        for container in pod["spec"]["containers"]:
            for variable in container.get("env") or []:
                if variable["name"] == "COVET_POSTGRES_IMAGES":
                    return dict(json.loads(variable.get("value") or "{}"))
    return {}


def _fields(schema: dict[str, Any], path: str = "") -> set[str]:
    """Return the paths of all fields of a schema."""
    found: set[str] = set()
    for name, part in (schema.get("properties") or {}).items():
        inner = f"{path}.{name}" if path else name
        found |= {inner} | _fields(part, inner)
    if isinstance(schema.get("items"), dict):
        found |= _fields(schema["items"], f"{path}[]")
    return found


def _listed(fields: list[str]) -> str:
    rest = len(fields) - _SHOWN
    return ", ".join(fields[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _label(pod: Manifest, label: str) -> str:
    return str((pod["metadata"].get("labels") or {}).get(label, "unknown"))


def _is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
