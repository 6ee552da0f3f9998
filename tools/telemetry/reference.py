"""The reference page of the metrics, made from the table that the collectors are made from."""

import pathlib
from typing import Final

from covet.core import metrics, names, settings

FILE: Final = "metrics.md"
_INTRODUCTION: Final = f"""\
# Metrics

<!-- Generated from operator/covet/core/metrics.py by `make generate`; edit the table there, not this page. -->

Two kinds of processes export metrics, both as Prometheus text:

- **agents**, one in every database pod: port {names.METRICS_PORT}, plain HTTP, `/metrics`; also on the agent API,
  for holders of a certificate of the cluster's authority;
- **the operator**: port {settings.HEALTH_PORT}, plain HTTP, `/metrics`. The usual `process_*` describe its process.

How to have them scraped: [install.md](../install.md#monitoring). No label is called `cluster`, for many
installations keep that name for the Kubernetes cluster; a CovetCluster is `covet_cluster`. A histogram `x` has
the series `x_bucket`, `x_sum` and `x_count`.
"""
_AGENT: Final = f"""\
## Agents

Every series has the labels {", ".join(f"`{label}`" for label in metrics.INSTANCE_LABELS)}; `instance` is
the instance of Covet, as `shop-s0-a`. The table names what there is beside them.
"""


def unit_of(row: metrics.Metric) -> str:
    """Return the unit of a row, which stands in its name; 1 where a number counts or is a switch."""
    name = row.name.removesuffix("_total")
    if name.endswith("_timestamp_seconds"):
        return "seconds since 1970"
    return next((unit for unit in ("seconds", "bytes") if name.endswith(f"_{unit}")), "1")


def render() -> str:
    """Return the page as Markdown."""
    agents = [row for row in metrics.table() if metrics.of_agent(row)]
    operators = [row for row in metrics.table() if not metrics.of_agent(row)]
    return "\n".join([_INTRODUCTION, _AGENT, *_rows(agents), "", "## Operator\n", *_rows(operators), ""])


def _rows(table: list[metrics.Metric]) -> list[str]:
    head = ["| metric | type | labels | unit | meaning |", "|---|---|---|---|---|"]
    return head + [
        f"| `{row.name}` | {row.kind.value} | {', '.join(f'`{label}`' for label in row.labels)} "
        f"| {unit_of(row)} | {row.help.replace('|', chr(92) + '|')} |"
        for row in table
    ]


def write(root: pathlib.Path) -> None:
    """Write the page into a checkout."""
    (root / "docs" / "reference" / FILE).write_text(render(), encoding="utf-8")
