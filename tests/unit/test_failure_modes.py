"""The page of failure modes and the tests that it calls as witnesses."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "failure-modes.md").read_text()
SECTIONS = [text for text in PAGE.split("\n## ")[1:] if text]
TESTS = {name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)\(", path.read_text())}


@pytest.mark.parametrize("section", SECTIONS, ids=lambda text: str(text).partition("\n")[0])
def test_every_failure_mode_is_told_whole_and_has_witnesses(section: str) -> None:
    """Each says what is seen, what Covet does, what is left to do, and names tests that exist."""
    told = [word for word in ("**You see**", "**Covet does**", "**You do**", "**Shown by**") if word in section]
    named = set(re.findall(r"`(test_\w+)`", section))
    assert ["**You see**", "**Covet does**", "**You do**", "**Shown by**"] == told
    assert named, "no test is named"
    assert set() == named - TESTS
