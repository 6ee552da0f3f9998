"""What the file system refuses, and what a crash may not take."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from covet.agent import durable, volume
from covet.agent.volume import BOOTSTRAP, Identity, Volume, VolumeRefusedError
from covet.planner.election.rules import Sworn


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "VolumeFull"),
        (errno.EDQUOT, "VolumeFull"),
        (errno.EIO, "VolumeFailed"),
        (errno.EROFS, "VolumeFailed"),
        (errno.ECONNRESET, "ConnectionFailed"),
        (errno.ETIMEDOUT, "TimedOut"),
    ],
)
def test_errors_of_the_file_system_get_a_reason(number: int, reason: str) -> None:
    """A full volume is told from a broken one."""
    assert reason == durable.failure(OSError(number, os.strerror(number))).reason


def test_the_reserve_gives_way_to_a_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full volume the agent's reserve makes room for what it swears; without any it says VolumeFull."""
    made = Volume(tmp_path)
    made.write_promise(Sworn(1))
    made.keep_reserve()
    reserve = made.agent / "reserve"
    assert volume.RESERVE_BYTES == reserve.stat().st_size
    real = os.write

    def full(descriptor: int, content: bytes) -> int:
        if reserve.exists():
            raise OSError(errno.ENOSPC, "full")
        return real(descriptor, content)

    monkeypatch.setattr("os.write", full)
    made.write_promise(Sworn(2))
    assert (Sworn(2), False) == (made.read_promise(), reserve.exists())
    reserve.mkdir()
    with pytest.raises(durable.VolumeError):
        made.write_promise(Sworn(3))
    assert Sworn(2) == made.read_promise()


def test_only_one_process_holds_a_volume(tmp_path: Path) -> None:
    """The lock is another process's until that process is gone, however it went; nothing is written for it."""
    script = (
        "import sys, pathlib; from covet.agent import durable;"
        "held = durable.hold(pathlib.Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert b"held\n" == other.stdout.readline()
        assert durable.hold(tmp_path) is None
        assert [] == list(tmp_path.iterdir())
        other.kill()
    held = durable.hold(tmp_path)
    assert held is not None
    os.close(held)


def test_i1_a_promise_is_synced_before_it_is_renamed_and_its_folder_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that loses its power keeps the promise of before or the new one, whole and under its name."""
    made = Volume(tmp_path)
    made.write_promise(Sworn(1))
    sync, rename, steps = os.fsync, os.replace, list[tuple[str, Sworn | None]]()

    def synced(descriptor: int) -> None:
        sync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append(("folder" if path == made.agent else path.read_text().strip(), made.read_promise()))

    def renamed(source: Path, target: Path) -> None:
        rename(source, target)
        steps.append((f"to {target.name}", made.read_promise()))

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    made.write_promise(Sworn(2))
    content = (made.agent / "promise.json").read_text().strip()
    assert [(content, Sworn(1)), ("to promise.json", Sworn(2)), ("folder", Sworn(2))] == steps


def test_entries_of_new_folders_are_made_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Making a folder syncs the folder above it, for each that was missing."""
    synced: list[Path] = []
    monkeypatch.setattr(durable, "sync_folder", synced.append)
    durable.make_folder(tmp_path / "a" / "b")
    assert [tmp_path, tmp_path / "a"] == synced


def test_what_says_unfinished_is_removed_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is durably gone before member.json is, or a crash would leave one that nobody knows."""
    made = Volume(tmp_path)
    identity = Identity("u", "m", "shop-s0-a", "c", "s", BOOTSTRAP)
    made.write_identity(identity)
    made.write_promise(Sworn(1))
    made.pgdata.mkdir()
    seen: list[tuple[Path, bool, bool]] = []

    def note(path: Path) -> None:
        seen.append((path, made.pgdata.exists(), (made.agent / "member.json").exists()))

    monkeypatch.setattr(durable, "sync_folder", note)
    made.wipe_unborn(identity)
    assert [(tmp_path, False, True), (made.agent, False, True), (made.agent, False, False)] == seen


@pytest.mark.parametrize("what", ["file", "link", "strange"])
def test_a_volume_that_is_not_empty_is_refused(tmp_path: Path, what: str) -> None:
    """A pgdata that is no folder, and anything that nobody here put there, refuse the volume."""
    if what == "file":
        (tmp_path / "pgdata").write_text("")
    elif what == "link":
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "pgdata").symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / "base").mkdir()
    with pytest.raises(VolumeRefusedError) as refused:
        volume.examine(Volume(tmp_path), "shop-s0-a", "c", "s")
    assert "VolumeForeign" == refused.value.reason


def test_a_volume_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the file system is a reason to refuse, not to end."""
    (tmp_path / "pgdata").mkdir()

    def fail(_path: Path) -> None:
        raise PermissionError(errno.EACCES, "not yours")

    monkeypatch.setattr(Path, "iterdir", fail)
    with pytest.raises(VolumeRefusedError) as refused:
        volume.examine(Volume(tmp_path), "shop-s0-a", "c", "s")
    assert "StateUnreadable" == refused.value.reason
