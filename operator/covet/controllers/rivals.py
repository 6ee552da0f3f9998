"""Other operators that may serve the same clusters: two at work on one would undo each other's objects for ever.

Which operator serves a cluster stands in its status, as namespace and Lease, and is written by compare-and-set with
everything else there, before anything is done. An operator that finds another one named leaves the cluster alone while
that one renews its Lease. It is judged as the Lease itself is: by whether it moves, on a clock of our own.
"""

import logging
import re
from typing import Any, Final

from covet.core import events
from covet.core.clock import Clock
from covet.kube import resources
from covet.kube.client import Kube
from covet.kube.resources import Manifest
from covet.planner.facts import Finding

_log = logging.getLogger(__name__)

GONE_AFTER: Final = 60.0
"""Seconds without a renewal after which an operator is taken for gone: more than its upgrade takes."""
_NAME: Final = re.compile(r"([a-z0-9-]+)/([a-z0-9.-]+)")

_Key = tuple[str, str]
"""Namespace and name of a cluster."""


class Rivals:
    """What one process knows of other operators.

    Args:
        own: namespace and Lease of this one.
    """

    def __init__(self, kube: Kube, clock: Clock, own: str) -> None:
        self._kube = kube
        self._clock = clock
        self._own = own
        self._seen: dict[str, tuple[str, float]] = {}
        self._left: set[_Key] = set()

    def __len__(self) -> int:
        """Return the number of clusters that are left to others."""
        return len(self._left)

    async def judge(self, key: _Key, body: Manifest) -> Finding | None:
        """Return why a cluster is left to another operator, None if it is ours to serve.

        Args:
            key: namespace and name of the cluster.
            body: the CovetCluster, read afresh.

        Raises:
            CovetError: the Lease of the other one could not be read; nothing is known then.
        """
        named = named_in(body)
        if named is None or named == self._own or not await self._is_alive(named):
            self._left.discard(key)
            if named not in {None, self._own}:
                _log.warning(f"{named} renews its Lease no more: taking over", extra={"cluster": "/".join(key)})
            return None
        self._left.add(key)
        return Finding(
            events.SERVED_ELSEWHERE,
            f"The operator {named} (namespace/Lease) serves this cluster and is alive; {self._own} leaves it alone."
            " Give each release namespaces of its own (watchNamespaces), or remove one of the two.",
        )

    def forget(self, key: _Key) -> None:
        """Forget a cluster that is gone."""
        self._left.discard(key)

    async def _is_alive(self, operator: str) -> bool:
        found = _NAME.fullmatch(operator)
        if found is None:
            return False
        lease = await self._kube.get(resources.LEASE, found[1], found[2])
        version = lease["metadata"]["resourceVersion"] if lease is not None else ""
        now = self._clock.monotonic()
        seen = self._seen.get(operator)
        if seen is None or seen[0] != version:
            self._seen[operator] = (version, now)
            return True
        return now - seen[1] < GONE_AFTER


def named_in(body: Manifest) -> str | None:
    """Return the operator that serves a cluster, None if its status names none."""
    named: Any = (body.get("status") or {}).get("operator")
    return named if isinstance(named, str) and named else None
