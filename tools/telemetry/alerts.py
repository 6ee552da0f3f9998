"""The alerts: what wakes a person, after how long, and where the runbook stands.

One file comes out, in the form that Prometheus loads; the chart wraps the same bytes in a PrometheusRule.
"""

import dataclasses
import enum
import pathlib
from typing import Any, Final

import yaml

from covet.core import metrics
from tools.telemetry import promql

FILE: Final = pathlib.Path("charts/covet/files/alerts.yaml")
RUNBOOKS: Final = pathlib.Path("docs/runbooks")
_HEAD: Final = """\
# Generated from tools/telemetry/alerts.py by `make generate`; edit that, not this file.
# Prometheus loads it as it is (`rule_files`); the chart makes a PrometheusRule of it with metrics.prometheusRule.
"""

LAG_BYTES: Final = 64 * 1024 * 1024
ROOM: Final = 0.15
"""Share of the volume that is free when somebody has to act, however slowly it fills."""
CERTIFICATE_DAYS: Final = 14
"""Renewal is due 30 days before the end: what is left after two weeks of failed renewals."""


class Severity(enum.StrEnum):
    """How fast a person has to come."""

    CRITICAL = "critical"
    """Now: clients are refused, or data is in danger."""
    WARNING = "warning"
    """Today: something that was kept in reserve is gone."""
    INFO = "info"
    """Worth knowing: it mended itself."""


@dataclasses.dataclass(frozen=True)
class Alert:
    """One rule.

    Args:
        name: also the name of its runbook.
        expression: PromQL; a result fires.
        lasting: how long it has to have a result.
        severity: label for routing.
        summary: one line; may name labels as `{{ $labels.shard }}`.
        description: what it means for the user.
    """

    name: str
    expression: str
    lasting: str
    severity: Severity
    summary: str
    description: str

    @property
    def runbook(self) -> pathlib.Path:
        """The page for whoever is woken."""
        return RUNBOOKS / f"{self.name}.md"


_WHERE: Final = "Shard {{ $labels.shard }} of {{ $labels.namespace }}/{{ $labels.covet_cluster }}"
_WHO: Final = "{{ $labels.instance }} in namespace {{ $labels.namespace }}"
_PRIMARIES: Final = promql.per_shard(metrics.AGENT_PRIMARY)
_WANTED: Final = promql.wanted()
_SERVING: Final = promql.per_shard(metrics.AGENT_STATE, 'state=~"Leader|Follower"')
_BORN: Final = f"count by ({promql.SHARD}) ({promql.select(metrics.AGENT_PROMISE_TERM)} > 0)"
_STREAMING: Final = promql.per_instance(metrics.AGENT_STREAMING)
_STATE: Final = promql.per_instance(metrics.AGENT_STATE, 'state=~"Follower|Starting"', "state")
_OPERATOR: Final = "namespace, job"


def _failovers(span: str) -> str:
    counted = promql.select(metrics.FAILOVERS, 'reason!="Switchover"')
    return f"sum by ({promql.SHARD}) (max by ({promql.INSTANCE}, reason) (increase({counted}[{span}])))"


def _filling() -> str:
    size = promql.per_instance(metrics.AGENT_VOLUME_SIZE_BYTES)
    left = promql.per_instance(metrics.AGENT_VOLUME_AVAILABLE_BYTES)
    free = promql.select(metrics.AGENT_VOLUME_AVAILABLE_BYTES)
    coming = f"max by ({promql.INSTANCE}) (predict_linear({free}[1h], 4 * 3600)) < 0"
    return f"{left} / {size} < {ROOM} or ({left} / {size} < 0.5 and {coming})"


def _stalled() -> str:
    held = promql.select(metrics.OPERATOR_LEASE_HELD)
    clusters = promql.select(metrics.OPERATOR_CLUSTERS)
    rounds = promql.select(metrics.OPERATOR_ROUNDS)
    lag = promql.select(metrics.OPERATOR_WATCH_LAG_SECONDS)
    return (
        f"max by ({_OPERATOR}) ({held}) < 1 or absent({held}) == 1"
        f" or (max by ({_OPERATOR}) ({clusters}) > 0 unless sum by ({_OPERATOR}) (increase({rounds}[15m])) > 0)"
        f" or max by ({_OPERATOR}) ({lag}) > 120"
    )


