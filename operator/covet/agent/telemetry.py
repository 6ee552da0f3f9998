"""The agent's metrics: collectors for its rows of `covet.core.metrics`."""

from typing import cast

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram

from covet.core import metrics


class Telemetry:
    """A registry of its own and the collectors in it."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self.info = self._gauge(metrics.AGENT_INFO)
        self.state = self._gauge(metrics.AGENT_STATE)
        self.serving = self._gauge(metrics.AGENT_SERVING)
        self.promise_term = self._gauge(metrics.AGENT_PROMISE_TERM)
        self.rule_term = self._gauge(metrics.AGENT_RULE_TERM)
        self.rule_seq = self._gauge(metrics.AGENT_RULE_SEQ)
        self.streaming = self._gauge(metrics.AGENT_STREAMING)
        self.lag_bytes = self._gauge(metrics.AGENT_LAG_BYTES)
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
        self.certificate_loads = self._counter(metrics.AGENT_CERTIFICATE_LOADS)
        self.discarded_bytes = self._counter(metrics.AGENT_DISCARDED_BYTES)
        self.primary = self._gauge(metrics.AGENT_PRIMARY)
        self.publication_failures = self._counter(metrics.AGENT_PUBLICATION_FAILURES)
        self.failovers = self._counter(metrics.FAILOVERS)
        self.failover_seconds = cast("Histogram", metrics.register(metrics.FAILOVER_SECONDS, self.registry))
        self.voter_dropped = self._counter(metrics.VOTER_DROPPED)
        self.tick_seconds = cast("Histogram", metrics.register(metrics.AGENT_TICK_SECONDS, self.registry))
        self._totals: dict[Counter, int] = {}

    def count_up_to(self, counter: Counter, total: int) -> None:
        """Bring a counter to a total that is counted elsewhere."""
        counter.inc(max(0, total - self._totals.get(counter, 0)))
        self._totals[counter] = total

    def text(self) -> bytes:
        """Return the exposition for a scraper."""
        return prometheus_client.generate_latest(self.registry)

    def _gauge(self, row: metrics.Metric) -> Gauge:
        return cast("Gauge", metrics.register(row, self.registry))

    def _counter(self, row: metrics.Metric) -> Counter:
        return cast("Counter", metrics.register(row, self.registry))
