"""The failure bench's runs on processes, ten of each kind that has a gate: what is promised, not how fast it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.nemesis import figures
from tests.e2e.process.agents import ROOT

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the bench makes namespaces: it needs root"),
    pytest.mark.timeout(1000),
]

GROUPS = (("server-killed", "pod-killed", "switchover"), ("node-gone",), ("node-cut",), ("pod-frozen",))
"""What runs side by side, each group on a shard of its own: a silent fault is waiting, most of it."""
RUNS = 10
SEED = 5
LIMIT = 900.0
"""Seconds; about three minutes on an idle machine."""


def command(kinds: tuple[str, ...], results: Path) -> list[str]:
    """Return the command line of the bench for some kinds of faults."""
    words = [sys.executable, "-m", "benchmarks.nemesis", "--tier", "process", "--faults", ",".join(kinds)]
    words += ["--runs", str(RUNS), "--seed", str(SEED), "--patience", "4", "--results", str(results / "results.jsonl")]
    return [*words, "--summary", str(results / "summary.json")]


def test_nothing_acknowledged_is_lost_and_nobody_leads_twice(tmp_path: Path) -> None:
    """Every acknowledged write is on every member once, and the shard is whole again, sixty times."""
    benches: list[tuple[subprocess.Popen[str], Path]] = []
    try:
        for kinds in GROUPS:
            folder = tmp_path / kinds[0]
            folder.mkdir()
            with (folder / "said").open("w") as output:
                words = command(kinds, folder)
                benches.append((subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=output, text=True), folder))
        for bench, _ in benches:
            bench.wait(LIMIT)
    finally:
        for bench, _ in benches:
            bench.kill()
            bench.wait()
    told = {folder: figures.load(folder / "results.jsonl") for _, folder in benches}
    said = "\n".join((folder / "said").read_text()[-3000:] for folder in told)
    assert [len(kinds) * RUNS for kinds in GROUPS] == [len(runs) for runs in told.values()], said
    problems = [problem for runs in told.values() for run in runs for problem in run["problems"]]
    lost = [write for runs in told.values() for run in runs for write in (*run["lost"], *run["second_leader"])]
    assert ([], []) == (problems, lost), said
