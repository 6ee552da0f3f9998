"""pg_rewind: what it would do, doing it, and what it needs before."""

import re
from pathlib import Path
from typing import Final

from covet.engines import programs
from covet.engines.server import Spawner

_FROM: Final = re.compile(r"last common checkpoint at ([0-9A-F]+)/([0-9A-F]+) on timeline")


async def plan(binaries: Path, pgdata: Path, spawn: Spawner, *, source: str, limit: float) -> int:
    """Have pg_rewind find out what it would do, and return from where on it reads the log here, in bytes.

    Args:
        binaries: folder of the server's programs.
        pgdata: the data directory, of a server that was shut down in order.
        spawn: starts child processes.
        source: libpq string of the server to rewind from; it has to lead.
        limit: seconds after which it is killed.

    Raises:
        ProgramError: it cannot rewind.
    """
    words = await _run(binaries, pgdata, spawn, source, limit, "--dry-run")
    match = _FROM.search(words)
    if match is None:
        raise programs.ProgramError("RewindUnneeded", f"pg_rewind finds nothing to rewind: {words.strip()[-300:]}")
    return (int(match[1], 16) << 32) + int(match[2], 16)


async def rewind(binaries: Path, pgdata: Path, spawn: Spawner, *, source: str, limit: float) -> None:
    """Run pg_rewind: the data directory becomes a copy of the source's that still has to replay.

    Raises:
        ProgramError: it failed; the data directory is then a mixture.
    """
    await _run(binaries, pgdata, spawn, source, limit)


async def settle(binaries: Path, pgdata: Path, spawn: Spawner, *, settings: Path, limit: float) -> None:
    """Have a stopped data directory recover and write a checkpoint at the end of its own newest timeline.

    pg_rewind takes the timeline of the last checkpoint for the newest one (up to PostgreSQL 15), and finds no
    record at the fork if a reign ended before its first checkpoint.

    Args:
        binaries: folder of the server's programs.
        pgdata: the data directory; no server runs on it.
        spawn: starts child processes.
        settings: the server's settings file.
        limit: seconds after which it is killed.

    Raises:
        ProgramError: it failed.
    """
    # The checkpoint must not take the log away that pg_rewind is about to read.
    options = ("-c", f"config_file={settings}", "-c", "wal_keep_size=1TB")
    arguments = ("--single", "-D", str(pgdata), *options, "postgres")
    await programs.run(spawn, str(binaries / "postgres"), *arguments, limit=limit, folder=pgdata)


async def _run(binaries: Path, pgdata: Path, spawn: Spawner, source: str, limit: float, *more: str) -> str:
    """Return what pg_rewind says; it runs in the folder that it changes, so that a later start ends it."""
    return await programs.run(
        spawn,
        str(binaries / "pg_rewind"),
        "--target-pgdata",
        str(pgdata),
        "--source-server",
        source,
        "--no-ensure-shutdown",
        *more,
        limit=limit,
        folder=pgdata,
        joined=True,
    )
