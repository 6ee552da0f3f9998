"""Every right the operator uses, in one table.

The adapter refuses a call outside the table before it is sent, so that a test finds a missing
right at once; another test compares the table with the roles of the Helm chart, so that neither
can grow alone.
"""

from typing import Final

from covet.kube import resources
from covet.kube.resources import Resource

READ: Final = ("get", "list")
WATCH: Final = ("get", "list", "watch")
APPLY: Final = ("create", "patch")
"""Server-side apply needs both: it creates what is not there."""

NAMESPACED: Final[dict[Resource, tuple[str, ...]]] = {
    resources.CLUSTER: WATCH,
    resources.CONFIG_MAP: (*READ, *APPLY, "update"),
    resources.SECRET: (*READ, *APPLY, "update"),
    resources.SERVICE: (*READ, *APPLY),
    resources.SERVICE_ACCOUNT: (*READ, *APPLY),
    resources.POD: (*WATCH, "patch"),
    resources.STATEFUL_SET: (*WATCH, *APPLY),
    resources.BUDGET: (*READ, *APPLY),
    resources.NETWORK_POLICY: (*READ, *APPLY),
    resources.ENDPOINT_SLICE: (*READ, *APPLY),
    resources.EVENT: ("list", *APPLY),
}
"""In each namespace that is served."""

SUBRESOURCES: Final[dict[tuple[Resource, str], tuple[str, ...]]] = {
    (resources.CLUSTER, "status"): ("patch",),
}

OWN_NAMESPACE: Final[dict[Resource, tuple[str, ...]]] = {
    resources.LEASE: ("get", "create", "update"),
}
"""In the operator's own namespace only."""

CLUSTERWIDE: Final[dict[Resource, tuple[str, ...]]] = {
    resources.STORAGE_CLASS: READ,
    resources.CUSTOM_RESOURCE: WATCH,
}
"""On objects that belong to no namespace."""


def require(resource: Resource, verb: str, subresource: str | None = None) -> None:
    """Check that a call stands in the table.

    Raises:
        PermissionError: it does not; add it here and to the chart, with a reason.
    """
    if subresource is not None:
        verbs = SUBRESOURCES.get((resource, subresource), ())
    else:
        verbs = NAMESPACED.get(resource, ()) + OWN_NAMESPACE.get(resource, ()) + CLUSTERWIDE.get(resource, ())
    if verb not in verbs:
        target = resource.plural if subresource is None else f"{resource.plural}/{subresource}"
        raise PermissionError(f"{verb} {target} of group {resource.group!r} is not in the table of rights")
