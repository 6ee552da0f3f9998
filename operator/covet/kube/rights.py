"""Every right the operator uses, in one table.

The adapter refuses a call outside the table before it is sent, so that a test finds a missing
right at once; another test compares the table with the roles of the Helm chart, so that neither
can grow alone; a third drives the whole process and finds every right that nothing exercises.
"""

from typing import Final, Protocol

from covet.kube import resources
from covet.kube.resources import Resource

APPLY: Final = ("create", "patch")
"""Server-side apply needs both: it creates what is not there."""

NAMESPACED: Final[dict[Resource, tuple[str, ...]]] = {
    resources.CLUSTER: ("get", "list", "watch", "patch"),
    resources.CONFIG_MAP: ("get", "list", *APPLY, "update"),
    resources.SECRET: ("get", "list", *APPLY),
    resources.SERVICE: ("get", "list", *APPLY),
    resources.SERVICE_ACCOUNT: ("get", "list", *APPLY),
    resources.CLAIM: ("get", "list", "patch", "delete"),
    resources.POD: ("list", "watch", "patch", "delete"),
    resources.STATEFUL_SET: ("get", "list", "watch", *APPLY, "delete"),
    resources.DEPLOYMENT: ("get", "list", *APPLY),
    resources.ROLE: ("get", "list", *APPLY),
    resources.ROLE_BINDING: ("get", "list", *APPLY),
    resources.BUDGET: ("get", "list", *APPLY),
    resources.NETWORK_POLICY: ("get", "list", *APPLY),
    resources.ENDPOINT_SLICE: ("get", "list", "watch", *APPLY),
    resources.EVENT: ("list", *APPLY),
}
"""In each namespace that is served."""

GIVEN_AWAY: Final[dict[Resource, tuple[str, ...]]] = {
    resources.LEASE: ("get", "create", "patch"),
}
"""In each namespace that is served: never used by the operator itself, which may give a shard's pods (to publish
their primary) only rights that it has. Their other ones, `get` and `patch` of an EndpointSlice, stand above."""

SUBRESOURCES: Final[dict[tuple[Resource, str], tuple[str, ...]]] = {
    (resources.CLUSTER, "status"): ("patch",),
    (resources.POD, "eviction"): ("create",),
}

OWN_NAMESPACE: Final[dict[Resource, tuple[str, ...]]] = {
    resources.LEASE: ("get", "create", "update"),
}
"""In the operator's own namespace only."""

CLUSTERWIDE: Final[dict[Resource, tuple[str, ...]]] = {
    resources.STORAGE_CLASS: ("list",),
    resources.VOLUME: ("get",),
    resources.NODE: ("list",),
    resources.CUSTOM_RESOURCE: ("get",),
    resources.LEASE: ("get",),
}
"""On objects that belong to no namespace, and on Leases, by which another operator is seen to live; of definitions, on
that of CovetCluster alone."""

PERSON: Final[dict[Resource, tuple[str, ...]]] = {
    resources.CLUSTER: ("get", "list", "watch", "patch"),
    resources.EVENT: ("list",),
    resources.POD: ("list",),
    resources.STATEFUL_SET: ("list",),
    resources.CLAIM: ("list",),
    resources.CONFIG_MAP: ("get",),
    resources.SECRET: ("list",),
    resources.LEASE: ("get",),
    resources.NETWORK_POLICY: ("list",),
    resources.BUDGET: ("list",),
    resources.POD_MONITOR: ("list",),
}
"""What `kubectl covet` uses in the name of the person who calls it; `psql` and `reload` need `create pods/exec`
besides. `list secrets` is for `certs` alone."""

PERSON_SUBRESOURCES: Final[dict[tuple[Resource, str], tuple[str, ...]]] = {(resources.POD, "log"): ("get",)}

PERSON_CLUSTERWIDE: Final[dict[Resource, tuple[str, ...]]] = {
    resources.STORAGE_CLASS: ("list",),
    resources.CUSTOM_RESOURCE: ("get",),
}
"""What `doctor` looks at if it may; without these rights it says what it did not look at."""

EVERYBODY: Final[dict[Resource, tuple[str, ...]]] = {resources.ACCESS_REVIEW: ("create",)}
"""What Kubernetes lets everybody do who is known to it: to ask what one may do."""


class Requirement(Protocol):
    """Checks that a call stands in a table of rights."""

    def __call__(self, resource: Resource, verb: str, subresource: str | None = None) -> None:
        """Raise PermissionError if it does not."""


def require_of_person(resource: Resource, verb: str, subresource: str | None = None) -> None:
    """Check that a call stands in the table of what a person's command uses.

    Raises:
        PermissionError: it does not; add it here and to docs/cli.md, with a reason.
    """
    if subresource is not None:
        verbs = PERSON_SUBRESOURCES.get((resource, subresource), ())
    else:
        verbs = PERSON.get(resource, ()) + PERSON_CLUSTERWIDE.get(resource, ()) + EVERYBODY.get(resource, ())
    if verb not in verbs:
        target = resource.plural if subresource is None else f"{resource.plural}/{subresource}"
        raise PermissionError(f"{verb} {target} of group {resource.group!r} is not in the table of rights")


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
