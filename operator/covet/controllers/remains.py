"""What is there of a cluster that has no birth record: without one, nothing says whose data it is.

A record is made once, for a name that nothing of Covet stands at. What this very object owns means that the record was
lost; a volume or a Secret that Covet kept means that a cluster of this name was there before.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from covet.controllers import ownership
from covet.core import events, names
from covet.kube import resources
from covet.kube.client import Kube
from covet.kube.resources import Manifest
from covet.manifests import metadata
from covet.manifests.metadata import ClusterRef
from covet.planner.facts import Finding

_KINDS: Final = (*(kind for kind in resources.OWNED if kind is not resources.DEPLOYMENT), resources.CLAIM)
"""Without what an older chart gives no right to, and what can wait for whoever collects it."""
_KEPT: Final = (resources.CLAIM.kind, resources.SECRET.kind)
_NAMED: Final = 6
"""Objects that a sentence names; the first ones by kind and name."""


async def look(kube: Kube, ref: ClusterRef) -> Finding | None:
    """Read everything of a cluster without a birth record afresh; return why no record may be made, None if it may."""
    label = {names.LABEL_CLUSTER: ref.name}
    lists = await asyncio.gather(*(kube.list(kind, ref.namespace, label) for kind in _KINDS))
    return judge((item for items in lists for item in items), ref)


def judge(found: Iterable[Manifest], ref: ClusterRef) -> Finding | None:
    """Return why no birth record may be made beside these objects, None if one may.

    Args:
        found: what carries the label of the cluster.
        ref: the cluster, which has no record.
    """
    everything = sorted(found, key=lambda item: (item["kind"], item["metadata"]["name"]))
    own = [item for item in everything if any(owner.get("uid") == ref.uid for owner in _owners(item))]
    if own:
        return Finding(
            events.IDENTITY_CONTRADICTED,
            f"The cluster was made ({_listed(own)}), but the ConfigMap {names.identity(ref.name)} with its birth"
            " records is gone. Put it back from a copy; nothing is touched until then.",
            stalls=True,
            subject=f"ConfigMap/{names.identity(ref.name)}",
        )
    kept = [item for item in everything if item["kind"] in _KEPT and _is_of_covet(item)]
    staying = [item for item in kept if not _is_going(item)]
    if staying:
        return Finding(
            events.KEPT_IDENTITY,
            f"An earlier cluster of this name left {_listed(staying)}, and no ConfigMap {names.identity(ref.name)} says"
            " whose data that is. Choose another name; if its data may go, delete what it left; if the record was lost,"
            " put it back from a copy.",
            stalls=True,
            subject=f"{staying[0]['kind']}/{staying[0]['metadata']['name']}",
        )
    if kept:
        return Finding(
            events.NAME_TAKEN,
            f"An earlier cluster of this name is not deleted yet ({_listed(kept)}); it is waited for.",
            subject=f"{kept[0]['kind']}/{kept[0]['metadata']['name']}",
        )
    findings = (ownership.finding(item, ref) for item in everything if item["kind"] not in _KEPT)
    return next((seen for seen in findings if seen is not None and not seen.stalls), None)


def _owners(item: Manifest) -> list[Manifest]:
    return item["metadata"].get("ownerReferences") or []


def _is_of_covet(item: Manifest) -> bool:
    """Return whether Covet or a StatefulSet of it made an object: a person who labels a Secret puts less on it."""
    labels = item["metadata"].get("labels") or {}
    if item["kind"] == resources.CLAIM.kind:
        return names.LABEL_INSTANCE in labels
    return bool(labels.get(names.LABEL_MANAGED_BY) == metadata.MANAGED_BY)


def _is_going(item: Manifest) -> bool:
    """Return whether an object goes by itself: it is being deleted, or with the object that owns it."""
    return "deletionTimestamp" in item["metadata"] or bool(_owners(item))


def _listed(found: list[Manifest]) -> str:
    shown = ", ".join(f"{item['kind']} {item['metadata']['name']}" for item in found[:_NAMED])
    return shown if len(found) <= _NAMED else f"{shown} and {len(found) - _NAMED} more"
