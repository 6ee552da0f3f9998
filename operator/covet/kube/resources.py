"""The kinds of the Kubernetes API that Covet speaks of, and their paths."""

import dataclasses
from typing import Any, Final

from covet.core import names

Manifest = dict[str, Any]
"""A Kubernetes object as plain JSON."""


@dataclasses.dataclass(frozen=True)
class Resource:
    """One kind of object.

    Args:
        group: API group, empty for the core group.
        plural: name in paths and in RBAC rules.
        namespaced: False for objects of the whole cluster.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Return what stands in `apiVersion` of a manifest."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the URL path of an object, or of the collection when no name is given."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        if subresource is not None:
            parts.append(subresource)
        return "/".join(parts)


CLUSTER: Final = Resource(names.GROUP, names.VERSION, names.PLURAL, names.KIND)
CONFIG_MAP: Final = Resource("", "v1", "configmaps", "ConfigMap")
SECRET: Final = Resource("", "v1", "secrets", "Secret")
SERVICE: Final = Resource("", "v1", "services", "Service")
SERVICE_ACCOUNT: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount")
VOLUME: Final = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
NODE: Final = Resource("", "v1", "nodes", "Node", namespaced=False)
CLAIM: Final = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
POD: Final = Resource("", "v1", "pods", "Pod")
STATEFUL_SET: Final = Resource("apps", "v1", "statefulsets", "StatefulSet")
DEPLOYMENT: Final = Resource("apps", "v1", "deployments", "Deployment")
ROLE: Final = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDING: Final = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
BUDGET: Final = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
NETWORK_POLICY: Final = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
ENDPOINT_SLICE: Final = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
STORAGE_CLASS: Final = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
EVENT: Final = Resource("", "v1", "events", "Event")
LEASE: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
CUSTOM_RESOURCE: Final = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
POD_MONITOR: Final = Resource("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor")
"""Of the Prometheus operator, which may not be there; a person's command looks at it, Covet itself does not."""
ACCESS_REVIEW: Final = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
"""A question that is posted, not an object that is kept."""

ALL: Final = (
    CLUSTER,
    CONFIG_MAP,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    CLAIM,
    VOLUME,
    NODE,
    POD,
    STATEFUL_SET,
    DEPLOYMENT,
    ROLE,
    ROLE_BINDING,
    BUDGET,
    NETWORK_POLICY,
    ENDPOINT_SLICE,
    STORAGE_CLASS,
    EVENT,
    LEASE,
    CUSTOM_RESOURCE,
)

OWNED: Final = (
    SERVICE_ACCOUNT,
    ROLE,
    ROLE_BINDING,
    NETWORK_POLICY,
    CONFIG_MAP,
    SECRET,
    SERVICE,
    ENDPOINT_SLICE,
    BUDGET,
    STATEFUL_SET,
    DEPLOYMENT,
)
"""The kinds that make up a cluster and are healed, in the order in which they are applied."""

_BY_KIND = {(resource.api_version, resource.kind): resource for resource in ALL}


def of(manifest: Manifest) -> Resource:
    """Return the resource of a manifest.

    Raises:
        KeyError: Covet does not speak of this kind.
    """
    return _BY_KIND[manifest["apiVersion"], manifest["kind"]]
