"""The failure bench's runs on processes, of every kind: what is promised, not how fast it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.nemesis import faults, figures
from tests.e2e.process.agents import ROOT

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the bench makes namespaces: it needs root"),
    pytest.mark.timeout(1000),
]

GATED = 10
"""Runs of each kind that a goal is set for."""
OTHERS = 2
"""Runs of each other kind; ten of each are in the long tests."""
GROUPS = (
    (("server-killed", "pod-killed", "switchover"), GATED),
    (("node-gone",), GATED),
    (("node-cut",), GATED),
    (("pod-frozen",), GATED),
    (tuple(kind for kind, fault in faults.FAULTS.items() if fault.goal is None), OTHERS),
)
"""What runs side by side, each group on a shard of its own: a silent fault is waiting, most of it."""
SEED = 5
LIMIT = 900.0
"""Seconds; about three minutes on an idle machine."""


def command(kinds: tuple[str, ...], runs: int, results: Path) -> list[str]:
    """Return the command line of the bench for so many runs of some kinds of faults."""
    words = [sys.executable, "-m", "benchmarks.nemesis", "--tier", "process", "--faults", ",".join(kinds)]
    words += ["--runs", str(runs), "--seed", str(SEED), "--patience", "4", "--results", str(results / "results.jsonl")]
    return [*words, "--summary", str(results / "summary.json")]


def test_nothing_acknowledged_is_lost_and_nobody_leads_twice(tmp_path: Path) -> None:
    """Every acknowledged write is on every member once, and the shard is whole again, eighty times and more."""
    benches: list[tuple[subprocess.Popen[str], Path]] = []
    try:
        for kinds, runs in GROUPS:
            folder = tmp_path / kinds[0]
            folder.mkdir()
            with (folder / "said").open("w") as output:
                words = command(kinds, runs, folder)
                benches.append((subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=output, text=True), folder))
        for bench, _ in benches:
            bench.wait(LIMIT)
    finally:
        for bench, _ in benches:
            bench.kill()
            bench.wait()
    assert set(faults.FAULTS) == {kind for kinds, _ in GROUPS for kind in kinds}
    told = {folder: figures.load(folder / "results.jsonl") for _, folder in benches}
    said = "\n".join((folder / "said").read_text()[-3000:] for folder in told)
    assert [len(kinds) * runs for kinds, runs in GROUPS] == [len(runs) for runs in told.values()], said
    problems = [problem for runs in told.values() for run in runs for problem in run["problems"]]
    lost = [
        write
        for runs in told.values()
        for run in runs
        for write in (*run["lost"], *run["second_leader"], *run["anomalies"])
    ]
    assert ([], []) == (problems, lost), said
