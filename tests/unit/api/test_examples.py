"""The examples that users apply are valid, and the shortest one is short."""

import pathlib

import pytest
import yaml

from covet.api import cluster, effective, problems
from covet.core import names
from covet.planner import parameters

ROOT = pathlib.Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_accepted_by_the_model(path: pathlib.Path) -> None:
    """An example has the right kind, no problem, and no field that the model does not know."""
    body = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert (names.API_VERSION, names.KIND) == (body["apiVersion"], body["kind"])
    read = cluster.load({**body, "metadata": {"namespace": "default", "uid": "u", **body["metadata"]}})
    assert () == problems.problems(read.spec, read.metadata.name, ("15",))
    wanted = effective.effective(read.spec)
    assert effective.NEWEST == wanted.defaults_version
    assert () == parameters.refusals(wanted.engine.parameters)
    assert body["spec"] == read.spec.model_dump(mode="json", by_alias=True, exclude_none=True)


def test_the_quickstart_has_ten_lines() -> None:
    """Ten lines are a whole cluster."""
    assert 10 == len((ROOT / "examples" / "quickstart.yaml").read_text(encoding="utf-8").splitlines())
