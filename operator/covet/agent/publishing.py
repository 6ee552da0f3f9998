"""Telling Kubernetes who leads: the EndpointSlice of `-rw` and a Lease, after the fact (I9).

Whatever the API server does or does not answer, the election neither waits nor asks for it. An older leader
never writes over a newer one: both objects carry the term, and every write names the version that was read.
"""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from covet.agent.account import Account, Manifest
from covet.agent.instance import Instance
from covet.core import names
from covet.core.errors import ConflictError, CovetError

LOG: Final = logging.getLogger("covet.publishing")

LEASE_SECONDS: Final = 30
RENEW_SECONDS: Final = 10.0
"""How often a leader renews the Lease, and looks whether the slice still names it."""
FIRST_RETRY: Final = 0.1
LAST_RETRY: Final = 5.0
RACES: Final = 5
"""Conflicts in a row before a pause: the operator heals the same slice."""


@dataclasses.dataclass(frozen=True)
class Claim:
    """Who leads, as it is published.

    Args:
        cluster_uid: of the CovetCluster that owns what is published now.
        address: IP address of the pod.
        node: of the pod, empty if it is not known.
        shard_uid: of the shard. An earlier one of this name may have left its Lease, with terms of its own.
    """

    cluster: str
    cluster_uid: str
    namespace: str
    shard: str
    instance: str
    term: int
    address: str
    node: str = ""
    shard_uid: str = ""

    @property
    def slice_path(self) -> str:
        """Where the EndpointSlice of `-rw` is."""
        name = names.read_write_slice(self.cluster, self.shard)
        return f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices/{name}"

    @property
    def family(self) -> str:
        """What an EndpointSlice calls the family of the pod's address; an address that is none counts as IPv4."""
        return "IPv6" if ":" in self.address else "IPv4"

    @property
    def leases_path(self) -> str:
        """Where Leases are."""
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"


Write = Callable[[Account, Claim], Awaitable[str]]
"""Returns what is worth a line, empty if nothing was to do."""


class Publisher:
    """Publishes for as long as the agent lives.

    Args:
        inst: the agent.
        account: calls to the API server.
    """

    def __init__(self, inst: Instance, account: Account) -> None:
        self._inst = inst
        self._account = account
        self._said: dict[str, str] = {}

    async def run(self) -> None:
        """Publish whenever this member was opened as the leader, and renew while it is."""
        pause = FIRST_RETRY
        try:
            while True:
                claim = claim_of(self._inst)
                done = claim is None or await self._publish(claim)
                pause = FIRST_RETRY if done else min(2 * pause, LAST_RETRY)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._inst.election.admitted.wait(), RENEW_SECONDS if done else pause)
                    pause = FIRST_RETRY
                self._inst.election.admitted.clear()
        finally:
            await self._account.close()

    async def _publish(self, claim: Claim) -> bool:
        """Write both objects; True if neither has to be tried again soon."""
        done = [
            await self._attempt("EndpointSlice", claim, publish_slice),
            await self._attempt("Lease", claim, publish_lease),
        ]
        return all(done)

    async def _attempt(self, kind: str, claim: Claim, write: Write) -> bool:
        try:
            for _ in range(RACES):
                with contextlib.suppress(ConflictError):
                    word = await write(self._account, claim)
                    self._say(kind, word)
                    return True
            raise ConflictError("Conflict", "others write it at the same time")
        except CovetError as error:
            self._inst.metrics.publication_failures.labels(kind).inc()
            self._say(kind, f"not published yet: {error.message}")
            return False

    def _say(self, kind: str, word: str) -> None:
        """Log what is new."""
        if word and self._said.get(kind) != word:
            LOG.info("%s %s.", kind, word.rstrip("."))
            self._said[kind] = word


def claim_of(inst: Instance) -> Claim | None:
    """Return what to publish, None unless this member leads and lets clients write."""
    reign, spec = inst.election.reign, inst.spec
    serves = inst.admitting and inst.gate and inst.election.leads and inst.election.service.writes
    if reign is None or not serves or not inst.settings.address:
        return None
    return Claim(
        cluster=spec.cluster,
        cluster_uid=spec.owner_uid or spec.cluster_uid,
        namespace=spec.namespace,
        shard=spec.shard,
        instance=inst.settings.instance,
        term=reign.term,
        address=inst.settings.address,
        node=inst.settings.node,
        shard_uid=spec.shard_uid,
    )


