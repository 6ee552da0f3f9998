"""A kernel that lacks something is told so before anything is started."""

import pathlib

import pytest

from tests.e2e.devcluster import preflight

FILE_SYSTEMS = "nodev\tproc\nnodev\toverlay\n\txfs\n"
MOUNTS = "30 24 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> pathlib.Path:
    """A root folder whose proc and dev show every feature."""
    namespaces = tmp_path / "proc" / "self" / "ns"
    namespaces.mkdir(parents=True)
    for kind in ("net", "pid", "mnt", "uts", "ipc"):
        (namespaces / kind).touch()
    (tmp_path / "proc" / "filesystems").write_text(FILE_SYSTEMS)
    (tmp_path / "proc" / "self" / "mountinfo").write_text(MOUNTS)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "loop-control").touch()
    return tmp_path


def test_a_kernel_with_every_feature_will_do(machine: pathlib.Path) -> None:
    """Nothing is asked for that is there."""
    assert [] == preflight.kernel_problems(machine)


@pytest.mark.parametrize(
    ("file", "content", "option"),
    [
        ("proc/filesystems", FILE_SYSTEMS.replace("overlay", "tmpfs"), "CONFIG_OVERLAY_FS"),
        ("proc/filesystems", FILE_SYSTEMS.replace("xfs", "ext4"), "CONFIG_XFS_FS"),
        ("dev/loop-control", None, "CONFIG_BLK_DEV_LOOP"),
        ("proc/self/ns/net", None, "CONFIG_NET_NS"),
        ("proc/self/mountinfo", "", "control groups"),
    ],
)
def test_one_missing_feature_is_named_alone(machine: pathlib.Path, file: str, content: str | None, option: str) -> None:
    """Whoever runs a kernel without one feature reads which one, and of no other."""
    if content is None:
        (machine / file).unlink()
    else:
        (machine / file).write_text(content)
    problems = preflight.kernel_problems(machine)
    assert (1, True) == (len(problems), option in problems[0])
