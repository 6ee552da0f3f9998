"""How fresh the watches are: what rounds read is compared with what the watches delivered.

A watch can fall silent without an error. An idle cluster is silent too, so age alone says
nothing; but a version that a round has read and the watch has not delivered is overdue, and the
longer it is, the less the watch is worth.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Final

from covet.controllers.round import Observed
from covet.kube.resources import Resource

STALE_AFTER: Final = 60.0
"""Seconds of lag from which the process is not ready."""
DEAD_AFTER: Final = 180.0
"""Seconds of lag from which the process is not alive: a new one opens new watches."""

_Key = tuple[str, str]


class WatchMeter:
    """Compares what was read with what was delivered.

    Deliveries come from the thread of the watches, the rest from the main loop.

    Args:
        monotonic: returns monotonic seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._delivered: dict[tuple[Resource, _Key], int] = {}
        self._cluster: dict[tuple[Resource, _Key], str] = {}
        self._overdue: dict[tuple[Resource, _Key], tuple[int, float]] = {}

    def delivered(self, resource: Resource, key: _Key, version: str, *, cluster: str, gone: bool = False) -> None:
        """Note an event of a watch about an object of a cluster.

        The version of a deletion is kept: a round that began before it may still tell of the object.
        """
        at = (resource, key)
        number = _number(version)
        with self._lock:
            overdue = self._overdue.get(at)
            if gone or (overdue is not None and number >= overdue[0]):
                self._overdue.pop(at, None)
            self._delivered[at] = max(number, self._delivered.get(at, 0))
            self._cluster[at] = cluster

    def read(self, found: Iterable[Observed]) -> None:
        """Note what a round read."""
        now = self._monotonic()
        with self._lock:
            for entry in found:
                at = (entry.resource, entry.key)
                number = _number(entry.version)
                if number > self._delivered.get(at, 0) and at not in self._overdue:
                    self._overdue[at] = (number, now)
                    self._cluster[at] = entry.cluster

    def forget(self, namespace: str, cluster: str) -> None:
        """Forget the objects of a cluster that is gone; nobody reads them again."""
        with self._lock:
            for at in [at for at, owner in self._cluster.items() if (at[1][0], owner) == (namespace, cluster)]:
                self._overdue.pop(at, None)
                self._delivered.pop(at, None)
                self._cluster.pop(at)

    def lag(self, resource: Resource | None = None) -> float:
        """Return for how many seconds the oldest undelivered version is overdue."""
        now = self._monotonic()
        with self._lock:
            ages = [now - since for (kind, _), (_, since) in self._overdue.items() if resource in {None, kind}]
        return max(ages, default=0.0)


def _number(version: str) -> int:
    """Return a resourceVersion as a number: they are ordered (KEP-5504); an opaque one counts as delivered."""
    return int(version) if version.isdecimal() else 0