async def publish_slice(account: Account, claim: Claim) -> str:
    """Bring the slice to the claim and return what is worth a line.

    Raises:
        ConflictError: somebody wrote meanwhile; look again.
        CovetError: no answer, a refusal, or there is no slice yet.
    """
    found = await account.get(claim.slice_path)
    if found is None:
        raise CovetError("SliceMissing", "the operator has not made the EndpointSlice yet")
    if found.get("addressType", claim.family) != claim.family:
        raise CovetError("SliceOfAnotherFamily", f"the EndpointSlice takes no {claim.family} addresses; delete it")
    metadata = found.get("metadata") or {}
    term = term_of(metadata)
    if term > claim.term:
        return f"names the leader of term {term}, newer than {claim.term}; left alone"
    wanted = endpoint(claim)
    endpoints = found.get("endpoints") or []
    if term == claim.term and len(endpoints) == 1 and endpoints[0].get("addresses") == wanted["addresses"]:
        return ""
    patch = {
        "metadata": {
            "resourceVersion": metadata.get("resourceVersion"),
            "annotations": {names.ANNOTATION_TERM: str(claim.term)},
        },
        "endpoints": [wanted],
    }
    await account.merge(claim.slice_path, patch)
    return f"names {claim.instance} at {claim.address}, term {claim.term}"


async def publish_lease(account: Account, claim: Claim) -> str:
    """Take or renew the Lease and return what is worth a line.

    Raises:
        ConflictError: somebody wrote meanwhile; look again.
        CovetError: no answer, or a refusal.
    """
    name = names.shard_lease(claim.cluster, claim.shard)
    path = f"{claim.leases_path}/{name}"
    found = await account.get(path)
    moment = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    held: Manifest = {
        "holderIdentity": claim.instance,
        "leaseDurationSeconds": LEASE_SECONDS,
        "leaseTransitions": claim.term,
        "renewTime": moment,
    }
    if found is None:
        await account.create(claim.leases_path, _lease(claim, name, {**held, "acquireTime": moment}))
        return f"taken for term {claim.term}"
    before = found.get("spec") or {}
    term = int(before.get("leaseTransitions") or 0)
    metadata = found.get("metadata") or {}
    whose = (metadata.get("annotations") or {}).get(names.ANNOTATION_SHARD, claim.shard_uid)
    if term > claim.term and whose == claim.shard_uid:
        return f"held for term {term}, newer than {claim.term}; left alone"
    taken = term != claim.term or before.get("holderIdentity") != claim.instance
    if taken:
        held["acquireTime"] = moment
    version = {"resourceVersion": metadata.get("resourceVersion"), "annotations": _whose(claim)}
    await account.merge(path, {"metadata": version, "spec": held})
    return f"taken for term {claim.term}" if taken else ""


def term_of(metadata: Manifest) -> int:
    """Return the term that a slice was written for, 0 if it does not say."""
    text = str((metadata.get("annotations") or {}).get(names.ANNOTATION_TERM, ""))
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def endpoint(claim: Claim) -> Manifest:
    """Return the one endpoint of the slice, in the shape that the operator writes too."""
    found: Manifest = {
        "addresses": [claim.address],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "targetRef": {"kind": "Pod", "name": names.pod(claim.instance), "namespace": claim.namespace},
    }
    if claim.node:
        found["nodeName"] = claim.node
    return found


def _lease(claim: Claim, name: str, spec: Manifest) -> Manifest:
    """Return the Lease as it is created; it goes with its cluster."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": claim.namespace,
            "labels": {
                names.LABEL_APP: names.APP,
                names.LABEL_PART_OF: names.APP,
                names.LABEL_MANAGED_BY: names.APP,
                names.LABEL_CLUSTER: claim.cluster,
                names.LABEL_SHARD: claim.shard,
            },
            "annotations": _whose(claim),
            "ownerReferences": [
                {
                    "apiVersion": names.API_VERSION,
                    "kind": names.KIND,
                    "name": claim.cluster,
                    "uid": claim.cluster_uid,
                    "controller": False,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": spec,
    }


def _whose(claim: Claim) -> dict[str, str]:
    """Return the annotation that tells the terms of a shard from those of an earlier one of its name."""
    return {names.ANNOTATION_SHARD: claim.shard_uid}
