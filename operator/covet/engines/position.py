"""How far a log reaches, read from its segments: (term of its last byte, end of its last whole record).

Neither the server's own words nor the newest file tell: what was received is unknown after a restart, segments
are made ahead and used again, and the first segment of a timeline is a copy of its parent's. So the records are
read, from a point that the server is known to have reached, the way the server itself would read them; pg_waldump
checks each one's checksum and its link to the one before.
"""

import asyncio
import dataclasses
import os
import re
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from covet.core.agentapi import Ancestor, Position
from covet.engines import control, timelines
from covet.engines import programs as server_programs
from covet.engines.server import Spawner

_PAGE_BYTES: Final = 8192
_LOOK_BACK: Final = (1 << 16, 1 << 20, 1 << 25)
"""Bytes before the known point at which reading begins, so that a record proves the point; the later ones are for
a record longer than that."""
_SCAN_SECONDS: Final = 30.0
_ENDS: Final = re.compile(r"^WAL statistics between [0-9A-F]+/[0-9A-F]+ and ([0-9A-F]+/[0-9A-F]+):", re.MULTILINE)
_HEADER: Final = struct.Struct("=HHIQ")
"""How a page of the log begins: magic number, flags, timeline, its own address."""
_LONG_BYTES: Final = 40
"""Size of the header of a segment's first page; it tells the size of segments."""
_LONG: Final = 0x0002
"""Flag of the first page of a segment."""


@dataclasses.dataclass(frozen=True)
class Reached:
    """A point of the log that the server got to.

    Args:
        timeline: one that it was on then or before.
        lsn: end of a record, in bytes.
    """

    timeline: int
    lsn: int


def of_control(found: control.Control) -> Reached:
    """Return the furthest point that a control file knows of."""
    if found.least > found.redo:
        return Reached(found.least_timeline, found.least)
    return Reached(max(found.timeline, found.least_timeline), found.redo)


async def find(programs: Path, pgdata: Path, spawn: Spawner, reached: Reached) -> Position | None:
    """Return the position of a log; what it names is on the disk.

    A timeline counts from its first own record on: before, the bytes in its files are its parent's.

    Args:
        programs: folder of the server's programs.
        pgdata: the data directory; its server may be up or down, but must not be receiving.
        spawn: starts child processes.
        reached: where to begin.

    Returns:
        None if the log does not reach the known point: the data are of a log that is not here.

    Raises:
        ProgramError: pg_waldump did not end in time.
        OSError: the log cannot be read.
    """
    for line in await asyncio.to_thread(_candidates, pgdata, reached.timeline):
        end = await _end(programs, pgdata, spawn, line, reached.lsn)
        if end is not None and (line.timeline == reached.timeline or end > line.fork):
            return Position(owner(line.timeline, line.history, end), end)
    return None


@dataclasses.dataclass(frozen=True)
class _Line:
    """A timeline and those before it."""

    timeline: int
    history: tuple[Ancestor, ...]

    @property
    def fork(self) -> int:
        """Where its own log begins, in bytes."""
        return self.history[-1].lsn if self.history else 0


def owner(timeline: int, history: Sequence[Ancestor], end: int) -> int:
    """Return the timeline of the byte before `end`; one at or before a fork belongs to the parent."""
    return next((ancestor.timeline for ancestor in history if end <= ancestor.lsn), timeline)


def _candidates(pgdata: Path, known: int) -> list[_Line]:
    """Return the timelines that the log may be on, newest first; the known one is the last."""
    found = []
    newer = {int(name[:8], 16) for name in timelines.segments(pgdata)}
    for timeline in sorted((number for number in newer if number > known), reverse=True):
        history = _history(pgdata, timeline)
        if any(ancestor.timeline == known for ancestor in history):
            found.append(_Line(timeline, history))
    return [*found, _Line(known, _history(pgdata, known))]


def _history(pgdata: Path, timeline: int) -> tuple[Ancestor, ...]:
    try:
        return timelines.read(pgdata, timeline)
    except FileNotFoundError:
        return ()


