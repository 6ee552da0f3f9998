"""Labels, selectors and owner references: what every object of a cluster has in common."""

import dataclasses
from typing import Any, Final

from covet.api import spec
from covet.core import names

Manifest = dict[str, Any]
"""A Kubernetes object as the API server takes it."""

MANAGED_BY: Final = names.APP


@dataclasses.dataclass(frozen=True)
class ClusterRef:
    """The CovetCluster that objects are made for.

    Args:
        uid: metadata.uid of the CovetCluster, for owner references.
    """

    name: str
    namespace: str
    uid: str


def labels(
    cluster: ClusterRef,
    shard: str | None = None,
    instance: str | None = None,
    component: str = names.COMPONENT_INSTANCE,
) -> dict[str, str]:
    """Return the labels of an object that belongs to a cluster, a shard (`s0`), an instance (`shop-s0-a`)."""
    found = {
        names.LABEL_APP: names.APP,
        names.LABEL_APP_INSTANCE: cluster.name,
        names.LABEL_COMPONENT: component,
        names.LABEL_MANAGED_BY: MANAGED_BY,
        names.LABEL_PART_OF: names.APP,
        names.LABEL_CLUSTER: cluster.name,
    }
    if shard is not None:
        found[names.LABEL_SHARD] = shard
    if instance is not None:
        found[names.LABEL_INSTANCE] = instance
    return found


def selector(
    cluster: ClusterRef, shard: str | None = None, instance: str | None = None, role: str | None = None
) -> dict[str, str]:
    """Return the labels that pick pods out, and no more: selectors of StatefulSets never change."""
    wanted = {
        names.LABEL_CLUSTER: cluster.name,
        names.LABEL_SHARD: shard,
        names.LABEL_INSTANCE: instance,
        names.LABEL_ROLE: role,
    }
    return {label: value for label, value in wanted.items() if value is not None}


def owner(cluster: ClusterRef) -> Manifest:
    """Return the owner reference by which Kubernetes deletes an object after its cluster."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": cluster.name,
        "uid": cluster.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def owned_by(found: Manifest) -> Manifest:
    """Return the owner reference by which Kubernetes deletes an object after another one than its cluster."""
    return {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "name": found["metadata"]["name"],
        "uid": found["metadata"]["uid"],
        "controller": False,
        "blockOwnerDeletion": False,
    }


def owned(cluster: ClusterRef, name: str, shard: str | None = None, instance: str | None = None) -> Manifest:
    """Return the metadata of an object that goes with its cluster."""
    return {**_plain(cluster, name, shard, instance), "ownerReferences": [owner(cluster)]}


def of_routers(cluster: ClusterRef, name: str) -> Manifest:
    """Return the metadata of an object of the routers; it goes with its cluster."""
    labelled = labels(cluster, component=names.COMPONENT_ROUTER)
    place = {"name": name, "namespace": cluster.namespace, "labels": labelled}
    return {**place, "ownerReferences": [owner(cluster)]}


def router_selector(cluster: ClusterRef) -> dict[str, str]:
    """Return the labels that pick the routers' pods out: the selector of a Deployment never changes."""
    return {names.LABEL_CLUSTER: cluster.name, names.LABEL_COMPONENT: names.COMPONENT_ROUTER}


def kept(cluster: ClusterRef, name: str, volumes: spec.VolumeFate) -> Manifest:
    """Return the metadata of an object that belongs to the data: it stays as long as the volumes do."""
    if volumes is spec.VolumeFate.DELETE:
        return owned(cluster, name)
    return _plain(cluster, name, None, None)


def _plain(cluster: ClusterRef, name: str, shard: str | None, instance: str | None) -> Manifest:
    return {"name": name, "namespace": cluster.namespace, "labels": labels(cluster, shard, instance)}
