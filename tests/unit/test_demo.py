"""What the demo takes for its own."""

import inspect
import os
import pathlib

import pytest

from tests.e2e.devcluster.cluster import Devcluster
from tools import demo


def test_the_demo_leaves_a_developers_cluster_alone(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make demo-down` removes what `make demo` started, not what `make devcluster-up` did."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    developers = inspect.signature(Devcluster.up).parameters["name"].default
    assert ("demo", "dev") == (demo.chosen_target().name, developers)
