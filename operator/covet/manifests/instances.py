"""The StatefulSet of one instance, and its volume claim.

One StatefulSet of one replica per instance: it heals while the operator is away, any
instance can be removed, and volumes and settings may differ. Restarts are ordered by the
operator (`OnDelete`), replicas first.
"""

from typing import Final

from covet.api import spec
from covet.api.effective import EffectiveSpec
from covet.core import names
from covet.manifests import metadata, pods
from covet.manifests.metadata import ClusterRef, Manifest
from covet.manifests.pods import Image

CLAIM: Final = "data"


def stateful_set(cluster: ClusterRef, shard: str, letters: str, wanted: EffectiveSpec, image: Image) -> Manifest:
    """Return the StatefulSet of the instance with these letters, e.g. `a`, of a shard, e.g. `s0`."""
    name = names.instance(cluster.name, shard, letters)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata.owned(cluster, name, shard, name),
        "spec": {
            "replicas": 1,
            "serviceName": names.shard_set(cluster.name, shard),
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "OnDelete"},
            "revisionHistoryLimit": 2,
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": "Delete" if wanted.deletion.volumes is spec.VolumeFate.DELETE else "Retain",
                "whenScaled": "Retain",
            },
            "selector": {"matchLabels": metadata.selector(cluster, shard, name)},
            "template": pods.template(cluster, shard, name, wanted, image),
            "volumeClaimTemplates": [_claim_template(cluster, shard, name, wanted)],
        },
    }


def carry_over(desired: Manifest, live: Manifest) -> Manifest:
    """Return a desired StatefulSet with the claim template of the live one, which never changes.

    Another class or size in the template would make the API server refuse the whole object.
    """
    claims = live["spec"].get("volumeClaimTemplates", ())
    standing = {existing["metadata"]["name"]: existing for existing in claims}
    templates = [
        _standing(template, standing.get(template["metadata"]["name"]))
        for template in desired["spec"]["volumeClaimTemplates"]
    ]
    return {**desired, "spec": {**desired["spec"], "volumeClaimTemplates": templates}}


def _standing(template: Manifest, existing: Manifest | None) -> Manifest:
    """Return a claim template with what the live one of its name says, if there is one."""
    if existing is None:
        return template
    return {
        **template,
        "metadata": _only(existing["metadata"], ("name", "labels")),
        "spec": _only(existing["spec"], ("accessModes", "resources", "storageClassName")),
    }


def _claim_template(cluster: ClusterRef, shard: str, name: str, wanted: EffectiveSpec) -> Manifest:
    claim: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": wanted.storage.size}},
    }
    if wanted.storage.class_name is not None:
        claim["storageClassName"] = wanted.storage.class_name
    return {
        # Not our full labels: claim templates are immutable, so they carry what finds them and no more.
        "metadata": {"name": CLAIM, "labels": metadata.selector(cluster, shard, name)},
        "spec": claim,
    }


def _only(found: Manifest, keys: tuple[str, ...]) -> Manifest:
    return {key: found[key] for key in keys if key in found}
