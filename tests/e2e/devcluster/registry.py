"""Which clusters the machine has: one folder each, one index each, one writer at a time."""

import contextlib
import fcntl
import json
import os
import pathlib
from collections.abc import Iterator

from tests.e2e.devcluster.errors import DevclusterError
from tests.e2e.devcluster.layout import MAX_CLUSTERS, Layout, state_root

_FILE = "cluster.json"


def find(name: str) -> Layout | None:
    """The layout of the cluster of that name, None if the machine has none."""
    index = _index(state_root() / name)
    return None if index is None else Layout(name, index, state_root())


def claim(name: str, nodes: int) -> Layout:
    """Take the lowest free index for a new cluster and write its folder.

    Raises DevclusterError when all indexes are taken.
    """
    root = state_root()
    with _locked(root / ".lock"):
        taken = {_index(folder) for folder in root.iterdir() if folder.is_dir()}
        free = [index for index in range(MAX_CLUSTERS) if index not in taken]
        if not free:
            raise DevclusterError(f"{MAX_CLUSTERS} clusters are running already, see {root}")
        layout = Layout(name, free[0], root)
        layout.folder.mkdir(parents=True, exist_ok=True)
        partial = layout.folder / f"{_FILE}.partial"
        partial.write_text(json.dumps({"index": layout.index, "nodes": nodes}))
        partial.rename(layout.folder / _FILE)
    return layout


def node_count(layout: Layout) -> int:
    """How many nodes the cluster was made with."""
    return int(json.loads((layout.folder / _FILE).read_text())["nodes"])


@contextlib.contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Let one ``up`` or ``down`` of a cluster run at a time. Released by the kernel if the holder is killed.

    Raises DevclusterError if another one is at work.
    """
    with _locked(state_root() / f".{name}.lock", wait=False):
        yield
    with contextlib.suppress(OSError):  # another cluster may live there
        left = [path for path in state_root().iterdir() if path.name != ".lock"]
        if not left:
            (state_root() / ".lock").unlink(missing_ok=True)
            state_root().rmdir()


@contextlib.contextmanager
def _locked(path: pathlib.Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file; it is removed when let go, so the holder makes sure it still has the real one."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            raise DevclusterError(f"another command is working on this cluster ({path} is locked)") from None
        if path.exists() and os.fstat(handle).st_ino == path.stat().st_ino:
            break
        os.close(handle)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _index(folder: pathlib.Path) -> int | None:
    try:
        return int(json.loads((folder / _FILE).read_text())["index"])
    except (OSError, json.JSONDecodeError):
        return None
