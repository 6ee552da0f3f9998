"""The agent's metrics: collectors for its rows of `covet.core.metrics`.

Every series carries namespace, cluster, shard and instance, so that a scraper needs no rules of its own.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, cast

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from covet.core import metrics

REASONS: Final = (
    "Boot",
    "DialsRefused",
    "DiskStalled",
    "LeaderSilent",
    "LossAccepted",
    "PromotionFailed",
    "Recruited",
    "Resigned",
    "ServerDied",
    "Stopped",
    "Switchover",
    "ToldToEnd",
    "VolumeFailed",
    "VolumeReadOnly",
)
"""Reasons of failovers whose series begin at 0: an increase is seen only of a series that was there before."""
PHASES: Final = ("detect", "fence", "promote", "writable")
"""Phases of a failover, likewise."""
PUBLISHED: Final = ("EndpointSlice", "Lease")
"""What a leader publishes, likewise."""


class _Labelled(Collector):
    """What a registry holds, with further labels on every series."""

    def __init__(self, registry: prometheus_client.CollectorRegistry, labels: Mapping[str, str]) -> None:
        self._registry = registry
        self._labels = labels

    def collect(self) -> Iterable[Metric]:
        """Return the families of the registry."""
        for family in self._registry.collect():
            family.samples = [row._replace(labels={**self._labels, **row.labels}) for row in family.samples]
            yield family


class Telemetry:
    """A registry of its own and the collectors in it."""

    def __init__(self) -> None:
        self._identity: dict[str, str] = {}
        self.registry = prometheus_client.CollectorRegistry()
        self.info = self._gauge(metrics.AGENT_INFO)
        self.state = self._gauge(metrics.AGENT_STATE)
        self.serving = self._gauge(metrics.AGENT_SERVING)
        self.promise_term = self._gauge(metrics.AGENT_PROMISE_TERM)
        self.rule_term = self._gauge(metrics.AGENT_RULE_TERM)
        self.rule_seq = self._gauge(metrics.AGENT_RULE_SEQ)
        self.streaming = self._gauge(metrics.AGENT_STREAMING)
        self.lag_bytes = self._gauge(metrics.AGENT_LAG_BYTES)
        self.lag_seconds = self._gauge(metrics.AGENT_LAG_SECONDS)
        self.follower_lag_bytes = self._gauge(metrics.AGENT_FOLLOWER_LAG_BYTES)
        self.flushed_lsn = self._gauge(metrics.AGENT_FLUSHED_LSN)
        self.task_bytes = self._gauge(metrics.AGENT_TASK_BYTES)
        self.peer_age = self._gauge(metrics.VOTER_PEER_AGE_SECONDS)
        self.echo_age = self._gauge(metrics.VOTER_ECHO_AGE_SECONDS)
        self.server_starts = self._counter(metrics.AGENT_SERVER_STARTS)
        self.server_deaths = self._counter(metrics.AGENT_SERVER_DEATHS)
        self.orders = self._counter(metrics.AGENT_ORDERS)
        self.probe_failures = self._counter(metrics.AGENT_PROBE_FAILURES)
        self.orphans = self._counter(metrics.AGENT_ORPHANS)
        self.turned_away = self._counter(metrics.AGENT_TURNED_AWAY)
        self.certificate_loads = self._counter(metrics.AGENT_CERTIFICATE_LOADS)
        self.discarded_bytes = self._counter(metrics.AGENT_DISCARDED_BYTES)
        self.primary = self._gauge(metrics.AGENT_PRIMARY)
        self.publication_failures = self._counter(metrics.AGENT_PUBLICATION_FAILURES)
        self.failovers = self._counter(metrics.FAILOVERS)
        self.failover_seconds = cast("Histogram", metrics.register(metrics.FAILOVER_SECONDS, self.registry))
        self.voter_dropped = self._counter(metrics.VOTER_DROPPED)
        self.tick_seconds = cast("Histogram", metrics.register(metrics.AGENT_TICK_SECONDS, self.registry))
        self.certificate_expiry = self._gauge(metrics.AGENT_CERTIFICATE_EXPIRY)
        self.trusted_authorities = self._gauge(metrics.AGENT_TRUSTED_AUTHORITIES)
        self.volume_size = self._gauge(metrics.AGENT_VOLUME_SIZE_BYTES)
        self.volume_available = self._gauge(metrics.AGENT_VOLUME_AVAILABLE_BYTES)
        self._totals: dict[Counter, int] = {}
        for reason in REASONS:
            self.failovers.labels(reason)
        for phase in PHASES:
            self.failover_seconds.labels(phase)
        for published in PUBLISHED:
            self.publication_failures.labels(published)

    def identify(self, namespace: str, cluster: str, shard: str, instance: str) -> None:
        """Say whose metrics these are; every series says it from now on."""
        self._identity = dict(zip(metrics.INSTANCE_LABELS, (namespace, cluster, shard, instance), strict=True))

    def note_room(self, volume: Path) -> None:
        """Take note of how large a volume is and how much of it is free; a hanging file system holds this up.

        Raises:
            OSError: the file system refused.
        """
        found = os.statvfs(volume)
        self.volume_size.set(found.f_blocks * found.f_frsize)
        self.volume_available.set(found.f_bavail * found.f_frsize)

    def count_up_to(self, counter: Counter, total: int) -> None:
        """Bring a counter to a total that is counted elsewhere."""
        counter.inc(max(0, total - self._totals.get(counter, 0)))
        self._totals[counter] = total

    def text(self) -> bytes:
        """Return the exposition for a scraper."""
        labelled = prometheus_client.CollectorRegistry()
        labelled.register(_Labelled(self.registry, self._identity))
        return prometheus_client.generate_latest(labelled)

    def _gauge(self, row: metrics.Metric) -> Gauge:
        return cast("Gauge", metrics.register(row, self.registry))

    def _counter(self, row: metrics.Metric) -> Counter:
        return cast("Counter", metrics.register(row, self.registry))
