"""What Kubernetes itself says beside the CovetCluster: objects as they are, logs, rights, version and time.

Objects are named by their plural, as in a role, so that a right that is missing is named by the same word.
"""

import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from covet.cli import failures
from covet.core import errors

if TYPE_CHECKING:
    from covet.kube import inquiry
    from covet.kube.resources import Resource

Manifest = dict[str, Any]
Looked = tuple[Manifest, ...] | failures.Failure
"""Objects, or why they could not be looked at."""


@dataclasses.dataclass(frozen=True)
class Want:
    """A right that something needs; namespace None for objects that belong to none."""

    verb: str
    plural: str
    namespace: str | None


class Raw:
    """Calls through the adapter; errors leave it as failures that name what to do."""

    def __init__(self, kube: "inquiry.Inquiry") -> None:
        self._kube = kube

    async def list(
        self, plural: str, namespace: str | None, labels: Mapping[str, str] | None = None, fields: str | None = None
    ) -> tuple[Manifest, ...]:
        """Return all objects of a kind, by name; none where this Kubernetes does not know the kind.

        Args:
            plural: e.g. `pods`.
            namespace: where; None for objects that belong to none.
            labels: that they carry.
            fields: a field selector.
        """
        with failures.translated("list", plural, namespace or ""):
            try:
                found = await self._kube.list(_resource(plural), namespace, labels, fields)
            except errors.CovetError as error:
                if error.reason == "NotFound":
                    return ()
                raise
        return tuple(sorted(found, key=lambda item: str(item["metadata"]["name"])))

    async def get(self, plural: str, namespace: str | None, name: str) -> Manifest | None:
        """Return an object, None if there is none."""
        with failures.translated("get", plural, namespace or ""):
            return await self._kube.get(_resource(plural), namespace, name)

    async def look(self, plural: str, namespace: str | None, labels: Mapping[str, str] | None = None) -> Looked:
        """Return all objects of a kind, or why they may not be seen; an API server that is away still raises."""
        try:
            return await self.list(plural, namespace, labels)
        except failures.Failure as failure:
            if failure.code is failures.Exit.UNREACHABLE:
                raise
            return failure

    async def look_at(self, plural: str, namespace: str | None, name: str) -> Looked:
        """Return an object (or nothing) as `look` does."""
        try:
            found = await self.get(plural, namespace, name)
        except failures.Failure as failure:
            if failure.code is failures.Exit.UNREACHABLE:
                raise
            return failure
        return () if found is None else (found,)

    async def log(self, namespace: str, pod: str, query: Mapping[str, str], silence: float) -> AsyncIterator[str]:
        """Yield the lines of a pod's log; none of a pod that is gone or has not begun.

        Args:
            namespace: of the pod.
            pod: its name.
            query: container, follow, tailLines, sinceSeconds, sinceTime, timestamps, previous.
            silence: seconds without a byte after which the stream counts as dead.
        """
        with failures.translated("get", "pods/log", namespace):
            try:
                async for line in self._kube.log(namespace, pod, query, silence):
                    yield line
            except errors.RefusedError as error:
                if error.reason not in {"NotFound", "NotStarted"}:
                    raise

    async def server(self) -> "inquiry.Server":
        """Return version and time of the API server."""
        with failures.translated("get", "version", ""):
            return await self._kube.server()

    async def missing(self, wants: Sequence[Want]) -> tuple[Want, ...]:
        """Return those rights that the caller does not have."""
        from covet.kube import inquiry  # noqa: PLC0415 -- the adapter takes a second to load: help need not wait

        lacking = []
        for want in wants:
            plural, _, subresource = want.plural.partition("/")
            asked = inquiry.Right(want.verb, _resource(plural), want.namespace, subresource or None)
            with failures.translated("create", "selfsubjectaccessreviews", ""):
                if not await self._kube.may(asked):
                    lacking.append(want)
        return tuple(lacking)


def _resource(plural: str) -> "Resource":
    from covet.kube import resources  # noqa: PLC0415 -- as above

    return {known.plural: known for known in (*resources.ALL, resources.POD_MONITOR)}[plural]
