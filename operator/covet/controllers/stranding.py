"""Volumes whose node is gone for good: a local volume of a node that Kubernetes no longer knows.

Looked at only while a pod cannot be scheduled. Only the host's name counts: a volume of a zone without nodes
may be whole, and waits for a node; a local disk goes with its machine.
"""

from typing import Any, Final

from covet.core import names
from covet.kube import resources
from covet.kube.client import Kube
from covet.kube.resources import Manifest

HOSTNAME: Final = "kubernetes.io/hostname"


async def stranded_claim(kube: Kube, namespace: str, instance: str) -> Manifest | None:
    """Return the claim of an instance if its volume is on nodes that are gone, None if it is not, or nobody knows."""
    claim = await kube.get(resources.CLAIM, namespace, names.data_volume_claim(instance))
    volume = ((claim or {}).get("spec") or {}).get("volumeName")
    if claim is None or not volume:
        return None
    found = await kube.get(resources.VOLUME, None, volume)
    hosts = hosts_of(found or {})
    if not hosts:
        return None
    living = {(node["metadata"].get("labels") or {}).get(HOSTNAME) for node in await kube.list(resources.NODE)}
    return None if hosts & living else claim


def hosts_of(volume: Manifest) -> set[str]:
    """Return the hosts that a volume can be used on, empty if it is not bound to hosts."""
    affinity: dict[str, Any] = (volume.get("spec") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("required") or {}).get("nodeSelectorTerms") or []
    found: set[str] = set()
    for term in terms:
        hosts = [
            set(entry.get("values") or [])
            for entry in term.get("matchExpressions") or []
            if entry.get("key") == HOSTNAME and entry.get("operator") == "In"
        ]
        if not hosts:
            return set()
        found |= set.intersection(*hosts)
    return found
