"""The ConfigMaps of a cluster: nothing in them is secret."""

from collections.abc import Mapping
from typing import Final

from covet.api import spec
from covet.core import names
from covet.manifests import metadata
from covet.manifests.metadata import ClusterRef, Manifest

SPEC_KEY: Final = "spec.json"
MAP_KEY: Final = "map.json"
TRUST_KEY: Final = "ca.crt"


def shard_spec(cluster: ClusterRef, shard: str, document: str) -> Manifest:
    """Return the ConfigMap that the shard's pods mount; `document` is the ShardSpec as JSON text."""
    meta = metadata.owned(cluster, names.shard_config(cluster.name, shard), shard)
    return _config_map(meta, {SPEC_KEY: document})


def ring_map(cluster: ClusterRef, document: str, volumes: spec.VolumeFate) -> Manifest:
    """Return the ConfigMap that publishes the map, byte for byte; it stays with kept volumes."""
    return _config_map(metadata.kept(cluster, names.ring_map(cluster.name), volumes), {MAP_KEY: document})


def trust(cluster: ClusterRef, authority: str) -> Manifest:
    """Return the ConfigMap whose `ca.crt` clients verify the servers with; `authority` is PEM."""
    return _config_map(metadata.owned(cluster, names.trust_config(cluster.name)), {TRUST_KEY: authority})


def identity(cluster: ClusterRef, data: Mapping[str, str], volumes: spec.VolumeFate) -> Manifest:
    """Return the ConfigMap that records births. With kept volumes it outlives the CovetCluster.

    It is created, then changed by compare-and-set only: the caller adds `resourceVersion`.
    """
    return _config_map(metadata.kept(cluster, names.identity(cluster.name), volumes), dict(data))


def _config_map(meta: Manifest, data: dict[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
