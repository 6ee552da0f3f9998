"""The control groups below which each kubelet keeps its pods.

The kubelet wants its root to exist in every hierarchy. Tried with version 1
(one hierarchy per controller, with an empty unified one beside them); the
branch for a machine with version 2 alone has not been tried.
"""

import os
import pathlib
import time

_MOUNTS = pathlib.Path("/proc/self/mountinfo")


def create(path: str) -> None:
    """Make the control group ``path`` (absolute, below every mounted hierarchy)."""
    legacy, unified = _hierarchies()
    for root in legacy or unified:
        _create_below(root, path)


def remove(path: str, *, seconds: float = 10) -> None:
    """Remove the control group and all below it; processes in it must be ending.

    Raises OSError if one is still busy after ``seconds``.
    """
    legacy, unified = _hierarchies()
    deadline = time.monotonic() + seconds
    for root in [*legacy, *unified]:
        while not _remove_tree(root / path.lstrip("/")):
            if time.monotonic() > deadline:
                raise OSError(f"control group {root}{path} is still busy after {seconds:.0f} s")
            time.sleep(0.05)


def _hierarchies() -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """The mount points of version 1 and of version 2."""
    found: dict[str, list[pathlib.Path]] = {"cgroup": [], "cgroup2": []}
    for line in _MOUNTS.read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind = after.split()[0]
        if kind in found:
            found[kind].append(pathlib.Path(before.split()[4]))
    return found["cgroup"], found["cgroup2"]


def _create_below(root: pathlib.Path, path: str) -> None:
    current = root
    for part in path.strip("/").split("/"):
        parent, current = current, current / part
        current.mkdir(exist_ok=True)
        # A cpuset without processors and memory takes no process (version 1).
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if (current / setting).exists() and (parent / setting).exists():
                (current / setting).write_text((parent / setting).read_text())
        if (parent / "cgroup.controllers").exists():
            controllers = (parent / "cgroup.controllers").read_text().split()
            (parent / "cgroup.subtree_control").write_text(" ".join(f"+{c}" for c in controllers))


def _remove_tree(folder: pathlib.Path) -> bool:
    """Remove the folders from the leaves up; False if one is busy."""
    for parent, _folders, _files in os.walk(folder, topdown=False):
        try:
            pathlib.Path(parent).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True