ALERTS: Final = (
    Alert(
        "CovetShardNotWritable",
        f"({_WANTED} or {_BORN}) unless {_PRIMARIES} > 0",
        "1m",
        Severity.CRITICAL,
        f"{_WHERE} takes no writes.",
        "No instance of the shard says that it leads and lets clients write. An election takes about a second, so"
        " something keeps the members from electing, or Prometheus sees none of them.",
    ),
    Alert(
        "CovetSeveralPrimaries",
        f"{_PRIMARIES} > 1",
        "2m",
        Severity.CRITICAL,
        f"{_WHERE} has more than one primary.",
        "Two instances say that they lead and let clients write. Elections rule that out, and commits need followers"
        " that obey one leader only; but until it is explained, trust neither.",
    ),
    Alert(
        "CovetReplicaMissing",
        f"{_WANTED} - ({_SERVING} or {_WANTED} * 0) > 0",
        "10m",
        Severity.WARNING,
        f"{_WHERE} is short of {{{{ $value }}}} instance(s).",
        "Fewer instances lead or follow than were asked for: the next loss may cost writes.",
    ),
    Alert(
        "CovetReplicationStopped",
        f"({_STATE} == 1 unless on ({promql.INSTANCE}) {_STREAMING} == 1) and on ({promql.SHARD}) {_PRIMARIES} > 0",
        "5m",
        Severity.WARNING,
        f"{_WHO} does not stream from its primary.",
        "The shard has a primary, and this instance runs without receiving what it writes. It acknowledges no commit.",
    ),
    Alert(
        "CovetReplicationLag",
        f"{promql.per_instance(metrics.AGENT_LAG_BYTES)} > {LAG_BYTES}",
        "5m",
        Severity.WARNING,
        f"{_WHO} is {{{{ $value | humanize1024 }}}}B behind its primary.",
        "Reads there are old, a failover to it takes longer, and the primary keeps log for it.",
    ),
    Alert(
        "CovetFailoverHappened",
        f"{_failovers('10m')} > 0",
        "0m",
        Severity.INFO,
        f"{_WHERE} changed its primary without being asked.",
        "The shard is served again; find out what ended the primary before. Planned switchovers are not counted.",
    ),
    Alert(
        "CovetFailoverFlapping",
        f"{_failovers('1h')} >= 3",
        "0m",
        Severity.CRITICAL,
        f"{_WHERE} failed over three times or more within an hour.",
        "Whatever ends its primaries goes on doing so. Each time costs clients their sessions and about a second.",
    ),
    Alert(
        "CovetDiskFilling",
        _filling(),
        "5m",
        Severity.WARNING,
        f"The volume of {_WHO} has {{{{ $value | humanizePercentage }}}} left.",
        "Less than 15 % is free, or it will be full within four hours. A full primary stands down; a full shard stops.",
    ),
    Alert(
        "CovetCertificateExpiring",
        f"{promql.per_instance(metrics.AGENT_CERTIFICATE_EXPIRY, '', 'file')} - time() < {CERTIFICATE_DAYS} * 86400",
        "1h",
        Severity.WARNING,
        f"{{{{ $labels.file }}}} of {_WHO} ends in {{{{ $value | humanizeDuration }}}}.",
        "The operator renews certificates 30 days before they end, and did not. Once it ended, nobody reaches"
        " the instance: neither its peers nor clients that verify.",
    ),
    Alert(
        "CovetOperatorStalled",
        _stalled(),
        "5m",
        Severity.WARNING,
        "The Covet operator does not work.",
        "No process holds the Lease, no round ends, or a watch is two minutes behind. Databases go on, fail over"
        " included; nothing is created, changed, healed or renewed.",
    ),
)


def document() -> dict[str, Any]:
    """Return the rules as Prometheus loads them."""
    return {"groups": [{"name": "covet", "rules": [_rule(alert) for alert in ALERTS]}]}


def render() -> str:
    """Return the rules file."""
    return _HEAD + yaml.safe_dump(document(), sort_keys=False, width=110, allow_unicode=True)


def write(root: pathlib.Path) -> None:
    """Write the rules file into a checkout."""
    path = root / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(render(), encoding="utf-8")


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.lasting,
        "labels": {"severity": alert.severity.value},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook": str(alert.runbook),
        },
    }
