"""Looking at the authority of somebody else that `spec.certificates.authoritySecret` names, for the plan and the act.

The Secret is read by its name, in the cluster's own namespace, and never written. Its key stays in `Outer`, which
lives for one round; facts and sentences hold nothing of it.
"""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

from covet.core.errors import RefusedError
from covet.kube import resources
from covet.kube.client import Kube
from covet.kube.resources import Manifest
from covet.manifests import certificates, crosscertificates, outerauthorities, secrets
from covet.manifests.metadata import ClusterRef
from covet.manifests.outerauthorities import OuterAuthority
from covet.planner.authorityfacts import OuterFacts
from covet.planner.facts import ShardFacts


@dataclasses.dataclass(frozen=True)
class Outer:
    """An outer authority that is asked for.

    Args:
        facts: for the planner.
        authority: None if it cannot be used; the facts say why.
        notice: for how long clients may take to read another root.
    """

    facts: OuterFacts
    authority: OuterAuthority | None
    notice: dt.timedelta


@dataclasses.dataclass(frozen=True)
class Terms:
    """By what an outer authority is judged.

    Args:
        addresses: that servers are reached by, all of the cluster.
        now: wall-clock time.
        notice: for how long clients may take to read another root.
    """

    addresses: Iterable[str]
    now: dt.datetime
    notice: dt.timedelta


def addresses(ref: ClusterRef, shards: Iterable[ShardFacts]) -> Iterator[str]:
    """Yield every DNS name that a server of a cluster is reached by, its routers included."""
    yield from certificates.router_addresses(ref.name, ref.namespace)
    for shard in shards:
        for instance in shard.instances:
            yield from certificates.instance_addresses(ref.name, shard.name, instance.name, ref.namespace)


async def look(kube: Kube, ref: ClusterRef, name: str | None, terms: Terms) -> Outer | None:
    """Read an outer authority, None if none is asked for.

    Args:
        kube: where it is read.
        ref: the cluster.
        name: of the Secret.
        terms: by what it is judged.

    Raises:
        CovetError: the API server did not answer; nothing is known then.
    """
    if name is None:
        return None
    try:
        found = await kube.get(resources.SECRET, ref.namespace, name)
    except RefusedError as error:
        problem = f"the operator may not read it: {error.message}"
        return Outer(OuterFacts(name, problem), None, terms.notice)
    # To check a long RSA key takes a tenth of a second.
    return await asyncio.to_thread(judge, name, found, terms)


def judge(name: str, found: Manifest | None, terms: Terms) -> Outer:
    """Return what a Secret holds, or what is wrong with it."""
    if found is None:
        facts = OuterFacts(name, "there is no such Secret in the namespace of the cluster", absent=True)
        return Outer(facts, None, terms.notice)
    try:
        authority = outerauthorities.read(_values(found), terms.now)
        _require_permitted(authority, terms.addresses)
    except ValueError as error:
        return Outer(OuterFacts(name, str(error)), None, terms.notice)
    facts = OuterFacts(
        name,
        subject=authority.certificate.subject.rfc4514_string(),
        made=authority.made,
        ends=authority.ends,
        ripe=crosscertificates.is_ripe(authority, terms.now, terms.notice),
    )
    return Outer(facts, authority, terms.notice)


def _values(found: Manifest) -> Mapping[str, str]:
    try:
        return secrets.values_of(found)
    except (ValueError, TypeError) as error:
        raise ValueError("a value of it is no text: write tls.crt and tls.key as PEM") from error


def _require_permitted(authority: OuterAuthority, addresses: Iterable[str]) -> None:
    refused = outerauthorities.refused_names(authority, addresses)
    if refused:
        more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        raise ValueError(
            f"its name constraints do not permit {refused[0]}{more}, by which servers are reached: have it made with"
            " constraints that do, or with none"
        )
