"""What a person chose at the top of a dashboard, in the selectors of its panels."""

from typing import Final

from covet.core import metrics
from covet.core.metrics import Metric
from tools.telemetry import promql
from tools.telemetry.grafana import Variable

CLUSTER: Final = 'namespace="$namespace", covet_cluster="$covet_cluster"'
SHARDS: Final = f'{CLUSTER}, shard=~"$shard"'
_INFO: Final = metrics.AGENT_INFO.name
VARIABLES: Final = (
    Variable("namespace", f"label_values({_INFO}, namespace)"),
    Variable("covet_cluster", f'label_values({_INFO}{{namespace="$namespace"}}, covet_cluster)'),
    Variable("shard", f"label_values({_INFO}{{{CLUSTER}}}, shard)", several=True),
)


def each(row: Metric, further: str = "") -> str:
    """Return a gauge of every instance that was chosen."""
    return promql.per_instance(row, f"{SHARDS}, {further}" if further else SHARDS)


def grown(row: Metric, by: str, span: str, further: str = "", suffix: str = "") -> str:
    """Return how much a counter rose within a span, summed up by labels."""
    selector = promql.select(row, f"{SHARDS}, {further}" if further else SHARDS, suffix)
    return f"sum by ({by}) (increase({selector}[{span}]))" if by else f"sum(increase({selector}[{span}]))"


def quantile(share: float, row: Metric, span: str, matchers: str) -> str:
    """Return a share of a histogram's observations within a span; matchers say of which series."""
    selector = promql.select(row, matchers, "_bucket")
    return f"histogram_quantile({share}, sum by (le) (rate({selector}[{span}])))"


def by(label: str, row: Metric) -> str:
    """Return a gauge of every instance that was chosen, by a further label."""
    return promql.per_instance(row, SHARDS, label)
