"""The dashboards: equal to the committed files, and asking for nothing that does not exist."""

import json
import pathlib
import re
from typing import Any

import pytest

from covet.core import metrics
from tools.telemetry import alerts, dashboards, grafana
from tools.telemetry.grafana import Dashboard

ROOT = pathlib.Path(__file__).resolve().parents[3]
BOARDS = pytest.mark.parametrize("name", sorted(dashboards.DASHBOARDS))
NOT_METRICS = {"covet_cluster"}
"""A label that is named like a metric."""


def named(expression: str) -> set[str]:
    """Return the metrics that an expression names, its histograms without the suffix of their series."""
    found = set(re.findall(r"\bcovet_\w+|\bprocess_\w+|\bup\b", re.sub(r'"[^"]*"', '""', expression))) - NOT_METRICS
    histograms = {row.name for row in metrics.table() if row.kind is metrics.Kind.HISTOGRAM}
    return {re.sub(r"_(bucket|sum|count)$", "", name) if _stem(name) in histograms else name for name in found}


def _stem(name: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", name)


def panels(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a dashboard, its headings left out."""
    return [panel for panel in document["panels"] if panel["type"] != "row"]


@BOARDS
def test_the_committed_dashboard_is_the_generated_one(name: str) -> None:
    """A panel that is changed without `make generate` fails here."""
    text = grafana.render(dashboards.DASHBOARDS[name])
    assert text == (ROOT / dashboards.FOLDER / name).read_text(encoding="utf-8")


def test_no_dashboard_is_left_over() -> None:
    """A file that nothing generates would grow old unseen."""
    assert set(dashboards.DASHBOARDS) == {path.name for path in (ROOT / dashboards.FOLDER).glob("*.json")}


def test_queries_and_alerts_use_only_metrics_that_exist() -> None:
    """Every name in every expression, the choices at the top included, is in the table."""
    known = {row.name for row in metrics.table()}
    for board in dashboards.DASHBOARDS.values():
        for expression in (*dashboards.expressions(board), *(variable.query for variable in board.variables)):
            assert named(expression), expression
            assert set() == named(expression) - known
    for alert in alerts.ALERTS:
        assert named(alert.expression), alert.name
        assert set() == named(alert.expression) - known


def test_a_metric_that_does_not_exist_is_noticed() -> None:
    """The reading of names misses neither a typing error nor a series of a histogram."""
    assert {"covet_agent_primry"} == named('sum(covet_agent_primry{shard="covet_x"}) by (covet_cluster)')
    assert {"covet_agent_tick_seconds"} == named("rate(covet_agent_tick_seconds_bucket[5m])")
    assert {"covet_agent_lag_bytes_sum"} == named("covet_agent_lag_bytes_sum")


@BOARDS
def test_panels_lie_beside_each_other(name: str) -> None:
    """None covers another, none leaves the grid, each has a number of its own."""
    document = json.loads(grafana.render(dashboards.DASHBOARDS[name]))
    cells: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        place = panel["gridPos"]
        taken = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert set() == cells & taken, panel["title"]
        assert place["x"] + place["w"] <= grafana.COLUMNS
        cells |= taken
    ids = [panel["id"] for panel in document["panels"]]
    assert sorted(set(ids)) == ids


@BOARDS
def test_every_query_follows_the_choices(name: str) -> None:
    """The data source is chosen; what belongs to a cluster is asked for the one that was chosen."""
    document = json.loads(grafana.render(dashboards.DASHBOARDS[name]))
    known = {f"${variable['name']}" for variable in document["templating"]["list"]}
    operators = {row.name for row in metrics.table() if row.name.startswith("covet_operator_")}
    for panel in panels(document):
        for target in panel["targets"]:
            assert "${source}" == target["datasource"]["uid"]
            assert {f"${name}" for name in re.findall(r"\$(\w+)", target["expr"])} <= known
            of_cluster = not named(target["expr"]) <= operators
            assert of_cluster == ("$covet_cluster" in target["expr"]), target["expr"]


def test_every_metric_is_shown_or_alerted_on_or_known_to_be_for_investigations() -> None:
    """A new metric is put somewhere, or here with a reason."""
    boards: tuple[Dashboard, ...] = tuple(dashboards.DASHBOARDS.values())
    used = set().union(*(named(text) for board in boards for text in dashboards.expressions(board)))
    used |= set().union(*(named(alert.expression) for alert in alerts.ALERTS))
    investigations = {
        "covet_agent_info",  # what there is to choose from, and the versions
        "covet_agent_rule_seq",  # changes of a cohort, read beside the term
        "covet_agent_turned_away_total",  # a sign of strangers at the agent's port
        "covet_agent_orphans_total",  # a sign of scripts in the container
        "covet_agent_task_bytes",  # there is no series before the first copy
        "covet_agent_certificate_loads_total",  # named by the runbook of its alert
        "covet_agent_trusted_authorities",  # status.authority tells more
        "covet_operator_actions_total",  # what rounds did, read beside the log
        "covet_operator_clusters_elsewhere",  # two releases that serve the same namespaces
    }
    assert {row.name for row in metrics.table()} - used == investigations
