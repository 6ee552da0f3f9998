"""What `doctor` looks at, gathered in one go; what may not be seen stands there as the reason why not."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

from covet.cli import failures
from covet.cli.access import Access, Seen
from covet.cli.raw import Looked, Want
from covet.core import names
from covet.core.clock import Clock

if TYPE_CHECKING:
    from covet.kube import inquiry


@dataclasses.dataclass(frozen=True)
class Facts:
    """Everything that is judged.

    Args:
        command: version of this command.
        now: the local time when `server` answered.
        seen: the cluster; None if none was named.
        operator_namespace: where the operator runs; None while nobody says.
        definition: the CustomResourceDefinition.
        operators: the operator's pods.
        operator_policies: the NetworkPolicies beside them.
        operator_monitors: the PodMonitors beside them; where the chart puts them.
        leases: by what they are about, e.g. `the operator`, `s0`: the Lease.
        lacking: rights that the command uses and the caller does not have.
    """

    command: str
    now: dt.datetime
    server: "inquiry.Server"
    namespace: str
    seen: Seen | None
    operator_namespace: str | None
    definition: Looked
    classes: Looked
    operators: Looked
    operator_policies: Looked
    operator_monitors: Looked
    pods: Looked
    claims: Looked
    policies: Looked
    budgets: Looked
    monitors: Looked
    leases: Mapping[str, Looked]
    lacking: tuple[Want, ...]


async def gather(access: Access, command: str, cluster: str | None, clock: Clock) -> Facts:
    """Look at everything.

    Args:
        access: the API server.
        command: version of this command.
        cluster: name of a cluster, None for what concerns all of them.
        clock: the local one.

    Raises:
        Failure: the API server does not answer, or the cluster is not there.
    """
    seen = await access.read(cluster) if cluster is not None else None
    beside, namespace = access.beside, access.namespace
    operator_namespace, _, lease = (await _operator(access, seen)).partition("/")
    theirs = operator_namespace or None
    outside, inside = await asyncio.gather(_outside(access, theirs), _inside(access, cluster))
    leases = {"the operator": await beside.look_at("leases", theirs, lease)} if theirs is not None else {}
    for shard in seen.status.shards if seen is not None else ():
        leases[shard.name] = await beside.look_at("leases", namespace, names.shard_lease(cluster or "", shard.name))
    server, now = await beside.server(), clock.wall()
    return Facts(
        command,
        now,
        server,
        namespace,
        seen,
        theirs,
        *outside,
        *inside,
        leases=leases,
        lacking=await _lacking(access),
    )


async def _outside(access: Access, theirs: str | None) -> tuple[Looked, Looked, Looked, Looked, Looked]:
    """Return definition and StorageClasses, and the operator's pods, policies and monitors; empty while it is unknown.

    Monitors of an operator that stands beside the clusters are those of their namespace.
    """
    beside = access.beside
    operators = {names.LABEL_APP: names.APP, names.LABEL_COMPONENT: names.COMPONENT_OPERATOR}

    async def of_operator(plural: str, labels: Mapping[str, str] | None = None) -> Looked:
        return () if theirs is None else await beside.look(plural, theirs, labels)

    async def monitors() -> Looked:
        return () if theirs == access.namespace else await of_operator("podmonitors")

    return await asyncio.gather(
        beside.look_at("customresourcedefinitions", None, f"{names.PLURAL}.{names.GROUP}"),
        beside.look("storageclasses", None),
        of_operator("pods", operators),
        of_operator("networkpolicies"),
        monitors(),
    )


async def _inside(access: Access, cluster: str | None) -> tuple[Looked, Looked, Looked, Looked, Looked]:
    """Return pods, claims, policies, budgets and monitors of the namespace; the first two of one cluster, if named."""
    beside, namespace = access.beside, access.namespace
    mine = {names.LABEL_CLUSTER: cluster} if cluster is not None else {names.LABEL_COMPONENT: names.COMPONENT_INSTANCE}
    return await asyncio.gather(
        beside.look("pods", namespace, mine),
        beside.look("persistentvolumeclaims", namespace, mine),
        beside.look("networkpolicies", namespace),
        beside.look("poddisruptionbudgets", namespace),
        beside.look("podmonitors", namespace),
    )


async def _operator(access: Access, seen: Seen | None) -> str:
    """Return namespace/Lease of the operator of a cluster, or of any in the namespace; empty if none says."""
    if seen is not None:
        return seen.status.operator or ""
    there = await access.beside.look(names.PLURAL, access.namespace)
    bodies = () if isinstance(there, failures.Failure) else there
    return next((str(found) for body in bodies if (found := (body.get("status") or {}).get("operator"))), "")


async def _lacking(access: Access) -> tuple[Want, ...]:
    """Return the missing ones of the rights that the command uses in this namespace."""
    from covet.kube import rights  # noqa: PLC0415 -- the adapter takes a second to load: help need not wait

    wants = [
        Want(verb, resource.plural, access.namespace) for resource, verbs in rights.PERSON.items() for verb in verbs
    ]
    wants += [
        Want(verb, f"{resource.plural}/{part}", access.namespace)
        for (resource, part), verbs in rights.PERSON_SUBRESOURCES.items()
        for verb in verbs
    ]
    try:
        return await access.beside.missing(wants)
    except failures.Failure as failure:
        if failure.code is failures.Exit.UNREACHABLE:
            raise
        return ()
