"""What the operator counts and measures of itself, for whoever scrapes it."""

import contextlib
from collections.abc import Iterable

import prometheus_client

from covet.core import metrics, names
from covet.kube import resources


class Figures:
    """The operator's counters, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
        self._writes = metrics.register(metrics.OPERATOR_WRITES, self.registry)
        self._rounds = metrics.register(metrics.OPERATOR_ROUNDS, self.registry)
        self._seconds = metrics.register(metrics.OPERATOR_ROUND_SECONDS, self.registry)
        self._actions = metrics.register(metrics.OPERATOR_ACTIONS, self.registry)
        self._clusters = metrics.register(metrics.OPERATOR_CLUSTERS, self.registry)
        self._elsewhere = metrics.register(metrics.OPERATOR_ELSEWHERE, self.registry)
        self._held = metrics.register(metrics.OPERATOR_LEASE_HELD, self.registry)
        self._lag = metrics.register(metrics.OPERATOR_WATCH_LAG_SECONDS, self.registry)
        self._ready = metrics.register(metrics.CLUSTER_READY, self.registry)
        self._instances = metrics.register(metrics.SHARD_INSTANCES, self.registry)

    def count_write(self, verb: str, resource: str) -> None:
        """Count a write that is sent to the API server."""
        _counter(self._writes).labels(verb, resource).inc()

    def count_action(self, action: str, outcome: str) -> None:
        """Count an action of a plan."""
        _counter(self._actions).labels(action, outcome).inc()

    def count_round(self, outcome: str, seconds: float) -> None:
        """Count a round; it took so many seconds."""
        _counter(self._rounds).labels(outcome).inc()
        if isinstance(self._seconds, prometheus_client.Histogram):
            self._seconds.observe(seconds)

    def note_ready(self, namespace: str, name: str, ready: bool | None) -> None:
        """Take note of whether a cluster is ready, None once it is gone."""
        if ready is not None:
            _gauge(self._ready).labels(namespace, name).set(1 if ready else 0)
            return
        with contextlib.suppress(KeyError):
            self._ready.remove(namespace, name)

    def note_shards(self, clusters: Iterable[resources.Manifest]) -> None:
        """Take note of what shards are to be there: of every cluster that was born, by its status."""
        self._instances.clear()
        for body in clusters:
            said = body.get("status") or {}
            wanted = (said.get("effective") or {}).get("shards") or {}
            if said.get("phase") in {None, "Creating", "Deleting"}:
                continue
            labels = (body["metadata"]["namespace"], body["metadata"]["name"])
            for index in range(wanted.get("count") or 0):
                _gauge(self._instances).labels(*labels, names.shard(index)).set(wanted.get("instances") or 0)

    def set_state(self, held: bool, clusters: int, elsewhere: int, lags: dict[str, float]) -> None:
        """Say how many clusters are looked after here and elsewhere, and for how many seconds each watch is behind."""
        _gauge(self._held).set(1 if held else 0)
        _gauge(self._clusters).set(clusters)
        _gauge(self._elsewhere).set(elsewhere)
        for resource, lag in lags.items():
            _gauge(self._lag).labels(resource).set(lag)


_Collector = prometheus_client.Counter | prometheus_client.Gauge | prometheus_client.Histogram


def _counter(collector: _Collector) -> prometheus_client.Counter:
    if not isinstance(collector, prometheus_client.Counter):
        raise TypeError("the table of metrics names another kind")
    return collector


def _gauge(collector: _Collector) -> prometheus_client.Gauge:
    if not isinstance(collector, prometheus_client.Gauge):
        raise TypeError("the table of metrics names another kind")
    return collector
