"""The tables in the documentation are those of the committed results."""

import json
import pathlib

import pytest

from benchmarks.nemesis import figures

ROOT = pathlib.Path(__file__).parents[3]


@pytest.mark.parametrize("tier", [figures.PROCESS, figures.CLUSTER])
def test_the_page_holds_the_table_of_the_results(tier: str) -> None:
    """Whoever commits new results puts their table, as the bench prints it, into the page."""
    summary = json.loads((ROOT / "benchmarks" / "results" / f"failover-{tier}.json").read_text())
    page = (ROOT / "docs" / "failover.md").read_text().splitlines()
    missing = [line for line in figures.table(summary).splitlines() if line not in page]
    assert [] == missing
