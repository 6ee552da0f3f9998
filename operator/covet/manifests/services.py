"""The Services of a shard, and the EndpointSlice that says who its primary is."""

import ipaddress
from typing import Final

from covet.core import names
from covet.manifests import metadata
from covet.manifests.metadata import ClusterRef, Manifest

SQL: Final = "sql"
IPV4: Final = "IPv4"
"""Family of addresses where nothing says another."""
LABEL_SERVICE: Final = "kubernetes.io/service-name"
LABEL_SLICE_MANAGER: Final = "endpointslice.kubernetes.io/managed-by"


def headless(cluster: ClusterRef, shard: str) -> Manifest:
    """Return the Service that gives every instance its DNS name, ready or not: peers need it to become ready."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata.owned(cluster, names.shard_set(cluster.name, shard), shard),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": metadata.selector(cluster, shard),
            "ports": [
                _port(SQL, names.SQL_PORT),
                _port("agent", names.AGENT_PORT),
                _port("voter", names.VOTER_PORT),
            ],
        },
    }


def read_write(cluster: ClusterRef, shard: str) -> Manifest:
    """Return the Service of a shard's primary. It has no selector: `read_write_slice` is its one source."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata.owned(cluster, names.read_write_service(cluster.name, shard), shard),
        "spec": {"type": "ClusterIP", "ports": [_port(SQL, names.SQL_PORT)]},
    }


def read_only(cluster: ClusterRef, shard: str) -> Manifest:
    """Return the Service of a shard's ready replicas."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata.owned(cluster, names.read_only_service(cluster.name, shard), shard),
        "spec": {
            "type": "ClusterIP",
            "selector": metadata.selector(cluster, shard, role=names.ROLE_REPLICA),
            "ports": [_port(SQL, names.SQL_PORT)],
        },
    }


def read_write_slice(  # noqa: PLR0917  the fields of one endpoint
    cluster: ClusterRef,
    shard: str,
    primary: str | None,
    address: str | None,
    node: str | None = None,
    term: int = 0,
    family: str | None = None,
) -> Manifest:
    """Return the EndpointSlice behind `read_write`; empty while no primary takes writes.

    Args:
        cluster: whose shard it is.
        shard: name of the shard.
        primary: instance that takes writes.
        address: IP address of its pod.
        node: node of its pod, so that topology-aware routing can use it.
        term: the newest one that it is written for; agents compare it.
        family: of addresses that it takes, which never changes once it is made; None for that of `address`. An
            address of the other family stays out.
    """
    own = f"IPv{ipaddress.ip_address(address).version}" if address is not None else IPV4
    name = names.read_write_slice(cluster.name, shard)
    meta = metadata.owned(cluster, name, shard)
    meta["labels"] |= {
        LABEL_SERVICE: names.read_write_service(cluster.name, shard),
        LABEL_SLICE_MANAGER: metadata.MANAGED_BY,
    }
    if term:
        meta["annotations"] = {names.ANNOTATION_TERM: str(term)}
    endpoints: list[Manifest] = []
    if primary is not None and address is not None and family in {None, own}:
        endpoint: Manifest = {
            "addresses": [address],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "name": names.pod(primary), "namespace": cluster.namespace},
        }
        if node is not None:
            endpoint["nodeName"] = node
        endpoints.append(endpoint)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta,
        "addressType": family or own,
        "endpoints": endpoints,
        "ports": [{"name": SQL, "port": names.SQL_PORT, "protocol": "TCP"}],
    }


def _port(name: str, port: int) -> Manifest:
    return {"name": name, "port": port, "targetPort": port, "protocol": "TCP"}
