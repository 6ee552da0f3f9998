"""What a shard's pods may do at the API server: say where their primary is, in two objects, and nothing else.

The operator may give away only rights that it has itself; `covet.kube.rights` lists them with the reason.
"""

from typing import Final

from covet.core import names
from covet.manifests import metadata
from covet.manifests.metadata import ClusterRef, Manifest

RBAC: Final = "rbac.authorization.k8s.io"


def service_account(cluster: ClusterRef, shard: str) -> Manifest:
    """Return the ServiceAccount of a shard's pods; pods ask for its token themselves."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata.owned(cluster, names.service_account(cluster.name, shard), shard),
        "automountServiceAccountToken": False,
    }


def role(cluster: ClusterRef, shard: str) -> Manifest:
    """Return the rights of a shard's pods: its one EndpointSlice, and its one Lease once that is there."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role",
        "metadata": metadata.owned(cluster, names.service_account(cluster.name, shard), shard),
        "rules": [
            {
                "apiGroups": ["discovery.k8s.io"],
                "resources": ["endpointslices"],
                "resourceNames": [names.read_write_slice(cluster.name, shard)],
                "verbs": ["get", "patch"],
            },
            {
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "resourceNames": [names.shard_lease(cluster.name, shard)],
                "verbs": ["get", "patch"],
            },
            # Who creates an object names none yet, so this cannot be narrowed to the one name.
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        ],
    }


def role_binding(cluster: ClusterRef, shard: str) -> Manifest:
    """Return what gives a shard's pods their rights."""
    name = names.service_account(cluster.name, shard)
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata.owned(cluster, name, shard),
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": cluster.namespace}],
    }
