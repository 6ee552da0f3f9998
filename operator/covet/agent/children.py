"""Child processes of PID 1: those it starts, and the orphans it has to reap.

asyncio waits for its own children; everything else that ends as a child of ours was an orphan,
and stays a zombie unless it is waited for here.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
from pathlib import Path
from typing import Final

from covet.engines import processes

LOG: Final = logging.getLogger("covet.children")

_PR_SET_CHILD_SUBREAPER: Final = 36


class Children:
    """Starts children and reaps orphans.

    Attributes:
        reaped: number of orphans reaped so far.
    """

    def __init__(self) -> None:
        self._own: set[int] = set()
        self._starting = 0
        self.reaped = 0

    async def spawn(
        self,
        *argv: str,
        stdout: int | None = None,
        stderr: int | None = None,
        folder: Path | None = None,
        descriptors: tuple[int, ...] = (),
    ) -> asyncio.subprocess.Process:
        """Start a program by its argument list, in a session of its own.

        A session of its own keeps a terminal's Ctrl-C, meant for the agent, from the server.
        """
        self._starting += 1
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=folder,
                pass_fds=descriptors,
                start_new_session=True,
                limit=1 << 20,
            )
            self._own.add(process.pid)
        finally:
            self._starting -= 1
        return process

    def sweep(self) -> None:
        """Reap every orphan that has ended."""
        if self._starting:
            return  # a child may exist whose number is not noted yet; the next sweep comes
        alive = set(processes.children(os.getpid()))
        self._own &= alive
        for pid in alive - self._own:
            with contextlib.suppress(ChildProcessError):
                self.reaped += os.waitpid(pid, os.WNOHANG)[0] != 0


def adopt_orphans(loop: asyncio.AbstractEventLoop, children: Children) -> None:
    """Become the reaper of this process's descendants, and sweep whenever one ends."""
    if os.getpid() != 1:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            LOG.warning("Orphans of this process go to another reaper: prctl answered errno %s.", ctypes.get_errno())
    loop.add_signal_handler(signal.SIGCHLD, children.sweep)
