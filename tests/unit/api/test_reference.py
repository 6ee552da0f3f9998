"""The reference page: equal to the committed one, and complete."""

import pathlib

import pytest

from covet.api import crd, model, reference
from tests.unit.api.test_crd import nodes

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_the_committed_page_is_the_generated_one() -> None:
    """Nobody forgets `make generate`."""
    assert reference.render() == (ROOT / "docs" / "reference" / reference.FILE).read_text(encoding="utf-8")


def test_every_field_has_its_row() -> None:
    """What a user may write, and what the operator answers, is on the page."""
    rows = {line.split("`")[1] for line in reference.render().splitlines() if line.startswith("| `")}
    described = {
        path.removeprefix(".")
        for path, _ in nodes({"properties": {part: crd.schema()["properties"][part] for part in ("spec", "status")}})
    }
    fields = {path for path in described if path.count(".") and not path.endswith(("[]", "{}"))}
    assert {path for path in fields if not path.startswith("status.effective.")} == rows


def test_defaults_are_those_of_the_newest_version() -> None:
    """The page tells what a new cluster gets."""
    rows = {line.split("`")[1]: line for line in reference.render().splitlines() if line.startswith("| `")}
    assert "| `3` |" in rows["spec.shards.instances"]
    assert "| `Keep` |" in rows["spec.deletion.volumes"]
    assert "| required |" in rows["spec.storage.size"]


def test_every_refusal_is_told() -> None:
    """A user reads beforehand what admission would answer."""
    page = reference.render()
    rules = [
        rule["message"] for _, node in nodes(crd.schema()["properties"]["spec"]) for rule in node.get(model.RULES, ())
    ]
    assert [] == [message for message in rules if message not in page]


def test_writing_goes_to_every_folder_that_is_named(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command writes where it is told, and says how it is called."""
    assert 0 == reference.main([str(tmp_path / "docs")])
    assert reference.render() == (tmp_path / "docs" / reference.FILE).read_text()
    assert 2 == reference.main([])
    assert "usage" in capsys.readouterr().err
