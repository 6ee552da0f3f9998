"""The failure bench's runs on processes, ten of each kind: what is promised, not how fast it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.nemesis import faults, figures
from tests.e2e.process.agents import ROOT

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="the bench makes namespaces: it needs root"),
]

RUNS = 10
LIMIT = 1500.0
"""Seconds; ten runs take two to three minutes on an idle machine."""


@pytest.mark.parametrize("kind", faults.FAULTS)
def test_nothing_acknowledged_is_lost_and_nobody_leads_twice(kind: str, tmp_path: Path) -> None:
    """Whatever breaks: every acknowledged write is on every member once, and the shard is whole again."""
    results = tmp_path / "results.jsonl"
    command = [sys.executable, "-m", "benchmarks.nemesis", "--tier", "process", "--faults", kind, "--runs", str(RUNS)]
    command += [
        "--seed",
        "5",
        "--patience",
        "4",
        "--results",
        str(results),
        "--summary",
        str(tmp_path / "summary.json"),
    ]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    runs = figures.load(results)
    problems = [problem for run in runs for problem in run["problems"]]
    assert (RUNS, []) == (len(runs), problems), f"{said.stdout[-4000:]}\n{said.stderr[-4000:]}"
