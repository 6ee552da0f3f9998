"""Says which code a figure was measured on."""

import pathlib
import re
import shutil
import subprocess

import pytest

from benchmarks import machine


@pytest.mark.skipif(shutil.which("git") is None, reason="no git here: the figures say unknown")
def test_the_commit_and_whether_files_differ_from_it(tmp_path: pathlib.Path) -> None:
    """The short hash; a plus where a tracked file was edited, none for a file that git does not know."""

    def git(*arguments: str) -> str:
        person = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false")
        argv = ("git", "-C", str(tmp_path), *person, *arguments)
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet")
    (tmp_path / "code").write_text("one")
    git("add", "code")
    git("commit", "--quiet", "--no-verify", "-m", "First")
    git("tag", "v1")
    whole = git("rev-parse", "HEAD")
    assert whole[:12] == machine.commit(tmp_path)
    (tmp_path / "result").write_text("a figure")
    assert whole[:12] == machine.commit(tmp_path)
    (tmp_path / "code").write_text("two")
    assert f"{whole[:12]}+" == machine.commit(tmp_path)


def test_an_unpacked_archive_has_no_commit(tmp_path: pathlib.Path) -> None:
    """Without a repository the figures say so."""
    assert "unknown" == machine.commit(tmp_path)


def test_every_description_names_it() -> None:
    """What stands in each result file names the commit."""
    assert re.fullmatch(r"[0-9a-f]{12,}\+?|unknown", machine.describe()["commit"])
