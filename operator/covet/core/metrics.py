"""Every metric of Covet, in one table: name, kind, help and labels.

The reference page, dashboards and alerts are made from this table or compared with it, so that a metric
cannot be renamed in one of them only. Units stand in the names; label values come from closed sets. No label
is called `cluster`: Prometheus installations keep that name for the Kubernetes cluster.
"""

import dataclasses
import enum
from typing import Final

import prometheus_client


class Kind(enum.Enum):
    """How a metric moves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclasses.dataclass(frozen=True)
class Metric:
    """A row of the table.

    Args:
        name: as a scraper sees it; counters end in `_total`.
        buckets: upper bounds of a histogram, in the unit of its name.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


CLUSTER_LABELS: Final = ("namespace", "covet_cluster")
"""Labels by which the operator tells clusters apart."""
INSTANCE_LABELS: Final = (*CLUSTER_LABELS, "shard", "instance")
"""Labels on every series of an agent, beside those of its row."""
AGENT_PREFIXES: Final = ("covet_agent_", "covet_voter_", "covet_failover")
"""What the names of the agents' metrics begin with; the others are the operator's."""


# covet-agent
AGENT_INFO: Final = Metric("covet_agent_info", Kind.GAUGE, "1, with the versions in labels.", ("version", "server"))
AGENT_STATE: Final = Metric("covet_agent_state", Kind.GAUGE, "1 for the state the member is in.", ("state",))
AGENT_SERVING: Final = Metric("covet_agent_serving", Kind.GAUGE, "1 for who may use the server.", ("serving",))
AGENT_PROMISE_TERM: Final = Metric("covet_agent_promise_term", Kind.GAUGE, "Highest term promised.")
AGENT_RULE_TERM: Final = Metric("covet_agent_rule_term", Kind.GAUGE, "Term of the newest rule confirmed here.")
AGENT_RULE_SEQ: Final = Metric("covet_agent_rule_seq", Kind.GAUGE, "Change within the term of that rule.")
AGENT_STREAMING: Final = Metric("covet_agent_streaming", Kind.GAUGE, "1 while a follower streams from its leader.")
AGENT_LAG_BYTES: Final = Metric("covet_agent_lag_bytes", Kind.GAUGE, "A follower: bytes it has not flushed yet.")
AGENT_LAG_SECONDS: Final = Metric(
    "covet_agent_lag_seconds",
    Kind.GAUGE,
    "A follower: it shows all that its leader had flushed so long ago, by heartbeats; up to 1 at rest, NaN if unknown.",
)
AGENT_FOLLOWER_LAG_BYTES: Final = Metric(
    "covet_agent_follower_lag_bytes", Kind.GAUGE, "A leader: bytes a follower has not flushed yet.", ("member",)
)
AGENT_FLUSHED_LSN: Final = Metric("covet_agent_flushed_lsn_bytes", Kind.GAUGE, "End of the flushed log, in bytes.")
AGENT_SERVER_STARTS: Final = Metric("covet_agent_server_starts_total", Kind.COUNTER, "Starts of the server.")
AGENT_SERVER_DEATHS: Final = Metric(
    "covet_agent_server_deaths_total", Kind.COUNTER, "Ends of the server that nobody asked for."
)
AGENT_ORDERS: Final = Metric(
    "covet_agent_orders_total", Kind.COUNTER, "Calls of the agent API by route and outcome.", ("route", "outcome")
)
AGENT_TICK_SECONDS: Final = Metric(
    "covet_agent_tick_seconds",
    Kind.HISTOGRAM,
    "Seconds that one round of gather, decide, act took.",
    (),
    (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
AGENT_PROBE_FAILURES: Final = Metric(
    "covet_agent_probe_failures_total", Kind.COUNTER, "Probes of the server that failed or took too long."
)
AGENT_ORPHANS: Final = Metric("covet_agent_orphans_total", Kind.COUNTER, "Orphaned processes reaped as PID 1.")
AGENT_TURNED_AWAY: Final = Metric(
    "covet_agent_turned_away_total",
    Kind.COUNTER,
    "Connections to the agent API that were cut off: no place was left, or they asked nothing in time.",
)
AGENT_TASK_BYTES: Final = Metric("covet_agent_task_bytes", Kind.GAUGE, "Bytes of the copy under way.", ("part",))
AGENT_DISCARDED_BYTES: Final = Metric(
    "covet_agent_discarded_bytes_total", Kind.COUNTER, "Log that no leader had and that was discarded to rejoin."
)
AGENT_CERTIFICATE_LOADS: Final = Metric(
    "covet_agent_certificate_loads_total", Kind.COUNTER, "Times a renewed certificate was taken up."
)
AGENT_CERTIFICATE_EXPIRY: Final = Metric(
    "covet_agent_certificate_expiry_timestamp_seconds",
    Kind.GAUGE,
    "When the certificate in use, or the last of its authorities, stops being valid.",
    ("file",),
)
AGENT_TRUSTED_AUTHORITIES: Final = Metric(
    "covet_agent_trusted_authorities",
    Kind.GAUGE,
    "Authorities whose certificates the agent trusts: 2 while one follows another.",
)
AGENT_VOLUME_SIZE_BYTES: Final = Metric("covet_agent_volume_size_bytes", Kind.GAUGE, "Size of the volume.")
AGENT_VOLUME_AVAILABLE_BYTES: Final = Metric(
    "covet_agent_volume_available_bytes", Kind.GAUGE, "Room that is left on the volume for the server."
)
AGENT_PRIMARY: Final = Metric(
    "covet_agent_primary", Kind.GAUGE, "1 while this member leads its shard and lets clients write; one a shard."
)
AGENT_PUBLICATION_FAILURES: Final = Metric(
    "covet_agent_publication_failures_total",
    Kind.COUNTER,
    "Attempts to write the EndpointSlice or the Lease that failed; elections do not depend on them.",
    ("object",),
)
FAILOVERS: Final = Metric(
    "covet_failovers_total", Kind.COUNTER, "Reigns that began here after the shard was opened, by reason.", ("reason",)
)
FAILOVER_SECONDS: Final = Metric(
    "covet_failover_duration_seconds",
    Kind.HISTOGRAM,
    "Seconds that the phases of a failover took; `writable` is the whole.",
    ("phase",),
    (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 5.0, 10.0, 30.0, 60.0),
)
VOTER_PEER_AGE_SECONDS: Final = Metric(
    "covet_voter_peer_age_seconds",
    Kind.GAUGE,
    "Seconds since a peer's last message; followers say nothing to each other at rest.",
    ("peer",),
)
VOTER_ECHO_AGE_SECONDS: Final = Metric(
    "covet_voter_echo_age_seconds", Kind.GAUGE, "Seconds since a peer's last echo of ours.", ("peer",)
)
VOTER_DROPPED: Final = Metric(
    "covet_voter_dropped_total", Kind.COUNTER, "Messages and connections that made no sense and were dropped."
)

# covet-operator
OPERATOR_WRITES: Final = Metric(
    "covet_operator_api_writes_total", Kind.COUNTER, "Writes sent to the API server.", ("verb", "resource")
)
OPERATOR_ROUNDS: Final = Metric(
    "covet_operator_rounds_total", Kind.COUNTER, "Rounds of observe, plan, act by how they ended.", ("outcome",)
)
OPERATOR_ROUND_SECONDS: Final = Metric(
    "covet_operator_round_seconds",
    Kind.HISTOGRAM,
    "Seconds that one round took.",
    (),
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
OPERATOR_ACTIONS: Final = Metric(
    "covet_operator_actions_total", Kind.COUNTER, "Actions carried out, by kind and outcome.", ("action", "outcome")
)
OPERATOR_CLUSTERS: Final = Metric("covet_operator_clusters", Kind.GAUGE, "Clusters that are looked after.")
OPERATOR_ELSEWHERE: Final = Metric(
    "covet_operator_clusters_elsewhere", Kind.GAUGE, "Clusters left alone because another operator serves them."
)
OPERATOR_LEASE_HELD: Final = Metric("covet_operator_lease_held", Kind.GAUGE, "1 while this process holds the Lease.")
OPERATOR_WATCH_LAG_SECONDS: Final = Metric(
    "covet_operator_watch_lag_seconds",
    Kind.GAUGE,
    "Seconds since a change was read that the watch has not delivered yet.",
    ("resource",),
)
CLUSTER_READY: Final = Metric("covet_cluster_ready", Kind.GAUGE, "1 while the condition Ready is True.", CLUSTER_LABELS)
SHARD_INSTANCES: Final = Metric(
    "covet_shard_instances",
    Kind.GAUGE,
    "Instances that a shard is to have; absent until the cluster is born, looked up every 60 s.",
    (*CLUSTER_LABELS, "shard"),
)


def table() -> tuple[Metric, ...]:
    """Return every row, in the order of this module."""
    return tuple(row for row in globals().values() if isinstance(row, Metric))


def of_agent(row: Metric) -> bool:
    """Tell whether agents export a row; else the operator does."""
    return row.name.startswith(AGENT_PREFIXES)


def labels_of(row: Metric) -> tuple[str, ...]:
    """Return the labels of a row as a scraper sees them."""
    return (*INSTANCE_LABELS, *row.labels) if of_agent(row) else row.labels


def register(
    row: Metric, registry: prometheus_client.CollectorRegistry
) -> prometheus_client.Counter | prometheus_client.Gauge | prometheus_client.Histogram:
    """Return a collector for a row of the table, known to the registry."""
    if row.kind is Kind.COUNTER:
        return prometheus_client.Counter(row.name, row.help, row.labels, registry=registry)
    if row.kind is Kind.GAUGE:
        return prometheus_client.Gauge(row.name, row.help, row.labels, registry=registry)
    return prometheus_client.Histogram(row.name, row.help, row.labels, buckets=row.buckets, registry=registry)
