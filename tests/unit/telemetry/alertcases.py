"""For each alert, series that fire it and series that do not: what promtool plays back.

Values are in promtool's words: `1x20` is 1 at every minute for 20 minutes, `_` no sample.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final

from tools.telemetry import alerts

WHERE: Final = {"namespace": "ns", "covet_cluster": "shop", "shard": "s0"}


def who(letter: str) -> dict[str, str]:
    """Return the labels of an instance."""
    return {**WHERE, "instance": f"shop-s0-{letter}"}


@dataclasses.dataclass(frozen=True)
class Case:
    """An alert and what is played back.

    Args:
        alert: its name.
        firing: series with values that fire it.
        quiet: series with values that come close and do not.
        minute: when both are looked at.
        labels: of the alert that fires, beside its severity.
        value: what its sentences say, if they name a value.
    """

    alert: str
    firing: Mapping[str, str]
    quiet: Mapping[str, str]
    minute: int
    labels: Mapping[str, str]
    value: Mapping[str, str] = dataclasses.field(default_factory=dict)


def series(name: str, labels: Mapping[str, str], **further: str) -> str:
    """Return a series as promtool writes it."""
    inner = ",".join(f'{key}="{value}"' for key, value in {**labels, **further}.items())
    return f"{name}{{{inner}}}"


def primary(letter: str, pod: str = "") -> str:
    """Return the series that says who leads; scraped under a pod label, if one is given."""
    return series("covet_agent_primary", who(letter), **({"pod": pod} if pod else {}))


def state(letter: str, name: str) -> str:
    """Return the series of a state."""
    return series("covet_agent_state", who(letter), state=name)


WANTED: Final = series("covet_shard_instances", WHERE)
_OPERATOR: Final = {"namespace": "covet-system", "job": "covet", "pod": "covet-0"}
_STANDBY: Final = {**_OPERATOR, "pod": "covet-1"}
_LEAF: Final = series("covet_agent_certificate_expiry_timestamp_seconds", who("a"), file="tls.crt")
_ROOM: Final = series("covet_agent_volume_available_bytes", who("a"))
_SIZE: Final = series("covet_agent_volume_size_bytes", who("a"))


def _operator(held: str, clusters: str, rounds: str, lag: str) -> dict[str, str]:
    return {
        series("covet_operator_lease_held", _OPERATOR): held,
        series("covet_operator_lease_held", _STANDBY): "0x60",
        series("covet_operator_clusters", _OPERATOR): clusters,
        series("covet_operator_clusters", _STANDBY): "0x60",
        series("covet_operator_rounds_total", _OPERATOR, outcome="Settled"): rounds,
        series("covet_operator_watch_lag_seconds", _OPERATOR, resource="pods"): lag,
    }


def _failover(reason: str, values: str) -> dict[str, str]:
    return {series("covet_failovers_total", who("b"), reason=reason): values}


CASES: Final = (
    Case(
        "CovetShardNotWritable",
        {WANTED: "3x20", primary("a"): "1x5 0x15", primary("b"): "0x20"},
        {WANTED: "3x20", primary("a"): "1x5 0x15", primary("b"): "0x5 1x15"},
        10,
        WHERE,
    ),
    Case(  # the operator is away, and the agents alone say that the shard was born
        "CovetShardNotWritable",
        {series("covet_agent_promise_term", who("a")): "7x20", primary("a"): "0x20"},
        {series("covet_agent_promise_term", who("a")): "0x20", primary("a"): "0x20"},
        10,
        WHERE,
    ),
    Case(  # no agent can be scraped
        "CovetShardNotWritable",
        {WANTED: "3x20", primary("a"): "1x4 _x16"},
        {primary("a"): "1x4 _x16"},
        15,
        WHERE,
    ),
    Case(
        "CovetSeveralPrimaries",
        {primary("a"): "1x20", primary("b"): "0x5 1x15"},
        {primary("a", "one"): "1x20", primary("a", "two"): "1x20", primary("b"): "0x20"},
        10,
        WHERE,
    ),
    Case(  # the old primary is scraped a minute after the new one
        "CovetSeveralPrimaries",
        {primary("a"): "1x20", primary("b"): "0x5 1x15"},
        {primary("a"): "1x6 0x14", primary("b"): "0x5 1x15"},
        8,
        WHERE,
    ),
    Case(
        "CovetReplicaMissing",
        {WANTED: "3x30", state("a", "Leader"): "1x30", state("b", "Follower"): "1x30", state("c", "Cloning"): "1x30"},
        {WANTED: "3x30", state("a", "Leader"): "1x30", state("b", "Follower"): "1x30", state("c", "Follower"): "1x30"},
        20,
        WHERE,
        {"$value": "1"},
    ),
    Case(
        "CovetReplicaMissing",
        {WANTED: "3x30"},
        {WANTED: "3x30", **{state(letter, "Follower"): "1x12 _x2 1x16" for letter in "abc"}},
        20,
        WHERE,
        {"$value": "3"},
    ),
    Case(
        "CovetReplicationStopped",
        {
            primary("a"): "1x20",
            state("b", "Follower"): "1x20",
            series("covet_agent_streaming", who("b")): "1x5 0x15",
        },
        {
            primary("a"): "1x8 0x12",
            state("b", "Follower"): "1x20",
            series("covet_agent_streaming", who("b")): "1x8 0x12",
        },
        15,
        {**who("b"), "state": "Follower"},
    ),
    Case(
        "CovetReplicationLag",
        {series("covet_agent_lag_bytes", who("b")): f"0x2 {alerts.LAG_BYTES * 2}x18"},
        {series("covet_agent_lag_bytes", who("b")): f"{alerts.LAG_BYTES}x20"},
        10,
        who("b"),
        {"$value | humanize1024": "128Mi"},
    ),
    Case("CovetFailoverHappened", _failover("LeaderSilent", "0x5 1x15"), _failover("Switchover", "0x5 1x15"), 8, WHERE),
    Case(  # it is over ten minutes later
        "CovetFailoverHappened", _failover("LeaderSilent", "0x5 1x15"), _failover("LeaderSilent", "0x2 1x38"), 14, WHERE
    ),
    Case(
        "CovetFailoverFlapping",
        _failover("LeaderSilent", "0x9 1x9 2x9 3x30"),
        _failover("LeaderSilent", "0x9 1x9 2x30"),
        40,
        WHERE,
    ),
    Case(
        "CovetDiskFilling",
        {_SIZE: "100x20", _ROOM: "14x20"},
        {_SIZE: "100x20", _ROOM: "16x20"},
        10,
        who("a"),
        {"$value | humanizePercentage": "14%"},
    ),
    Case(  # a fifth is left, and it goes within two hours; or within eight
        "CovetDiskFilling",
        {_SIZE: "1000x60", _ROOM: "500-5x60"},
        {_SIZE: "1000x60", _ROOM: "440-0.5x60"},
        50,
        who("a"),
        {"$value | humanizePercentage": "25%"},
    ),
    Case(
        "CovetCertificateExpiring",
        {_LEAF: f"{13 * 86400 + 7200}x180"},
        {_LEAF: f"{15 * 86400}x180"},
        120,
        {**who("a"), "file": "tls.crt"},
        {"$value | humanizeDuration": "13d 0h 0m 0s"},
    ),
    Case(
        "CovetOperatorStalled",
        _operator("1x10 0x50", "2x60", "0+1x60", "0x60"),
        _operator("1x60", "2x60", "0+1x60", "0x60"),
        30,
        {"namespace": "covet-system", "job": "covet"},
    ),
    Case(  # rounds end no more; with no cluster there are none
        "CovetOperatorStalled",
        _operator("1x60", "2x60", "5x60", "0x60"),
        _operator("1x60", "0x60", "5x60", "0x60"),
        40,
        {"namespace": "covet-system", "job": "covet"},
    ),
    Case(
        "CovetOperatorStalled",
        _operator("1x60", "2x60", "0+1x60", "0x20 150x40"),
        _operator("1x60", "2x60", "0+1x60", "0x20 90x40"),
        40,
        {"namespace": "covet-system", "job": "covet"},
    ),
    Case("CovetOperatorStalled", {}, _operator("1x60", "0x60", "0x60", "0x60"), 40, {}),
)
