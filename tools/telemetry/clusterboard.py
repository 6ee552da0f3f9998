"""The dashboard "Cluster": how a CovetCluster is, and the operator that looks after it."""

from typing import Final

from covet.core import metrics
from tools.telemetry import choice, promql
from tools.telemetry.grafana import Dashboard, Panel, Query, Row, Unit

CERTIFICATE_SECONDS: Final = 14 * 86400


def _glance() -> Row:
    wanted = promql.wanted(choice.SHARDS)
    expiry = promql.select(metrics.AGENT_CERTIFICATE_EXPIRY, choice.SHARDS)
    at_work = choice.each(metrics.AGENT_STATE, 'state=~"Leader|Follower"')

    def number(title: str, text: str, expression: str, unit: Unit = Unit.COUNT, below: float | None = None) -> Panel:
        return Panel(title, text, (Query(expression, ""),), unit, width=4, stat=True, bad_below=below)

    return Row(
        "At a glance",
        (
            number(
                "Ready",
                "1 while every instance is where it should be.",
                f"max({promql.select(metrics.CLUSTER_READY, choice.CLUSTER)})",
                below=1,
            ),
            number(
                "Shards that take writes",
                "Less than asked for: CovetShardNotWritable.",
                f"sum(max by ({promql.SHARD}) ({promql.select(metrics.AGENT_PRIMARY, choice.SHARDS)}))",
                below=1,
            ),
            number("Shards asked for", "Of those that were chosen above.", f"count({wanted})"),
            number("Instances at work", "Those that lead or follow.", f"sum({at_work})", below=1),
            number("Instances asked for", "More than are at work: CovetReplicaMissing.", f"sum({wanted})"),
            number(
                "First certificate ends in",
                "Renewed 30 days before; below 14: CovetCertificateExpiring.",
                f"min({expiry}) - time()",
                Unit.SECONDS,
                CERTIFICATE_SECONDS,
            ),
        ),
    )


def _replication() -> Row:
    flushed = promql.select(metrics.AGENT_FLUSHED_LSN, choice.SHARDS)
    return Row(
        "Replication",
        (
            Panel(
                "Behind the primary",
                "Log that a replica has not flushed yet.",
                (Query(choice.each(metrics.AGENT_LAG_BYTES), "{{instance}}"),),
                Unit.BYTES,
                bad_above=64 * 1024 * 1024,
            ),
            Panel(
                "Age of what replicas show",
                "By the primary's heartbeats; up to a second at rest.",
                (Query(choice.each(metrics.AGENT_LAG_SECONDS), "{{instance}}"),),
                Unit.SECONDS,
                bad_above=10,
            ),
            Panel(
                "Log written",
                "Bytes of write-ahead log that reached the disk, by instance.",
                (Query(f"max by ({promql.INSTANCE}) (deriv({flushed}[5m]))", "{{instance}}"),),
                Unit.BYTES_PER_SECOND,
            ),
        ),
    )


def _volumes() -> Row:
    left, size = choice.each(metrics.AGENT_VOLUME_AVAILABLE_BYTES), choice.each(metrics.AGENT_VOLUME_SIZE_BYTES)
    return Row(
        "Volumes",
        (
            Panel(
                "Share in use",
                "Above 85 %: CovetDiskFilling.",
                (Query(f"1 - {left} / {size}", "{{instance}}"),),
                Unit.SHARE,
                bad_above=0.85,
            ),
            Panel("Room left", "For the server.", (Query(left, "{{instance}}"),), Unit.BYTES),
        ),
    )


def _servers() -> Row:
    orders = promql.select(metrics.AGENT_ORDERS, choice.SHARDS)
    return Row(
        "Servers and agents",
        (
            Panel(
                "Who may use them",
                "Instances by whom they let in.",
                (Query(f"sum by (serving) ({choice.by('serving', metrics.AGENT_SERVING)})", "{{serving}}"),),
            ),
            Panel(
                "Starts and unasked ends",
                "Of the database servers, within an hour.",
                (
                    Query(choice.grown(metrics.AGENT_SERVER_STARTS, "instance", "1h"), "{{instance}} started"),
                    Query(choice.grown(metrics.AGENT_SERVER_DEATHS, "instance", "1h"), "{{instance}} died"),
                ),
            ),
            Panel(
                "Rounds of the agents",
                "How long gather, decide, act takes.",
                (
                    Query(choice.quantile(0.5, metrics.AGENT_TICK_SECONDS, "5m", choice.SHARDS), "half"),
                    Query(choice.quantile(0.95, metrics.AGENT_TICK_SECONDS, "5m", choice.SHARDS), "95 %"),
                ),
                Unit.SECONDS,
            ),
            Panel(
                "Calls of the agents",
                "By outcome; refused ones are normal while a shard changes.",
                (Query(f"sum by (outcome) (rate({orders}[5m]))", "{{outcome}}"),),
                Unit.PER_SECOND,
            ),
        ),
    )


def _operator() -> Row:
    rounds = promql.select(metrics.OPERATOR_ROUNDS)
    writes = promql.select(metrics.OPERATOR_WRITES)
    return Row(
        "Operator (all clusters)",
        (
            Panel(
                "Rounds",
                "Observe, plan, act, by how they ended.",
                (Query(f"sum by (outcome) (rate({rounds}[5m]))", "{{outcome}}"),),
                Unit.PER_SECOND,
                width=8,
            ),
            Panel(
                "Length of a round",
                "",
                (Query(choice.quantile(0.95, metrics.OPERATOR_ROUND_SECONDS, "5m", ""), "95 %"),),
                Unit.SECONDS,
                width=8,
            ),
            Panel(
                "Writes to the API server",
                "None while nothing changes.",
                (Query(f"sum by (verb) (rate({writes}[5m]))", "{{verb}}"),),
                Unit.PER_SECOND,
                width=8,
            ),
            Panel(
                "Watches behind",
                "Above 60 s the operator is not ready.",
                (Query(f"max by (resource) ({promql.select(metrics.OPERATOR_WATCH_LAG_SECONDS)})", "{{resource}}"),),
                Unit.SECONDS,
            ),
            Panel(
                "Work",
                "Processes that hold the Lease (1), clusters that are looked after.",
                (
                    Query(f"sum({promql.select(metrics.OPERATOR_LEASE_HELD)})", "hold the Lease"),
                    Query(f"sum({promql.select(metrics.OPERATOR_CLUSTERS)})", "clusters"),
                ),
            ),
        ),
    )


BOARD: Final = Dashboard(
    "covet-cluster",
    "Covet / Cluster",
    "How a CovetCluster is: shards, instances, replication, volumes, and the operator that looks after it.",
    choice.VARIABLES,
    (_glance(), _replication(), _volumes(), _servers(), _operator()),
)
