"""What the suite counts and keeps, and the page that tells it."""

import json
import pathlib
from typing import Any

import pytest

from tools import bootstrap, figures, suite

MACHINE: dict[str, Any] = {
    "cpu": "A",
    "cores": 2,
    "memory_gib": 23.5,
    "system": "Debian",
    "load": 0.1,
    "date": "2026-11-23",
    "commit": "abc",
}


def run(seconds: float) -> dict[str, Any]:
    """Return a run of the suite with one part that counts its tests and one that does not."""
    parts = [{"name": "test-unit", "seconds": seconds, "tests": 2479}, {"name": "coverage", "seconds": 20.0}]
    return {"machine": MACHINE, "parts": parts}


@pytest.fixture
def checkout(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with those that figures are kept in."""
    for path in (figures.SUITE, figures.PAGE):
        (tmp_path / path).parent.mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "tests"),
    [
        ("2479 passed in 102.33s (0:01:42)\n", 2479),
        ("51 passed, 2 skipped, 1 warning in 9s\n", 51),
        ("test result: ok. 17 passed; 0 failed; 0 ignored; finished in 0.03s\n", 17),
        ("--- PASS: TestNoPolicyMeansNoRules (0.00s)\n", 1),
        ("    --- PASS: TestPorts/named (0.00s)\n", 1),
        ("Contracts: 4 kept, 0 broken.\n", 0),
        ("FAILED tests/unit/test_x.py - 3 passed\n", 0),
    ],
)
def test_tests_are_counted_by_what_their_runners_say(line: str, tests: int) -> None:
    """Of pytest, cargo and Go; nothing else looks like it."""
    assert tests == suite.tests_in(line)


def test_figures_are_kept_only_on_request_and_only_of_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """A run that nobody asked to keep leaves the checkout as it was; one part says nothing of the whole."""
    assert [part.name for part in suite.PARTS] == suite.chosen([]).parts
    assert (False, True) == (suite.chosen(["test-unit"]).figures, suite.chosen(["--figures"]).figures)
    for wrong, words in ((["--figures", "test-unit"], "of a whole run"), (["test-units"], "no such part: test-units")):
        with pytest.raises(SystemExit):
            suite.chosen(wrong)
        assert words in capsys.readouterr().err


def test_a_warm_run_is_kept_beside_a_cold_one(checkout: pathlib.Path) -> None:
    """The two are different questions; of each the newest run counts."""
    for state, seconds in ((figures.Caches.COLD, 300.0), (figures.Caches.WARM, 70.0), (figures.Caches.WARM, 55.0)):
        figures.keep_suite(checkout, state, run(seconds))
    assert {"cold": run(300.0), "warm": run(55.0)} == json.loads((checkout / figures.SUITE).read_text())
    page = (checkout / figures.PAGE).read_text()
    assert "**1.2 min**, gate 12 min. 2 cores (A), 23.5 GiB, Debian, load 0.1 when it began, 2026-11-23" in page
    assert "| test-unit (gate 60 s) | 2,479 | 55 |\n| coverage |  | 20 |\n" in page
    assert "A cold run (nothing of an earlier run was there): **5.3 min**, gate 45 min." in page
    assert page.index("A warm run") < page.index("A cold run")


def test_a_failed_run_is_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """What it took says nothing."""
    suite.keep_figures(MACHINE, figures.Caches.WARM, [suite.Result("check-python", 1, 2.0)])  # type: ignore[arg-type]  # a part of the description
    assert "not kept" in capsys.readouterr().out


def test_the_second_demo_is_told(checkout: pathlib.Path) -> None:
    """Its total, and its steps."""
    assert figures.render(checkout).endswith("No run was kept yet.\n")
    steps = {"start Kubernetes": 9.84, "client: write": 1.0}
    figures.keep_demo(checkout, {"machine": MACHINE, "kubernetes": "devcluster", "seconds": 71.2, "steps": steps})
    page = (checkout / figures.PAGE).read_text()
    assert "from devcluster: **71 s** from the command to its end, gate 120 s." in page
    assert page.endswith("| start Kubernetes (gate 30 s) | 9.8 |\n| client: write | 1.0 |\n")


def test_the_committed_page_is_the_generated_one() -> None:
    """Figures that are kept without `make generate` fail here."""
    assert figures.render(bootstrap.ROOT) == (bootstrap.ROOT / figures.PAGE).read_text(encoding="utf-8")
