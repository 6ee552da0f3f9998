"""Dashboards as values, and the JSON that Grafana imports.

What Grafana's classic model asks for and a person would not want to write stands here once: positions on the
grid, ids, the data source as a variable. Panels name their queries; nothing else of the model is used.
"""

import dataclasses
import enum
import json
from typing import Any, Final

SCHEMA: Final = 39
"""Version of Grafana's classic model (Grafana 11; later ones read it)."""
COLUMNS: Final = 24
HEIGHT: Final = 7
STAT_HEIGHT: Final = 4
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}


class Unit(enum.StrEnum):
    """How a number is written, in Grafana's words."""

    COUNT = "short"
    BYTES = "bytes"
    SECONDS = "s"
    SHARE = "percentunit"
    PER_SECOND = "ops"
    BYTES_PER_SECOND = "Bps"


@dataclasses.dataclass(frozen=True)
class Query:
    """A line of a panel, or several.

    Args:
        expression: PromQL; may use `$namespace` and the other variables.
        legend: as `{{instance}}`.
    """

    expression: str
    legend: str


@dataclasses.dataclass(frozen=True)
class Panel:
    """A picture with its title.

    Args:
        title: what it shows.
        help: what to make of it; shown at the title.
        queries: at least one.
        unit: of every query.
        width: of 24 columns.
        stat: one number each, instead of lines over time.
        bad_above: from here on it is red; None for no judgement.
        bad_below: below this it is red.
    """

    title: str
    help: str
    queries: tuple[Query, ...]
    unit: Unit = Unit.COUNT
    width: int = 12
    stat: bool = False
    bad_above: float | None = None
    bad_below: float | None = None


@dataclasses.dataclass(frozen=True)
class Row:
    """A heading and the panels below it."""

    title: str
    panels: tuple[Panel, ...]


@dataclasses.dataclass(frozen=True)
class Variable:
    """A choice at the top of a dashboard.

    Args:
        name: as queries use it.
        query: `label_values(...)`, which lists what there is to choose.
        several: more than one may be chosen, and all.
    """

    name: str
    query: str
    several: bool = False


@dataclasses.dataclass(frozen=True)
class Dashboard:
    """A dashboard.

    Args:
        uid: stands in its address; never changes.
        title: as it is listed.
        description: what it is for.
        variables: the choices, beside that of the data source.
        rows: from top to bottom.
    """

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]


def render(dashboard: Dashboard) -> str:
    """Return the JSON that Grafana imports."""
    return json.dumps(document(dashboard), indent=1, ensure_ascii=False) + "\n"


def document(dashboard: Dashboard) -> dict[str, Any]:
    """Return a dashboard in Grafana's classic model."""
    source = {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["covet"],
        "schemaVersion": SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source, *(_variable(variable) for variable in dashboard.variables)]},
        "annotations": {"list": []},
        "links": [],
        "panels": _panels(dashboard.rows),
    }


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "label": variable.name,
        "type": "query",
        "datasource": SOURCE,
        "definition": variable.query,
        "query": {"query": variable.query, "refId": "variable"},
        "refresh": 2,
        "sort": 1,
        "multi": variable.several,
        "includeAll": variable.several,
        **({"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if variable.several else {}),
    }


def _panels(rows: tuple[Row, ...]) -> list[dict[str, Any]]:
    """Lay rows out from the top, panels from the left."""
    laid: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        laid.append({"id": len(laid) + 1, "type": "row", "title": row.title, "collapsed": False, "gridPos": place})
        top, left, tallest = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            height = STAT_HEIGHT if panel.stat else HEIGHT
            place = {"x": left, "y": top, "w": panel.width, "h": height}
            laid.append({"id": len(laid) + 1, "gridPos": place, **_panel(panel)})
            left, tallest = left + panel.width, max(tallest, height)
        top += tallest
    return laid


def _panel(panel: Panel) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": SOURCE,
            "expr": query.expression,
            "legendFormat": query.legend,
            "instant": panel.stat,
            "range": not panel.stat,
        }
        for index, query in enumerate(panel.queries)
    ]
    calculation = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    options: dict[str, Any] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    if panel.stat:
        options = {"reduceOptions": calculation, "colorMode": "background", "graphMode": "none", "textMode": "auto"}
    return {
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": panel.help,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": options,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad_above is not None:
        steps = [*steps, {"color": "red", "value": panel.bad_above}]
    elif panel.bad_below is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": panel.bad_below}]
    found: dict[str, Any] = {"unit": panel.unit.value, "thresholds": {"mode": "absolute", "steps": steps}}
    if not panel.stat:
        judged = panel.bad_above is not None or panel.bad_below is not None
        style = {"mode": "line"} if judged else {"mode": "off"}
        found["custom"] = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "thresholdsStyle": style}
        found["min"] = 0
    return found
