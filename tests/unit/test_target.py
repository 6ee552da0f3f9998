"""Which cluster the demo and the tests may touch."""

import os
import pathlib

import pytest
import yaml

from tests.e2e import installation, target
from tools import bootstrap, images


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


ANSWERS, SILENT = "exit 0", "exit 1"


@pytest.mark.parametrize(
    ("programs", "kind"),
    [
        ({}, target.Kind.DEVCLUSTER),
        ({"docker": ANSWERS}, target.Kind.DEVCLUSTER),
        ({"kind": ANSWERS}, target.Kind.DEVCLUSTER),
        ({"docker": SILENT, "kind": ANSWERS}, target.Kind.DEVCLUSTER),
        ({"docker": ANSWERS, "kind": ANSWERS}, target.Kind.KIND),
    ],
)
def test_images_packages_and_cluster_come_from_one_choice(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, programs: dict[str, str], kind: target.Kind
) -> None:
    """Docker builds for kind alone; the devcluster gets archives, and the packages that write them."""
    for name, answer in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    build = images.build_with_docker if kind is target.Kind.KIND else images.build_without_engine
    expected = (kind, build, kind is target.Kind.DEVCLUSTER)
    assert expected == (target.choose("x", {}).kind, images.builder(), "images" in bootstrap.missing_packages())


@pytest.mark.parametrize(("folder", "expected"), [("kind", True), ("elsewhere", False)])
def test_a_given_cluster_is_kinds_only_where_we_started_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, folder: str, expected: bool
) -> None:
    """Whoever exports the kubeconfig of our kind cluster has images built and loaded as before."""
    for name in ("docker", "kind"):
        (tmp_path / name).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(bootstrap, "KIND_HOME", tmp_path / "clusters" / "kind")
    home = tmp_path / "clusters" / folder / "demo"
    home.mkdir(parents=True)
    environ = {"KUBECONFIG": str(kubeconfig(home, "covet-demo"))}
    assert (expected, expected) == (bootstrap.uses_kind(environ), target.choose("x", environ).is_kind())


def test_nodes_that_nobody_here_can_load_need_a_registry(tmp_path: pathlib.Path) -> None:
    """A cluster of somebody's own is told at once how images come to it, not after five minutes without them."""
    chosen = target.choose("x", {"KUBECONFIG": str(kubeconfig(tmp_path, "covet-mine"))})
    with pytest.raises(target.TargetError, match=r"covet-mine.*make images PUSH=.*export COVET_REGISTRY="):
        chosen.check_images()


def test_a_named_registry_is_where_the_nodes_pull_from(tmp_path: pathlib.Path) -> None:
    """The names are those that a push gives to the images."""
    path = str(kubeconfig(tmp_path, "covet-mine"))
    chosen = target.choose("x", {"KUBECONFIG": path, "COVET_REGISTRY": "registry.example/covet"})
    chosen.check_images()
    expected = images.pushed_name("registry.example/covet", images.DEV_OPERATOR)
    values = installation.Installation(chosen).values()
    assert (expected, True) == (chosen.image(images.DEV_OPERATOR), f"images.operator={expected}" in values)


def test_a_cluster_of_ours_has_the_images_loaded(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where we load images no registry is asked, not even one that is named."""
    monkeypatch.setenv("COVET_STATE", str(tmp_path))
    home = tmp_path / "dev"
    home.mkdir()
    given = {"KUBECONFIG": str(kubeconfig(home, "covet-dev")), "COVET_REGISTRY": "registry.example/covet"}
    chosen = target.choose("x", given)
    chosen.check_images()
    assert (False, images.DEV_OPERATOR) == (chosen.pulls(), chosen.image(images.DEV_OPERATOR))
