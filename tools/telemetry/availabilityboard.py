"""The dashboard "High availability": who leads, what failovers took, whether members hear each other."""

from typing import Final

from covet.core import metrics
from covet.core.metrics import Metric
from tools.telemetry import choice, promql
from tools.telemetry.grafana import Dashboard, Panel, Query, Row, Unit


def _leaders() -> Row:
    promised = choice.each(metrics.AGENT_PROMISE_TERM)
    primaries = promql.per_shard(metrics.AGENT_PRIMARY, choice.SHARDS)
    unasked = choice.grown(metrics.FAILOVERS, "", "24h", 'reason!="Switchover"')
    asked = choice.grown(metrics.FAILOVERS, "", "24h", 'reason="Switchover"')

    def number(title: str, text: str, query: Query, below: float | None = None, above: float | None = None) -> Panel:
        return Panel(title, text, (query,), width=6, stat=True, bad_below=below, bad_above=above)

    return Row(
        "Leaders",
        (
            number("Primaries", "One a shard; none: CovetShardNotWritable.", Query(primaries, "{{shard}}"), below=1),
            number(
                "Term",
                "Number of the reign; every change of the primary begins a higher one.",
                Query(f"max by (shard) ({choice.each(metrics.AGENT_RULE_TERM)})", "{{shard}}"),
            ),
            number("Failovers in 24 h", "Unasked ones.", Query(f"round({unasked})", ""), above=1),
            number("Switchovers in 24 h", "Those that were asked for.", Query(f"round({asked})", "")),
            Panel(
                "Who leads",
                "1 while the instance leads and lets clients write.",
                (Query(choice.each(metrics.AGENT_PRIMARY), "{{instance}}"),),
            ),
            Panel(
                "Promised terms",
                "The highest that each member promised; in a shard at rest all the same.",
                (Query(promised, "{{instance}}"),),
            ),
        ),
    )


def _failovers() -> Row:
    def grown(suffix: str) -> str:
        return choice.grown(metrics.FAILOVER_SECONDS, "phase", "24h", suffix=suffix)

    return Row(
        "Failovers and switchovers",
        (
            Panel(
                "By reason",
                "Within five minutes; docs/runbooks/CovetFailoverHappened.md explains the reasons.",
                (Query(choice.grown(metrics.FAILOVERS, "shard, reason", "5m"), "{{shard}} {{reason}}"),),
                width=8,
            ),
            Panel(
                "Until writable",
                "From the last sign of the former primary until clients can write, of the last 24 h.",
                tuple(
                    Query(
                        choice.quantile(share, metrics.FAILOVER_SECONDS, "24h", f'{choice.SHARDS}, phase="writable"'),
                        name,
                    )
                    for share, name in ((0.5, "half"), (0.95, "95 %"))
                ),
                Unit.SECONDS,
                width=8,
            ),
            Panel(
                "Phases, on average",
                "Of the last 24 h; one that was ordered has no detection.",
                (Query(f"{grown('_sum')} / {grown('_count')}", "{{phase}}"),),
                Unit.SECONDS,
                width=8,
            ),
        ),
    )


def _members() -> Row:
    return Row(
        "Members",
        (
            Panel(
                "States",
                "Instances by what they do.",
                (Query(f"sum by (state) ({choice.by('state', metrics.AGENT_STATE)})", "{{state}}"),),
            ),
            Panel(
                "Streaming",
                "1 while a replica receives what its primary writes; a primary says 0.",
                (Query(choice.each(metrics.AGENT_STREAMING), "{{instance}}"),),
            ),
            Panel(
                "Behind, as the primary sees it",
                "Log that a member has not flushed yet; it acknowledges commits up to there.",
                (
                    Query(
                        f"max by (shard, member) ({promql.select(metrics.AGENT_FOLLOWER_LAG_BYTES, choice.SHARDS)})",
                        "{{member}}",
                    ),
                ),
                Unit.BYTES,
            ),
            Panel(
                "Log given up",
                "What former primaries had alone, and discarded to come back; within an hour.",
                (Query(choice.grown(metrics.AGENT_DISCARDED_BYTES, "instance", "1h"), "{{instance}}"),),
                Unit.BYTES,
            ),
        ),
    )


def _heartbeats() -> Row:
    def age(row: Metric) -> str:
        return f"max by (instance, peer) ({promql.select(row, choice.SHARDS)})"

    return Row(
        "Heartbeats and probes",
        (
            Panel(
                "Since the last echo",
                "Of a leader's heartbeats, by peer; a second of silence from too many ends a reign.",
                (Query(age(metrics.VOTER_ECHO_AGE_SECONDS), "{{instance}} of {{peer}}"),),
                Unit.SECONDS,
            ),
            Panel(
                "Since the last message",
                "Followers say nothing to each other at rest.",
                (Query(age(metrics.VOTER_PEER_AGE_SECONDS), "{{instance}} of {{peer}}"),),
                Unit.SECONDS,
            ),
            Panel(
                "Probes that failed",
                "Of the own server, within five minutes.",
                (Query(choice.grown(metrics.AGENT_PROBE_FAILURES, "instance", "5m"), "{{instance}}"),),
                width=8,
            ),
            Panel(
                "Dropped by voters",
                "Messages and connections that made no sense, within five minutes.",
                (Query(choice.grown(metrics.VOTER_DROPPED, "instance", "5m"), "{{instance}}"),),
                width=8,
            ),
            Panel(
                "Publications that failed",
                "Of the primary's address and Lease, within five minutes; elections do not depend on them.",
                (Query(choice.grown(metrics.AGENT_PUBLICATION_FAILURES, "instance", "5m"), "{{instance}}"),),
                width=8,
            ),
        ),
    )


BOARD: Final = Dashboard(
    "covet-high-availability",
    "Covet / High availability",
    "Who leads each shard, what failovers took, and whether members hear each other.",
    choice.VARIABLES,
    (_leaders(), _failovers(), _members(), _heartbeats()),
)
