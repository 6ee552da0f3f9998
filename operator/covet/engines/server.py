"""The PostgreSQL server process: start, signals, end, and its log line by line.

The postmaster is a direct child, so that its death is known at once. Nothing here decides
whether a server may run; the caller does.
"""

import asyncio
import contextlib
import fcntl
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

from covet.engines import processes, relay

_PIPE_BYTES: Final = 1 << 20
"""Room for the server's log while the agent's loop is late: a full pipe would stop the backends."""


class Spawner(Protocol):
    """Starts a child process in such a way that the reaper of orphans leaves it alone."""

    def __call__(
        self, *argv: str, stdout: int | None = None, stderr: int | None = None, folder: Path | None = None
    ) -> Awaitable[asyncio.subprocess.Process]:
        """Start a program by its argument list, in a working folder if one is given."""
        ...


class Server:
    """One PostgreSQL server over one data directory.

    Args:
        programs: folder of the server's programs.
        pgdata: the data directory.
        folder: where postgresql.conf, pg_hba.conf and pg_ident.conf lie.
        spawn: starts child processes.
        ended: called once each time the server's process has ended, with its exit code.
    """

    def __init__(
        self, programs: Path, pgdata: Path, folder: Path, spawn: Spawner, ended: Callable[[int], None]
    ) -> None:
        self._programs = programs
        self._pgdata = pgdata
        self._folder = folder
        self._spawn = spawn
        self._ended = ended
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._relay = relay.Relay()

    @property
    def damage(self) -> str:
        """The words by which the server last started named damage of its data or its log, empty without."""
        return self._relay.damage

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster while it runs."""
        return self._process.pid if self._process else None

    async def start(self, *leftovers: Path) -> None:
        """Start the postmaster; it is not yet ready for sessions when this returns.

        Whatever is left of an earlier server of this folder is ended first.

        Args:
            leftovers: lock files of an earlier server, removed once none of its processes is left.

        Raises:
            OSError: the program cannot be started.
            TimeoutError: an earlier server's processes do not go away, or this one does not come up.
        """
        if self._process is not None:
            return
        if not await processes.reap_folder(self._pgdata):
            raise TimeoutError("processes of an earlier server do not end")
        # No process of this folder is left, whatever number the file names: in a new container that number may be
        # another process of ours, and the server would refuse to start for ever.
        for left in leftovers:
            left.unlink(missing_ok=True)
        folder, self._relay = self._folder, relay.Relay()
        process = await self._spawn(
            str(self._programs / "postgres"),
            "-D",
            str(self._pgdata),
            "-c",
            f"config_file={folder / 'postgresql.conf'}",
            "-c",
            f"hba_file={folder / 'pg_hba.conf'}",
            "-c",
            f"ident_file={folder / 'pg_ident.conf'}",
            stderr=asyncio.subprocess.PIPE,
        )
        self._process = process
        self._watch = asyncio.create_task(self._follow(process), name="server")
        await self.await_handlers()

    async def await_handlers(self, limit: float = 5.0) -> None:
        """Return once the postmaster takes signals as such, or is gone: before it has its lock file, SIGHUP ends it."""
        lock = self._pgdata / "postmaster.pid"
        async with asyncio.timeout(limit):
            while self._process is not None and not lock.exists():  # noqa: ASYNC110  a file has no event
                await asyncio.sleep(0.002)

    def reload(self) -> None:
        """Make the server read its files again, certificates included."""
        self.signal(signal.SIGHUP)

    def signal(self, number: signal.Signals) -> None:
        """Signal the postmaster if it runs."""
        if self._process is not None:
            processes.send(self._process.pid, number)

    async def stop(self, fast_seconds: float, immediate_seconds: float = 5.0) -> None:
        """Stop the server: fast, past its bound immediately, past that by SIGKILL; then reap the folder.

        Raises:
            TimeoutError: processes of the folder are left.
        """
        process, watch = self._process, self._watch
        if process is not None and watch is not None:
            for number, bound in ((signal.SIGINT, fast_seconds), (signal.SIGQUIT, immediate_seconds)):
                processes.send(process.pid, number)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(watch), bound)
                if watch.done():
                    break
        reaped = await processes.reap_folder(self._pgdata)
        if watch is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(watch), 5.0)
        if not reaped:
            raise TimeoutError("processes of it do not end")

    async def end(self, grace: float = 0.2) -> None:
        """Stop the server at once: SIGQUIT, SIGKILL to whoever is left after the grace; then reap the folder.

        Raises:
            TimeoutError: processes of the folder are left.
        """
        process, watch = self._process, self._watch
        if process is not None and watch is not None:
            processes.send(process.pid, signal.SIGQUIT)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(watch), grace)
            grace = -1.0  # it is over
        reaped = await processes.reap_folder(self._pgdata, grace)
        if watch is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(watch), 5.0)
        if not reaped:
            raise TimeoutError("processes of it do not end")

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        """Relay the log until the process ends, then say so."""
        log = asyncio.create_task(_relay(process, self._relay), name="server-log")
        code = await process.wait()
        # Orphaned backends may hold the pipe open: the log's end is not waited for.
        await asyncio.wait([log], timeout=0.1)
        self._process = None
        self._ended(code)


async def _relay(process: asyncio.subprocess.Process, words: relay.Relay) -> None:
    if process.stderr is None:
        return
    widen_pipe(process)
    await relay.pump(process.stderr, words)


def widen_pipe(process: asyncio.subprocess.Process) -> None:
    """Give a child's standard error more room than the kernel's 64 KiB, where it is allowed."""
    transport = process._transport.get_pipe_transport(2)  # type: ignore[attr-defined]  # noqa: SLF001  asyncio offers no public way
    pipe = transport.get_extra_info("pipe") if transport else None
    if pipe is not None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: the child has ended already
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
