"""The dashboards as files. Queries are built from the table of metrics: none can name what does not exist."""

import pathlib
from typing import Final

from tools.telemetry import availabilityboard, clusterboard, grafana
from tools.telemetry.grafana import Dashboard

FOLDER: Final = pathlib.Path("dashboards")
DASHBOARDS: Final = {"cluster.json": clusterboard.BOARD, "high-availability.json": availabilityboard.BOARD}


def expressions(dashboard: Dashboard) -> list[str]:
    """Return the queries of all panels."""
    return [query.expression for row in dashboard.rows for panel in row.panels for query in panel.queries]


def write(root: pathlib.Path) -> None:
    """Write the dashboards into a checkout."""
    for name, dashboard in DASHBOARDS.items():
        (root / FOLDER / name).write_text(grafana.render(dashboard), encoding="utf-8")
