"""Processes of a data directory, as /proc tells: a postmaster that died does not speak for its backends.

Every process of a PostgreSQL server has its PGDATA as working directory; that is how orphans
are found whose parent is gone.
"""

import asyncio
import os
import signal
import time
from pathlib import Path

PROC = Path("/proc")


def of_folder(pgdata: Path) -> tuple[int, ...]:
    """Return the processes whose working directory is this folder, or was it before it was removed; no zombies."""
    found = []
    path = os.path.realpath(pgdata)
    wanted = {path, f"{path} (deleted)"}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if str((entry / "cwd").readlink()) in wanted:
                found.append(int(entry.name))
        except OSError:
            continue  # gone meanwhile, a zombie, or of another user
    return tuple(sorted(found))


def children(pid: int) -> tuple[int, ...]:
    """Return the child processes of a process; empty when it is gone."""
    try:
        text = (PROC / str(pid) / "task" / str(pid) / "children").read_text()
    except OSError:
        return ()
    return tuple(int(word) for word in text.split())


def command(pid: int) -> bytes:
    """Return a process's command line or title; empty once it is gone."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""


def send(pid: int, number: signal.Signals) -> bool:
    """Signal a process; False if it is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


async def reap_folder(pgdata: Path, grace: float = 0.2, limit: float = 10.0) -> bool:
    """End every process of a data directory and wait until /proc shows none.

    The grace lets processes that noticed the postmaster's death leave by themselves; then
    SIGQUIT to a postmaster that still runs, then SIGKILL to the rest.

    Args:
        pgdata: the data directory.
        grace: seconds before the rest gets SIGKILL.
        limit: seconds after which to give up.

    Returns:
        True once no process is left.
    """
    started = time.monotonic()
    asked: set[int] = set()
    while remaining := await asyncio.to_thread(of_folder, pgdata):
        waited = time.monotonic() - started
        if waited > limit:
            return False
        for pid in remaining:
            if waited > grace:
                send(pid, signal.SIGKILL)
            elif pid not in asked:
                asked.add(pid)
                send(pid, signal.SIGQUIT)
        await asyncio.sleep(0.02)
    return True
