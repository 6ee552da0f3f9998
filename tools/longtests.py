"""Keeps how the long tests went: a plugin of pytest that `make test-long FIGURES=1` loads.

Hours of tests are rarely run in one piece, so each test has an entry of its own, replaced whenever it runs: how it
ended, how long it took, what it measured, of which commit, on which machine.
"""

import collections
import json
import pathlib
from collections.abc import Mapping
from typing import Any, Final

import pytest

from benchmarks import machine

ROOT: Final = pathlib.Path(__file__).resolve().parents[1]
KEPT: Final = ROOT / "benchmarks" / "results" / "test-long.json"

Entries = Mapping[str, Mapping[str, Any]]


class Keeper:
    """Listens to a run and writes its entries at the end.

    Args:
        kept: file of the entries, merged into what it holds.
        root: folder that the names of tests begin at.
    """

    def __init__(self, kept: pathlib.Path, root: pathlib.Path) -> None:
        self._kept = kept
        self._root = root
        self._place = machine.describe()
        self._tests: dict[str, dict[str, Any]] = collections.defaultdict(lambda: {"outcome": "passed", "seconds": 0.0})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a part of a test: its setup, its call or its end."""
        entry = self._tests[report.nodeid]
        entry["seconds"] = round(entry["seconds"] + report.duration, 1)
        if report.outcome != "passed":
            entry["outcome"] = report.outcome
        if report.user_properties:
            entry["measured"] = dict(report.user_properties)

    def pytest_sessionfinish(self) -> None:
        """Write what was run."""
        before: Entries = json.loads(self._kept.read_text())["tests"] if self._kept.exists() else {}
        told = {key: self._place[key] for key in ("cores", "memory_gib", "system", "load", "date", "commit")}
        now = {name: {**entry, **told} for name, entry in self._tests.items()}
        there = {name: entry for name, entry in before.items() if (self._root / name.partition("::")[0]).exists()}
        tests = dict(sorted({**there, **now}.items()))
        counts = collections.Counter(entry["outcome"] for entry in tests.values())
        seconds = round(sum(entry["seconds"] for entry in tests.values()))
        document = {"outcomes": dict(sorted(counts.items())), "seconds": seconds, "tests": tests}
        self._kept.write_text(json.dumps(document, indent=1) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Have the run listened to, unless it only lists its tests."""
    if not config.option.collectonly:
        config.pluginmanager.register(Keeper(KEPT, ROOT), "covet-long-tests")
