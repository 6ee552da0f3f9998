"""Which cluster the demo and the tests may touch."""

import pathlib

import pytest
import yaml

from tests.e2e import target


def kubeconfig(folder: pathlib.Path, context: str) -> pathlib.Path:
    """Write a kubeconfig with one context and return its path."""
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump({"current-context": context, "contexts": [{"name": context}]}))
    return path


def test_a_context_of_covet_is_used(tmp_path: pathlib.Path) -> None:
    """A cluster that its owner named covet-something is used as it is."""
    path = kubeconfig(tmp_path, "covet-mine")
    expected = target.Target(target.Kind.GIVEN, "mine", path)
    assert expected == target.choose("dev", {"KUBECONFIG": str(path)})


@pytest.mark.parametrize("context", ["production", "kind-covet", "Covet-x", ""])
def test_any_other_context_is_refused_by_name(tmp_path: pathlib.Path, context: str) -> None:
    """Nobody's production cluster is touched because KUBECONFIG happened to point at it."""
    path = kubeconfig(tmp_path, context)
    with pytest.raises(target.TargetError, match=f"{context!r}.*only contexts that start with 'covet-'"):
        target.choose("dev", {"KUBECONFIG": str(path)})


def test_an_unreadable_kubeconfig_is_refused(tmp_path: pathlib.Path) -> None:
    """A kubeconfig that cannot be read does not silently become a new cluster."""
    with pytest.raises(target.TargetError, match="cannot be read"):
        target.choose("dev", {"KUBECONFIG": str(tmp_path / "absent")})


def test_a_stopped_given_cluster_is_left_alone(tmp_path: pathlib.Path) -> None:
    """Stopping and starting do nothing to a cluster that is not ours."""
    given = target.Target(target.Kind.GIVEN, "mine", kubeconfig(tmp_path, "covet-mine"))
    given.start()
    given.stop()
    assert given.kubeconfig.exists()
