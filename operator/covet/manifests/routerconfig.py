"""What routers read: one JSON document, and the verifiers of who may log in.

Both are mounted, and read anew within seconds of a change. Addresses and names stand in a ConfigMap; a verifier lets
nobody in, but passwords can be guessed by it, so these stand in a Secret.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from covet.api import quantity
from covet.api.effective import EffectiveSpec
from covet.core import names
from covet.manifests import metadata, secrets
from covet.manifests.metadata import ClusterRef, Manifest

FORMAT: Final = 1
KEY: Final = "router.json"
FOLDER: Final = "/etc/covet/router"
USERS: Final = "/etc/covet/users"
TLS: Final = "/etc/covet/tls"
DRAIN_SECONDS: Final = 30
"""How long transactions may go on once a router is to stop."""
WORKERS: Final = 2
"""Threads of a router whose processor time has no limit: the nodes may have many processors that are not for it."""
MOST_WORKERS: Final = 64


@dataclasses.dataclass(frozen=True)
class RoutedShard:
    """A shard as routers know it.

    Args:
        name: of the shard.
        uid: of the shard, by which the agents' lines are known.
        instances: names of all that may serve.
    """

    name: str
    uid: str
    instances: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Routed:
    """A cluster as routers know it.

    Args:
        cluster: whose routers they are.
        cluster_uid: that the data is known by, which is not always that of the object.
        shards: that clients are told of, in the order of the map.
        family: of addresses, `IPv4` or `IPv6`; empty while it is not known.
    """

    cluster: ClusterRef
    cluster_uid: str
    shards: tuple[RoutedShard, ...]
    family: str


def document(known: Routed, wanted: EffectiveSpec, users: Iterable[str]) -> dict[str, Any]:
    """Return the configuration.

    Args:
        known: the cluster.
        wanted: the spec in force.
        users: roles that may log in; their verifiers are in the Secret.
    """
    cluster = known.cluster
    return {
        "version": FORMAT,
        "cluster": {"name": cluster.name, "uid": known.cluster_uid},
        "listen": {
            "address": "0.0.0.0" if known.family == "IPv4" else "::",  # noqa: S104 -- of a pod; NetworkPolicies say who may
            "primary": names.SQL_PORT,
            "replica": names.ROUTER_REPLICA_PORT,
            "admin": names.ROUTER_ADMIN_PORT,
        },
        "workers": _workers(wanted),
        "tls": {
            "certificate": f"{TLS}/{secrets.CERTIFICATE}",
            "key": f"{TLS}/{secrets.KEY}",
            "authority": f"{TLS}/{secrets.TRUST}",
            "clients": "Required",
            "servers": "Required",
        },
        "users": [{"name": user, "verifierFile": f"{USERS}/{user}"} for user in sorted(users)],
        "databases": [{"name": wanted.database.name}],
        "pool": wanted.router.pool.model_dump(mode="json", by_alias=True),
        "limits": {"drainSeconds": DRAIN_SECONDS},
        "shards": [_shard(cluster, shard) for shard in known.shards],
    }


def config_map(cluster: ClusterRef, found: Mapping[str, Any]) -> Manifest:
    """Return the ConfigMap that the routers mount."""
    meta = metadata.of_routers(cluster, names.router_config(cluster.name))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {KEY: json.dumps(found, indent=1)}}


def verifiers(cluster: ClusterRef, found: Mapping[str, str], since: str) -> Manifest:
    """Return the Secret with the verifier of each role that may log in, as servers have them, and since when."""
    meta = metadata.of_routers(cluster, names.router_config(cluster.name))
    meta["annotations"] = {names.ANNOTATION_SINCE: since}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "data": secrets.coded(found)}


def restarting(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a configuration takes effect with the start of a router only."""
    return {"listen": found["listen"], "workers": found["workers"], "max": found["pool"]["max"]}


def _shard(cluster: ClusterRef, shard: RoutedShard) -> dict[str, Any]:
    shard_set = names.shard_set(cluster.name, shard.name)
    return {
        "name": shard.name,
        "uid": shard.uid,
        "instances": [
            {
                "name": instance,
                "address": names.pod_address(instance, shard_set, cluster.namespace),
                "port": names.SQL_PORT,
                "agentPort": names.AGENT_PORT,
            }
            for instance in shard.instances
        ],
    }


def _workers(wanted: EffectiveSpec) -> int:
    """Return one thread for each processor that a router may use."""
    limit = wanted.router.resources.limits.cpu
    return WORKERS if limit is None else max(1, min(MOST_WORKERS, int(quantity.parse(limit))))
