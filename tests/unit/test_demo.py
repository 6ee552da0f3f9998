"""What the demo takes for its own."""

import inspect
import os
import pathlib

import pytest
import yaml

from tests.e2e import target
from tests.e2e.devcluster.cluster import Devcluster
from tools import demo


def test_the_demo_leaves_a_developers_cluster_alone(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make demo-down` removes what `make demo` started, not what `make devcluster-up` did."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    developers = inspect.signature(Devcluster.up).parameters["name"].default
    assert ("demo", "dev") == (demo.chosen_target().name, developers)


@pytest.mark.parametrize(("name", "kind"), [("demo", target.Kind.DEVCLUSTER), ("dev", target.Kind.GIVEN)])
def test_the_demo_is_removed_from_a_shell_that_looks_at_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: target.Kind
) -> None:
    """Whoever exported the demo's kubeconfig, as it says, still removes all of it; another cluster stays."""
    kubeconfig = tmp_path / name / "kubeconfig"
    kubeconfig.parent.mkdir()
    kubeconfig.write_text(yaml.safe_dump({"current-context": f"covet-{name}"}))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("COVET_STATE", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert (kind, name) == (demo.chosen_target().kind, demo.chosen_target().name)
