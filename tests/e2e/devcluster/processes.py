"""Start and stop processes, and never anybody else's.

A process is ours if the environment it was started with carries our mark:
the folder of the cluster and the name of the unit. The mark is there from the
first instruction, so a run killed between starting a process and writing its
record loses nothing, and a process id used again by a stranger is not taken
for ours. The record (process id and start time) makes the everyday question
"does it live?" cheap.
"""

import contextlib
import json
import os
import pathlib
import signal
import time
from collections.abc import Iterable, Sequence

from tests.e2e.devcluster import command
from tests.e2e.devcluster.errors import DevclusterError

MARK = "COVET_DEVCLUSTER_UNIT"
_PROC = pathlib.Path("/proc")
_KILL_SECONDS = 60


def spawn(folder: pathlib.Path, unit: str, argv: Sequence[str]) -> int:
    """Start ``argv`` in a session of its own, output appended to ``folder/logs/<unit>.log``.

    Returns the process id, which is also recorded in ``folder/processes``.
    """
    log = folder / "logs" / f"{unit}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**command.environment(), MARK: _mark(folder, unit)}
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        pid = os.posix_spawn(
            argv[0],
            list(argv),
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(output)
    record = _record(folder, unit)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"pid": pid, "start": start_time(pid), "argv": list(argv)}))
    return pid


def living(folder: pathlib.Path, unit: str) -> int | None:
    """The process id of the unit's recorded process, None if it does not live."""
    try:
        record = json.loads(_record(folder, unit).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    pid = int(record["pid"])
    return pid if start_time(pid) is not None and start_time(pid) == record["start"] else None


def find(folder: pathlib.Path, unit: str | None = None) -> list[int]:
    """Every living process that carries the mark of the unit, or of any unit of the folder."""
    wanted = f"{MARK}={_mark(folder, unit or '')}".encode()
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        marks = [e for e in environment if e == wanted or (unit is None and e.startswith(wanted))]
        if marks and start_time(int(entry.name)) is not None:
            found.append(int(entry.name))
    return sorted(found)


def stop(folder: pathlib.Path, unit: str | None = None, *, force: bool = False, grace: float = 8.0) -> None:
    """End all processes of the unit (of the whole folder if None) and wait until they are gone.

    They are asked first and killed after ``grace`` seconds, or at once with ``force``.
    Raises DevclusterError if one survives its kill for long.
    """
    pids = find(folder, unit)
    if not force:
        _signal_all(pids, signal.SIGTERM)
        pids = _wait_gone(pids, grace)
    deadline = time.monotonic() + _KILL_SECONDS
    while pids := sorted({*pids, *find(folder, unit)}):
        _signal_all(pids, signal.SIGKILL)
        pids = _wait_gone(pids, 1)
        if time.monotonic() > deadline:
            raise DevclusterError(f"processes {pids} of {folder} do not end, {_KILL_SECONDS} s after being killed")
    for record in [_record(folder, unit)] if unit else _record(folder, "x").parent.glob("*.json"):
        record.unlink(missing_ok=True)


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None if it is gone.

    A zombie whose threads have all ended is gone. One with a thread left is
    not: it still holds its sockets, and with them its ports.
    """
    _collect(pid)
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        threads = len(list((_PROC / str(pid) / "task").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" and threads <= 1 else int(fields[19])


def _wait_gone(pids: Iterable[int], seconds: float) -> list[int]:
    """Wait for the processes to end; returns those that did not."""
    deadline = time.monotonic() + seconds
    left = list(pids)
    while left := [pid for pid in left if start_time(pid) is not None]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left


def _signal_all(pids: Iterable[int], kind: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, kind)


def _collect(pid: int) -> None:
    """Take the exit status of a child of this very process, which else stays a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _mark(folder: pathlib.Path, unit: str) -> str:
    return f"{folder}:{unit}"


def _record(folder: pathlib.Path, unit: str) -> pathlib.Path:
    return folder / "processes" / f"{unit}.json"
