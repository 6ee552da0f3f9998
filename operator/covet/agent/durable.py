"""Files and folders that survive a crash, and what the file system's refusals mean.

A file is written whole: a new file of its own name, fsync, rename, fsync of the folder. A folder's own
entry is made durable in its parent, or a crash takes the folder with everything that was fsynced in it.
"""

import contextlib
import errno
import fcntl
import os
import tempfile
from pathlib import Path
from typing import Final

from covet.core.errors import CovetError

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class VolumeError(CovetError):
    """The file system refused work; it is tried again, for room may come back."""


def failure(error: OSError) -> CovetError:
    """Return what an error of the operating system means to an operator of databases."""
    if error.errno in _FULL:
        return VolumeError("VolumeFull", f"No room is left on the volume: {error}. Free some, or grow the volume.")
    if isinstance(error, TimeoutError):
        return CovetError("TimedOut", f"It took too long: {error}.")
    if isinstance(error, ConnectionError):
        return CovetError("ConnectionFailed", f"A connection broke: {error}.")
    return VolumeError("VolumeFailed", f"The file system refused: {error}.")


def is_full(error: OSError) -> bool:
    """Tell whether more room would have helped."""
    return error.errno in _FULL


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file so that after a crash either the old or the new content is there, whole.

    Every writer has a temporary file of its own, so that two of them never mix their bytes.

    Raises:
        OSError: the old content stays.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    try:
        try:
            os.fchmod(descriptor, mode)
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    sync_folder(path.parent)


def make_folder(path: Path, mode: int = 0o700) -> None:
    """Make a folder and what is missing above it; the entry of each is durable in its parent."""
    if path.is_dir():
        return
    if not path.parent.is_dir():
        make_folder(path.parent, mode)
    path.mkdir(mode=mode, exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the entries of a folder durable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove the temporary files that a crash left in a folder."""
    for left in folder.glob(".*.new"):
        left.unlink(missing_ok=True)


def hold(folder: Path) -> int | None:
    """Lock a folder for as long as this process lives and return the descriptor; None if another process holds it.

    The folder itself is locked, so that nothing is written to a volume that may be somebody else's.

    Raises:
        OSError: it cannot be opened or locked at all.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def room(folder: Path) -> int:
    """Return the bytes that may still be written to the volume of a folder."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def reserve(path: Path, size: int) -> None:
    """Take room on the volume ahead of need, unless it is taken already.

    Raises:
        OSError: there is no room; nothing is left of the try.
    """
    if path.exists() and path.stat().st_size >= size:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
        os.fsync(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
