"""The real way to the API server, as kubectl goes it; errors leave it as failures that name what to do."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from covet.cli import failures, raw
from covet.cli.access import Access, Seen, Target, Word, seen_of
from covet.core import errors, names
from covet.core.errors import CovetError

if TYPE_CHECKING:
    from covet.kube import person

TIMEOUT: Final = 10.0
"""Seconds that one call to the API server may take."""


class KubeAccess:
    """Access through the adapter; errors leave it as failures that name what to do."""

    def __init__(self, reach: "person.Reach", namespace: str | None) -> None:
        self._kube = reach.kube
        self.namespace = namespace or reach.namespace
        self.beside = raw.Raw(reach.kube)

    async def clusters(self) -> tuple[str, ...]:
        """Return the names of the clusters in the namespace."""
        return tuple(str(item["metadata"]["name"]) for item in await self.beside.list(names.PLURAL, self.namespace))

    async def read(self, name: str) -> Seen:
        """Return a cluster."""
        from covet.kube import resources  # noqa: PLC0415 -- the adapter takes a second to load: help need not wait

        with failures.translated("get", names.PLURAL, self.namespace):
            found = await self._kube.get(resources.CLUSTER, self.namespace, name)
        return seen_of(found) if found is not None else await self._missing(name)

    async def annotate(self, seen: Seen, changes: Mapping[str, str | None]) -> None:
        """Set or remove annotations by compare-and-set."""
        await self._merge(seen, {"metadata": {"annotations": dict(changes)}})

    async def amend(self, seen: Seen, spec: Mapping[str, Any]) -> None:
        """Merge into the spec, by compare-and-set as well."""
        await self._merge(seen, {"spec": dict(spec)})

    async def _merge(self, seen: Seen, patch: Mapping[str, Any]) -> None:
        from covet.kube import resources  # noqa: PLC0415 -- as above

        metadata = {**patch.get("metadata", {}), "resourceVersion": seen.body["metadata"]["resourceVersion"]}
        with failures.translated("patch", names.PLURAL, self.namespace):
            await self._kube.merge(resources.CLUSTER, self.namespace, seen.name, {**patch, "metadata": metadata})

    async def follow(self, name: str) -> AsyncIterator[Seen]:
        """Yield a cluster each time that it changes."""
        from covet.kube import resources, watch  # noqa: PLC0415 -- as above

        with failures.translated("watch", names.PLURAL, self.namespace):
            async for found in watch.follow(self._kube, resources.CLUSTER, self.namespace, name):
                if found is None:
                    await self._missing(name)
                else:
                    yield seen_of(found)

    async def words(self, seen: Seen) -> tuple[Word, ...]:
        """Return the Events about a cluster."""
        from covet.kube import resources  # noqa: PLC0415 -- as above

        uid = f"involvedObject.uid={seen.cluster.metadata.uid}"
        with failures.translated("list", "events", self.namespace):
            found = await self._kube.list(resources.EVENT, self.namespace, fields=uid)
        return tuple(
            Word(str(item.get("reason")), str(item.get("message")), str(item["metadata"]["resourceVersion"]))
            for item in found
        )

    async def _missing(self, name: str) -> Seen:
        """Fail, naming what is there as far as it may be seen."""
        from covet.kube import resources  # noqa: PLC0415 -- as above

        try:
            there = await self._kube.list(resources.CLUSTER, self.namespace)
        except errors.RefusedError:
            there = []
        except CovetError as error:
            raise failures.of(error) from error
        known = tuple(sorted(str(item["metadata"]["name"]) for item in there))
        raise failures.no_cluster(name, self.namespace, known)


@contextlib.asynccontextmanager
async def connect(target: Target) -> AsyncIterator[Access]:
    """Open a way to the API server that kubectl would speak to."""
    from covet.kube import person  # noqa: PLC0415 -- the adapter takes a second to load: help need not wait

    with failures.translated("get", names.PLURAL, target.namespace or "default"):
        async with person.connect(target.kubeconfig, target.context, TIMEOUT) as reach:
            yield KubeAccess(reach, target.namespace)
