"""Takes all the room that a volume has left, and gives it back."""

import contextlib
import mmap
import os
import pathlib
from typing import Final, Self

FILLER: Final = "filler"
"""Name of the file that takes the room."""

MOST_BYTES: Final = 1 << 34


class Filler:
    """A file that leaves a volume without a byte.

    The folder is held open, so that the room can be given back whatever became of the processes that looked at it.

    Args:
        folder: on the volume.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    @classmethod
    def fill(cls, folder: pathlib.Path) -> Self:
        """Take all room that the volume of a folder has left.

        Raises:
            OSError: there is no such folder, or no file can be made in it.
        """
        filler = cls(folder)
        file = os.open(FILLER, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=filler._folder)
        begin, size = 0, MOST_BYTES
        try:
            while size >= mmap.PAGESIZE:
                try:
                    os.posix_fallocate(file, begin, size)
                except OSError:
                    size //= 2
                else:
                    begin += size
        finally:
            os.close(file)
        return filler

    def empty(self) -> None:
        """Give the room back and let go of the folder."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(FILLER, dir_fd=self._folder)
        os.close(self._folder)
