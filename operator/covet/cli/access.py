"""What the command asks of the API server, and the one place that asks it.

A `CovetCluster` is all that is read: its status says what the operator saw, its annotations are the orders.
Nothing here speaks to an agent, so the command needs no certificate and works wherever `kubectl` does.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from covet.api import cluster as model
from covet.api.status import ClusterStatus, ShardStatus
from covet.cli import failures, raw
from covet.core import errors, names
from covet.core.errors import ConflictError

Value = TypeVar("Value")

RETRY: Final = 1.0
"""Seconds between attempts to follow a cluster while the API server does not answer."""
ATTEMPTS: Final = 8
"""Times that an order is written again after somebody changed the object first."""


@dataclasses.dataclass(frozen=True)
class Target:
    """Which API server and namespace; None means what kubectl would take."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None

    def over(self, other: "Target") -> "Target":
        """Return this target, with gaps filled from another."""
        return Target(
            self.namespace or other.namespace, self.context or other.context, self.kubeconfig or other.kubeconfig
        )


@dataclasses.dataclass(frozen=True)
class Seen:
    """A CovetCluster as it was read.

    Args:
        body: as the API server returned it.
        cluster: the same, read by the model.
    """

    body: Mapping[str, Any]
    cluster: model.CovetCluster

    @property
    def name(self) -> str:
        """Return the name of the cluster."""
        return self.cluster.metadata.name

    @property
    def namespace(self) -> str:
        """Return where it is."""
        return self.cluster.metadata.namespace

    @property
    def status(self) -> ClusterStatus:
        """Return the status, an empty one while the operator has written none."""
        return self.cluster.status or ClusterStatus()

    @property
    def annotations(self) -> Mapping[str, str]:
        """Return the annotations, among them the standing orders."""
        return self.body["metadata"].get("annotations") or {}

    @property
    def fenced(self) -> tuple[str, ...]:
        """Return the instances that a person keeps out of service."""
        listed = self.annotations.get(names.ANNOTATION_FENCED, "").split(",")
        return tuple(sorted({name.strip() for name in listed} - {""}))

    @property
    def paused(self) -> bool:
        """Return whether the operator is told to change nothing."""
        return bool(self.cluster.spec.maintenance and self.cluster.spec.maintenance.paused)

    def shard(self, name: str) -> ShardStatus:
        """Return a shard by its name.

        Raises:
            Failure: the cluster has no such shard.
        """
        for shard in self.status.shards:
            if shard.name == name:
                return shard
        there = ", ".join(shard.name for shard in self.status.shards)
        known = f"it has {there}" if there else "the operator has not reported any shard of it yet"
        raise failures.Failure(failures.Exit.NOT_FOUND, f"Cluster {self.name} has no shard {name}: {known}.")


@dataclasses.dataclass(frozen=True)
class Word:
    """An Event about the cluster.

    Args:
        version: its resourceVersion; an Event that is sent again has another one.
    """

    reason: str
    message: str
    version: str


class Access(Protocol):
    """The API server, as the verbs see it."""

    namespace: str
    """Namespace in force."""

    @property
    def beside(self) -> raw.Raw:
        """Return the way to what stands beside the CovetCluster."""

    async def clusters(self) -> tuple[str, ...]:
        """Return the names of the clusters in the namespace."""

    async def read(self, name: str) -> Seen:
        """Return a cluster; Failure if it is not there."""

    async def annotate(self, seen: Seen, changes: Mapping[str, str | None]) -> None:
        """Set (or, with None, remove) annotations, if nobody changed the object since; else ConflictError."""

    async def amend(self, seen: Seen, spec: Mapping[str, Any]) -> None:
        """Merge into the spec (None removes a field) on the same condition."""

    def follow(self, name: str) -> AsyncIterator[Seen]:
        """Yield a cluster as it is and each time that it changes; Failure once it is gone."""

    async def words(self, seen: Seen) -> tuple[Word, ...]:
        """Return the Events about a cluster that there are."""


Opener = Callable[[Target], contextlib.AbstractAsyncContextManager[Access]]
"""Opens a way to the API server."""


async def follow_patiently(access: Access, name: str, tell: Callable[[str], None]) -> AsyncIterator[Seen]:
    """Yield a cluster each time that it changes, also across an API server that is away for a while.

    Args:
        access: the API server.
        name: of the cluster.
        tell: is given a sentence when the API server no longer answers.
    """
    silent = False
    while True:
        try:
            async for seen in access.follow(name):
                silent = False
                yield seen
        except failures.Failure as failure:
            if failure.code is not failures.Exit.UNREACHABLE:
                raise
            if not silent:
                tell("The API server does not answer; trying again.")
            silent = True
            await asyncio.sleep(RETRY)


async def order(
    access: Access, name: str, decide: Callable[[Seen], Mapping[str, str | None]]
) -> tuple[Seen, Mapping[str, str | None]]:
    """Read a cluster, decide what to annotate, and write it; start again if somebody changed it meanwhile.

    Args:
        access: the API server.
        name: of the cluster.
        decide: returns the changes, none if there is nothing to do; raises Failure to refuse. It is asked anew
            after every conflict, for what it decided by may have changed.

    Returns: the cluster that was decided by, and what was written.
    """
    return await _insist(access, name, decide, access.annotate)


async def amend(
    access: Access, name: str, decide: Callable[[Seen], Mapping[str, Any]]
) -> tuple[Seen, Mapping[str, Any]]:
    """Do the same with the spec."""
    return await _insist(access, name, decide, access.amend)


async def _insist(
    access: Access,
    name: str,
    decide: Callable[[Seen], Mapping[str, Value]],
    write: Callable[[Seen, Mapping[str, Value]], Awaitable[None]],
) -> tuple[Seen, Mapping[str, Value]]:
    for _ in range(ATTEMPTS):
        seen = await access.read(name)
        changes = decide(seen)
        if not changes:
            return seen, changes
        try:
            await write(seen, changes)
        except ConflictError:
            continue
        return seen, changes
    raise failures.Failure(
        failures.Exit.REFUSED,
        f"Cluster {name} was changed by somebody else {ATTEMPTS} times while the order was written: try again.",
    )


def seen_of(body: Mapping[str, Any]) -> Seen:
    """Read an object.

    Raises:
        Failure: this command cannot read its spec.
    """
    try:
        return Seen(body, model.load(body))
    except errors.SpecError as error:
        name = body["metadata"]["name"]
        raise failures.Failure(
            failures.Exit.REFUSED,
            f"The spec of cluster {name} cannot be read by this version of kubectl-covet: {error.message}.",
        ) from error
