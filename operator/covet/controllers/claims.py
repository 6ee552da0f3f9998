"""What the claims of a cluster's volumes ask for and have."""

from collections.abc import Mapping
from typing import Any, Final

from covet.api import quantity
from covet.core import names
from covet.kube import resources
from covet.kube.client import Kube
from covet.kube.ledger import Key
from covet.kube.resources import Manifest
from covet.manifests.metadata import ClusterRef
from covet.planner.facts import VolumeFacts, Volumes

_STEPS: Final = (
    ("ControllerResizeError", "the storage driver fails, see `kubectl describe pvc`"),
    ("NodeResizeError", "the node cannot grow its file system, see `kubectl describe pvc`"),
    ("FileSystemResizePending", "its file system grows once its pod runs"),
    ("Resizing", "storage grows the volume"),
)
"""Conditions of a claim that grows, the most telling first, and what they mean."""


async def look(kube: Kube, ref: ClusterRef, objects: Mapping[Key, Manifest], size: str | None) -> Volumes:
    """Return the volumes of a cluster's instances.

    Args:
        kube: asked for StorageClasses, and only if a volume is smaller than wanted.
        ref: the cluster.
        objects: everything that carries its label, claims included.
        size: as the user wants it, None if that is not known.
    """
    found: dict[str, VolumeFacts] = {}
    for kind, _, name in objects:
        claim = objects.get((resources.CLAIM.kind, ref.namespace, names.data_volume_claim(name)))
        if kind == resources.STATEFUL_SET.kind and claim is not None and (seen := read(claim)) is not None:
            found[name] = seen
    smaller = size is not None and any(quantity.parse(seen.requested) < quantity.parse(size) for seen in found.values())
    return Volumes(found, await _expandable(kube) if smaller else frozenset())


def read(claim: Manifest) -> VolumeFacts | None:
    """Read a claim, None if it does not say how much it asks for in a way that Covet writes."""
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    requested = _amount((spec.get("resources") or {}).get("requests"))
    if requested is None or "deletionTimestamp" in claim["metadata"]:
        return None
    stands = {entry.get("type") for entry in status.get("conditions") or [] if entry.get("status") == "True"}
    return VolumeFacts(
        requested=requested,
        capacity=_amount(status.get("capacity")),
        class_name=spec.get("storageClassName"),
        bound=status.get("phase") == "Bound",
        resizing=next((meaning for kind, meaning in _STEPS if kind in stands), ""),
    )


def _amount(amounts: Any) -> str | None:  # noqa: ANN401 -- whatever stands there
    text = str((amounts or {}).get("storage", ""))
    try:
        quantity.parse(text)
    except ValueError:
        return None
    return text


async def _expandable(kube: Kube) -> frozenset[str]:
    """Return the StorageClasses that let volumes grow."""
    classes = await kube.list(resources.STORAGE_CLASS)
    return frozenset(item["metadata"]["name"] for item in classes if item.get("allowVolumeExpansion") is True)
