"""When the cluster's binaries are built again, and when not."""

import pathlib
import shutil

import pytest

from tests.e2e.devcluster import build


@pytest.fixture
def source(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A copy of the sources that may be changed."""
    copy = tmp_path / "kube"
    shutil.copytree(build.SOURCE, copy)
    monkeypatch.setattr(build, "SOURCE", copy)
    return copy


@pytest.mark.parametrize("name", ["go.sum", "main.go", "netpol/render.go", "probe/main.go"])
def test_key_follows_the_sources(source: pathlib.Path, name: str) -> None:
    """A change of any source or dependency means another build."""
    before = build.source_key()
    assert before == build.source_key()
    with (source / name).open("a") as file:
        file.write("\n")
    assert before != build.source_key()


def test_key_does_not_depend_on_the_place(source: pathlib.Path) -> None:
    """Two checkouts of the same commit share one build."""
    moved = source.parent / "elsewhere"
    before = build.source_key()
    source.rename(moved)
    shutil.copytree(moved, source)
    assert before == build.source_key()


@pytest.mark.parametrize(
    ("text", "version"), [("go1.25.4\n", (1, 25)), ("go1.26", (1, 26)), ("devel", (0, 0)), ("", (0, 0))]
)
def test_go_versions_are_read(text: str, version: tuple[int, int]) -> None:
    """What is no release counts as too old."""
    assert version == build.go_version(text)
