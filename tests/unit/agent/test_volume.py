"""The agent's state on the volume: durable, and never guessed at."""

import dataclasses
from pathlib import Path

import pytest

from covet.agent import durable, volume
from covet.agent.volume import BOOTSTRAP, CLONE, Identity, Volume, VolumeRefusedError
from covet.core.agentapi import Rule
from covet.planner.election.rules import Sworn

RULE = Rule(1, 1, "s0-a-0123456789ab", ("s0-a-0123456789ab",), 0)
IDENTITY = Identity("u", RULE.leader, "shop-s0-a", "c", "s", BOOTSTRAP, "42", born=True)


def born(root: Path) -> Volume:
    """Return a volume with a finished database."""
    made = Volume(root)
    made.pgdata.mkdir(parents=True)
    (made.pgdata / "PG_VERSION").write_text("15\n")
    made.write_identity(IDENTITY)
    made.write_promise(Sworn(1, RULE))
    return made


def examine(made: Volume) -> tuple[Identity | None, Sworn | None]:
    """Examine a volume as instance shop-s0-a of shard s in cluster c."""
    return volume.examine(made, "shop-s0-a", "c", "s")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Identity and promise come back as they were, with what the member led and the mark of a rewind."""
    made = born(tmp_path)
    sworn = Sworn(4, RULE, led=3, rewinding=True)
    made.write_promise(sworn)
    assert (IDENTITY, sworn) == examine(made)


def test_a_clone_that_was_not_admitted_yet_has_no_rule(tmp_path: Path) -> None:
    """A finished clone holds a promise and no rule until a rule row admits it."""
    made = born(tmp_path)
    (made.agent / "promise.json").unlink()
    made.write_promise(Sworn(2))
    made.write_identity(dataclasses.replace(IDENTITY, origin=CLONE))
    assert (dataclasses.replace(IDENTITY, origin=CLONE), Sworn(2)) == examine(made)


def test_an_empty_volume_is_nobody(tmp_path: Path) -> None:
    """Neither a missing nor an empty folder is refused; what a file system leaves at its root does not count."""
    (tmp_path / "lost+found").mkdir()
    assert (None, None) == examine(Volume(tmp_path))
    (tmp_path / "pgdata").mkdir()
    assert (None, None) == examine(Volume(tmp_path))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("member.json", "VolumeForeign"),
        ("promise.json", "PromiseMissing"),
        ("pgdata", "DatabaseMissing"),
        ("all but promise", "StateIncomplete"),
    ],
)
def test_an_incomplete_volume_is_refused(tmp_path: Path, broken: str, reason: str) -> None:
    """A finished member that lacks one of its parts is refused, with the part's reason."""
    made = born(tmp_path)
    if broken in {"pgdata", "all but promise"}:
        (made.pgdata / "PG_VERSION").unlink()
    if broken != "pgdata":
        (made.agent / ("member.json" if broken == "all but promise" else broken)).unlink()
    with pytest.raises(VolumeRefusedError) as refused:
        examine(made)
    assert reason == refused.value.reason


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"term": "x"}', b"\0\0\0"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """A promise that cannot be read is never taken for none."""
    made = born(tmp_path)
    (made.agent / "promise.json").write_bytes(content)
    with pytest.raises(VolumeRefusedError) as refused:
        examine(made)
    assert "StateCorrupt" == refused.value.reason


@pytest.mark.parametrize("who", [("shop-s0-b", "c", "s"), ("shop-s0-a", "d", "s"), ("shop-s0-a", "c", "t")])
def test_a_volume_of_somebody_else_is_refused(tmp_path: Path, who: tuple[str, str, str]) -> None:
    """Another instance, cluster or shard: refused."""
    made = born(tmp_path)
    with pytest.raises(VolumeRefusedError) as refused:
        volume.examine(made, *who)
    assert "VolumeForeign" == refused.value.reason


def test_only_an_unfinished_database_can_be_wiped(tmp_path: Path) -> None:
    """The agent removes what was never finished, and refuses the rest."""
    made = born(tmp_path)
    with pytest.raises(VolumeRefusedError):
        made.wipe_unborn(IDENTITY)
    assert (made.pgdata / "PG_VERSION").exists()
    made.wipe_unborn(Identity("u", "m", "shop-s0-a", "c", "s", BOOTSTRAP))
    assert (None, None) == examine(made)


def test_a_write_that_dies_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails before the rename, the file of before is whole."""
    target = tmp_path / "promise.json"
    durable.write(target, b"old")

    def fail(_descriptor: int) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="gone"):
        durable.write(target, b"new")
    assert b"old" == target.read_bytes()


def test_files_are_private(tmp_path: Path) -> None:
    """State and keys are readable by their owner alone."""
    durable.write(tmp_path / "tls.key", b"secret")
    assert 0o600 == (tmp_path / "tls.key").stat().st_mode & 0o777
