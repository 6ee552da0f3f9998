"""docs/ring.md and the ring are one pair: its examples run, its map reads."""

import doctest
import pathlib
import re

import covet_hasher

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "ring.md"


def test_the_examples_of_the_page_run() -> None:
    """A reader who types what the page shows sees what the page shows."""
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert 0 == failed
    assert tried >= 19


def test_the_map_of_the_page_is_a_map() -> None:
    """The documented format is the one that is read, checksum included."""
    shown = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert [4] == [covet_hasher.Map.from_json(text).epoch for text in shown]


def test_the_page_names_every_hash_with_its_vectors() -> None:
    """Whoever computes a position elsewhere finds its definition."""
    page = PAGE.read_text()
    for name in ("pg1", "cv1", "crc1", "md1"):
        assert f"| `{name}` |" in page
    assert str(covet_hasher.PG1_SEED) in page
