"""PostgreSQL's programs that run to an end: initdb, pg_basebackup, pg_controldata."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Container
from pathlib import Path
from typing import Final

from covet.core.errors import CovetError
from covet.engines.configuration import SUPERUSER
from covet.engines.server import Spawner

LOG: Final = logging.getLogger("covet.programs")

_PROGRESS: Final = re.compile(rb"^\s*(\d+)/(\d+) kB")
_SYSTEM: Final = re.compile(r"^Database system identifier:\s+(\d+)$", re.MULTILINE)


class ProgramError(CovetError):
    """A program of the server ended with an error; the message holds its last words."""


async def initialise(programs: Path, pgdata: Path, spawn: Spawner) -> None:
    """Run initdb: checksums, UTF-8, and the locale C.UTF-8.

    C.UTF-8 compares by code point, so an image with another libc never reorders an index. The program
    runs in the folder that it fills: should the agent die, its successor finds it there and ends it.

    Raises:
        ProgramError: initdb failed.
    """
    await asyncio.to_thread(pgdata.mkdir, mode=0o700, parents=True, exist_ok=True)
    await run(
        spawn,
        str(programs / "initdb"),
        "--pgdata",
        str(pgdata),
        "--username",
        SUPERUSER,
        "--auth",
        "reject",
        "--auth-local",
        "peer",
        "--data-checksums",
        "--encoding",
        "UTF8",
        "--locale",
        "C.UTF-8",
        "--no-instructions",
        folder=pgdata,
    )


async def system_id(programs: Path, pgdata: Path, spawn: Spawner) -> str:
    """Return the system identifier that a data directory carries, decimal.

    Raises:
        ProgramError: the folder holds no readable control file.
    """
    output = await run(spawn, str(programs / "pg_controldata"), "--pgdata", str(pgdata))
    match = _SYSTEM.search(output)
    if match is None:
        raise ProgramError("ControlFileUnreadable", f"pg_controldata names no system identifier for {pgdata}.")
    return match[1]


async def read_settings(programs: Path, pgdata: Path, spawn: Spawner, *, settings: Path) -> None:
    """Have the server's program read a settings file, as it does when it starts, and end.

    Raises:
        ProgramError: it cannot read it; the message names the lines.
    """
    arguments = ("-D", str(pgdata), "-c", f"config_file={settings}", "-C", "max_connections")
    await run(spawn, str(programs / "postgres"), *arguments, limit=10.0)


async def copy_base(
    programs: Path, pgdata: Path, spawn: Spawner, *, connection: str, slot: str, progress: Callable[[int, int], None]
) -> None:
    """Run pg_basebackup into an empty folder; the log streams beside it through the member's slot.

    Args:
        programs: folder of the server's programs.
        pgdata: where to copy to.
        connection: libpq string of the source; its application name must not be a cohort member's,
            or the copy would acknowledge commits.
        slot: the member's own physical slot.
        spawn: starts child processes.
        progress: called about once a second with bytes done and bytes expected.

    Raises:
        ProgramError: the copy failed; the folder is then incomplete.
    """
    await asyncio.to_thread(pgdata.mkdir, mode=0o700, parents=True, exist_ok=True)
    process = await spawn(
        str(programs / "pg_basebackup"),
        "--pgdata",
        str(pgdata),
        "--dbname",
        connection,
        "--wal-method",
        "stream",
        "--slot",
        slot,
        "--checkpoint",
        "fast",
        "--progress",
        "--no-password",
        stderr=asyncio.subprocess.PIPE,
        folder=pgdata,
    )
    words: list[str] = []
    try:
        if process.stderr is not None:
            await _read_progress(process.stderr, words, progress)
        code = await process.wait()
    except asyncio.CancelledError:
        await _kill(process)
        raise
    if code != 0:
        raise ProgramError("CloneFailed", f"pg_basebackup ended with {code}: {' '.join(words[-4:])}")


async def _read_progress(stream: asyncio.StreamReader, words: list[str], progress: Callable[[int, int], None]) -> None:
    """Read pg_basebackup's standard error: progress ends in a carriage return or a line feed."""
    pending = b""
    while chunk := await stream.read(4096):
        *lines, pending = re.split(rb"[\r\n]", (pending + chunk)[-65536:])
        for line in lines:
            if match := _PROGRESS.match(line):
                progress(int(match[1]) * 1024, int(match[2]) * 1024)
            elif line.strip():
                words.append(line.decode(errors="replace"))
                LOG.info(words[-1])


async def _kill(process: asyncio.subprocess.Process) -> None:
    """End a program that may have ended this very moment: that is no reason to go on as if nobody had cancelled."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def run(
    spawn: Spawner,
    *argv: str,
    limit: float = 120.0,
    folder: Path | None = None,
    codes: Container[int] = (0,),
    joined: bool = False,
) -> str:
    """Run a program to its end and return its standard output.

    Args:
        spawn: starts child processes.
        argv: the program and its arguments.
        limit: seconds after which it is killed.
        folder: its working folder.
        codes: exit codes that are no error.
        joined: what it says on standard error is returned too.

    Raises:
        ProgramError: it ended with an error, or not in time.
    """
    process = await spawn(*argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, folder=folder)
    name = Path(argv[0]).name
    try:
        output, errors = await asyncio.wait_for(process.communicate(), limit)
    except (TimeoutError, asyncio.CancelledError) as error:
        await _kill(process)
        if isinstance(error, asyncio.CancelledError):
            raise
        raise ProgramError("ProgramTooSlow", f"{name} did not end within {limit:.0f} s and was killed.") from error
    if process.returncode not in codes:
        last = errors.decode(errors="replace").strip().splitlines()[-4:]
        raise ProgramError("ProgramFailed", f"{name} ended with {process.returncode}: {' '.join(last)}")
    return (output + errors if joined else output).decode(errors="replace")
