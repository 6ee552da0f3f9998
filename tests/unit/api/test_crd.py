"""The definition: equal to the committed files, bounded where rules read it, and made for people."""

import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from covet.api import crd, model, status
from covet.core import names

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDERS = {
    ROOT / "crds": None,
    ROOT / "charts" / "covet-crds" / "templates": crd.KEEP,
}


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every node of a schema with its path."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from nodes(part, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def missing_bounds(node: dict[str, Any]) -> list[str]:
    """Return the maximum that a node should have and lacks."""
    if "enum" in node:
        return []
    wanted = {"string": "maxLength", "array": "maxItems"}.get(node.get("type", "string"), "")
    if "additionalProperties" in node:
        wanted = "maxProperties"
    return [wanted] if wanted and wanted not in node else []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_committed_definition_is_the_generated_one(folder: pathlib.Path) -> None:
    """Nobody edits the generated file by hand, and nobody forgets `make generate`."""
    assert crd.render(FOLDERS[folder]) == (folder / crd.FILE).read_text(encoding="utf-8")


def test_the_definition_fits_into_an_annotation() -> None:
    """Plain `kubectl apply` and Argo CD keep a copy of it in an annotation of 256 KiB."""
    assert crd.MAX_BYTES > len(crd.render().encode())


def test_writing_goes_to_every_folder_that_is_named(tmp_path: pathlib.Path) -> None:
    """The chart's copy differs from the plain one by the policy that keeps it."""
    plain, chart = tmp_path / "crds", tmp_path / "templates"
    assert 0 == crd.main([str(plain), str(chart)])
    assert crd.render() == (plain / crd.FILE).read_text()
    kept = yaml.safe_load((chart / crd.FILE).read_text())
    assert {"helm.sh/resource-policy": "keep"} == kept["metadata"]["annotations"]


def test_writing_nowhere_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A command line without a folder says what it takes."""
    assert 2 == crd.main([])
    assert "usage" in capsys.readouterr().err


def test_no_default_is_written_into_objects() -> None:
    """A defaulted field makes Argo CD report a difference for ever."""
    assert [".status"] == [path for path, node in nodes(crd.schema()) if "default" in node]


def test_an_object_that_nobody_has_looked_at_does_not_count_as_ready() -> None:
    """Helm 4 and others take an object without conditions for one that is ready: this one says that nobody knows."""
    said = status.ClusterStatus.model_validate(crd.schema()["properties"]["status"]["default"])
    assert [("Ready", status.Truth.UNKNOWN, 0)] == [
        (found.type, found.status, found.observed_generation) for found in said.conditions
    ]
    assert crd.UNSEEN["conditions"] == said.document()["conditions"]


def test_everything_a_user_writes_has_a_maximum() -> None:
    """The API server's cost of a rule depends on the largest value it can meet."""
    spec = crd.schema()["properties"]["spec"]
    assert {} == {path: lacks for path, node in nodes(spec) if (lacks := missing_bounds(node))}


def test_everything_a_user_writes_is_described() -> None:
    """`kubectl explain` answers for every field."""
    spec = crd.schema()["properties"]["spec"]
    named = [(path, node) for path, node in nodes(spec) if re.search(r"\.\w+$", path)]
    assert [] == [path for path, node in named if not node.get("description")]


def test_numbers_are_64_bits_wide() -> None:
    """Every integer says its width."""
    found = [node for _, node in nodes(crd.schema()) if node.get("type") == "integer"]
    assert found
    assert {"int64"} == {node["format"] for node in found}


def test_patterns_are_re2() -> None:
    """The API server's expressions know neither look-around nor back-references."""
    patterns = [node["pattern"] for _, node in nodes(crd.schema()) if "pattern" in node]
    assert patterns
    assert [] == [pattern for pattern in patterns if re.search(r"\(\?[=!<]|\\[1-9]", pattern)]
    assert [] == [pattern for pattern in patterns if not (pattern.startswith("^") and pattern.endswith("$"))]


def test_every_rule_says_what_is_wrong() -> None:
    """A refusal without a sentence leaves the user guessing."""
    rules = [rule for _, node in nodes(crd.schema()) for rule in node.get(model.RULES, ())]
    assert 10 < len(rules)
    assert [] == [rule for rule in rules if len(rule["message"]) < 20]


def test_lists_say_how_they_merge() -> None:
    """Two writers of one list need to know whether they share it."""
    lists = {path: node for path, node in nodes(crd.schema()) if node.get("type") == "array"}
    assert [] == [path for path, node in lists.items() if model.LIST_TYPE not in node]
    keyed = {path: node for path, node in lists.items() if node[model.LIST_TYPE] == "map"}
    shards = {".status.shards", ".status.shards[].instances", ".status.shards[].members"}
    assert {".status.conditions", ".status.pendingChanges", *shards} == set(keyed)
    for path, node in keyed.items():
        assert set(node[model.LIST_MAP_KEYS]) <= set(node["items"]["required"]), path


def test_people_find_it_by_its_short_names() -> None:
    """`kubectl get cc` and `kubectl get covet` work, and show what matters first."""
    definition = crd.definition()
    assert ["cc"] == definition["spec"]["names"]["shortNames"]
    assert ["covet"] == definition["spec"]["names"]["categories"]
    assert f"{names.PLURAL}.{names.GROUP}" == definition["metadata"]["name"]
    version = definition["spec"]["versions"][0]
    assert {"status": {}} == version["subresources"]
    shown = [column["name"] for column in version["additionalPrinterColumns"] if not column.get("priority")]
    assert ["Ready", "Shards", "Primaries", "Engine", "Age"] == shown


def test_printer_columns_read_fields_that_exist() -> None:
    """A column whose path is mistyped would be empty for ever."""
    known = {re.sub(r"\[\]", "", path) for path, _ in nodes(crd.schema())}
    columns = crd.definition()["spec"]["versions"][0]["additionalPrinterColumns"]
    paths = [re.sub(r"\[\?\(.*?\)\]", "", column["jsonPath"]) for column in columns]
    assert {".metadata.creationTimestamp"} == {path for path in paths if path not in known}
