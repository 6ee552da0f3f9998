"""What is kept of the long tests."""

import json
import pathlib
from typing import Any, Literal

import pytest

from tools.longtests import Keeper


def part(
    name: str,
    outcome: Literal["passed", "failed", "skipped"] = "passed",
    when: Literal["setup", "call", "teardown"] = "call",
    **measured: object,
) -> pytest.TestReport:
    """Return what pytest reports of a part of a test that took two seconds."""
    nodeid, properties = f"tests/test_kept.py::{name}", list(measured.items())
    return pytest.TestReport(nodeid, ("", 0, ""), {}, outcome, None, when, user_properties=properties, duration=2.0)


def kept(folder: pathlib.Path, *parts: pytest.TestReport) -> dict[str, Any]:
    """Have a keeper listen to these parts and return what its file holds then."""
    keeper = Keeper(folder / "kept.json", folder)
    for one in parts:
        keeper.pytest_runtest_logreport(one)
    keeper.pytest_sessionfinish()
    found: dict[str, Any] = json.loads((folder / "kept.json").read_text())
    return found


def test_every_long_test_has_an_entry_that_its_next_run_replaces(tmp_path: pathlib.Path) -> None:
    """All parts of a test count; tests that were not run this time stay, those whose file is gone go."""
    (tmp_path / "tests").mkdir()
    file = tmp_path / "tests" / "test_kept.py"
    file.touch()
    first = kept(tmp_path, part("a", "failed", "setup"), part("a", when="teardown"), part("b", silence=0.8))
    assert ({"failed": 1, "passed": 1}, 6) == (first["outcomes"], first["seconds"])
    names = ("tests/test_kept.py::a", "tests/test_kept.py::b")
    assert [("failed", 4.0, None), ("passed", 2.0, {"silence": 0.8})] == [
        (entry["outcome"], entry["seconds"], entry.get("measured")) for entry in map(first["tests"].get, names)
    ]
    second = kept(tmp_path, part("a"))
    assert ({"passed": 2}, 4, list(names)) == (second["outcomes"], second["seconds"], list(second["tests"]))
    assert {"commit", "cores", "date", "load"} <= set(second["tests"][names[0]])
    file.unlink()
    assert {} == kept(tmp_path)["tests"]