async def _end(programs: Path, pgdata: Path, spawn: Spawner, line: _Line, known: int) -> int | None:
    """Return the end of the last whole record as seen from a timeline, None if it is before the known point."""
    for start in _starts(known, line.fork if known > line.fork else 0):
        with tempfile.TemporaryDirectory(prefix="covet-log-") as folder:
            view = await asyncio.to_thread(_lay_out, pgdata, Path(folder), line, (start, known))
            if view is None:
                return None
            end = await _scan(programs, spawn, Path(folder), line.timeline, max(start, view.begin))
        if end is not None and end >= known:
            await asyncio.to_thread(_sync, view.segments)
            return end
    return None


def _starts(known: int, least: int) -> Iterator[int]:
    """Yield where to begin reading, nearest first; past a fork only the timeline's own bytes prove anything.

    A segment that begins close before the known point comes first of all: one that was switched to follows padding,
    in which no record is found.
    """
    segment = known // timelines.SEGMENT_BYTES * timelines.SEGMENT_BYTES
    if max(known - _LOOK_BACK[0], least) < segment < known:
        yield segment
    for back in _LOOK_BACK:
        yield max(known - back, least) // _PAGE_BYTES * _PAGE_BYTES


@dataclasses.dataclass(frozen=True)
class _View:
    begin: int
    segments: tuple[Path, ...]


def _lay_out(pgdata: Path, folder: Path, line: _Line, around: tuple[int, int]) -> _View | None:
    """Link the segments from `around` on as if all were of one timeline: for each, the file that the server takes.

    Of several it takes the newest timeline's. A segment that was made ahead, or used before, ends the log.
    """
    start, known = around
    size = timelines.SEGMENT_BYTES
    lineage = [*(ancestor.timeline for ancestor in line.history), line.timeline]
    begins = [0, *(ancestor.lsn // size for ancestor in line.history)]
    newest_first = list(zip(lineage, begins, strict=True))[::-1]
    segments: list[Path] = []
    number = first = start // size
    while True:
        names = [_segment(timeline, number) for timeline, begin in newest_first if begin <= number]
        path = next((found for name in names if (found := pgdata / "pg_wal" / name).exists()), None)
        if path is not None and _begins_at(path, number * size):
            (folder / _segment(line.timeline, number)).symlink_to(path)
            segments.append(path)
        elif segments or number * size >= known:
            break
        else:
            first = number + 1  # what lies before the known point may be gone already
        number += 1
    if not segments:
        return None
    _end_with_used(folder / _segment(line.timeline, number), segments[-1], size)
    return _View(first * size, tuple(segments))


def _end_with_used(path: Path, last: Path, size: int) -> None:
    """Put a segment behind the last one that looks used before: there the log ends.

    pg_waldump waits five seconds for a segment that is missing, and says nothing of what it read till then.
    """
    with last.open("rb") as stream:
        header = stream.read(_LONG_BYTES)
    with path.open("xb") as stream:
        stream.write(header)
        stream.truncate(size)


def _segment(timeline: int, number: int) -> str:
    return f"{timeline:08X}{number >> 8:08X}{number & 0xFF:08X}"


def _begins_at(path: Path, lsn: int) -> bool:
    """Tell whether a segment holds the log from an LSN on, by the header of its first page."""
    with path.open("rb") as stream:
        header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return False
    _, flags, _, address = _HEADER.unpack(header)
    return bool(flags & _LONG) and address == lsn


async def _scan(programs: Path, spawn: Spawner, folder: Path, timeline: int, start: int) -> int | None:
    """Return the end of the last record that can be read from an LSN on, None if there is none."""
    output = await server_programs.run(
        spawn,
        str(programs / "pg_waldump"),
        "--stats",
        f"--path={folder}",
        f"--timeline={timeline}",
        f"--start={timelines.text_of(start)}",
        limit=_SCAN_SECONDS,
        # It ends with an error wherever the log does.
        codes=(0, 1),
    )
    match = _ENDS.search(output)
    return (control.parse_lsn(match[1]) or None) if match else None


def _sync(paths: Sequence[Path]) -> None:
    """Bring what was read to the disk: whoever received it may have died before."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
