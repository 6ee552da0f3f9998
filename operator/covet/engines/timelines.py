"""History files: where each timeline of the log began, as text beside the log's segments.

A server looks for the newest timeline by counting up from its own until a file is missing. So a
file of a timeline that is not its leader's leads it astray, and a gap ends the count too early.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from covet.core.agentapi import Ancestor

UNLED: Final = "# A term that nobody led.\n"
"""History of a timeline that never was: it keeps the count without a gap, and is nobody's child."""
SEGMENT_BYTES: Final = 16 << 20
"""Size of a segment: initdb is run with the default."""

_NAME: Final = re.compile(r"([0-9A-F]{8})\.history")
_SEGMENT: Final = re.compile(r"[0-9A-F]{24}")
_LINE: Final = re.compile(r"\s*(\d+)\s+([0-9A-F]+)/([0-9A-F]+)(\s|$)")


def name(timeline: int) -> str:
    """Return the name of a timeline's history file."""
    return f"{timeline:08X}.history"


def parse(text: str) -> tuple[Ancestor, ...]:
    """Return the timelines before the one that a history file is of, oldest first."""
    lines = (_LINE.match(line) for line in text.splitlines())
    return tuple(Ancestor(int(m[1]), (int(m[2], 16) << 32) + int(m[3], 16)) for m in lines if m)


def render(history: Sequence[Ancestor]) -> str:
    """Return the text of a history file."""
    return "".join(f"{a.timeline}\t{a.lsn >> 32:X}/{a.lsn & 0xFFFFFFFF:X}\tpromoted by covet\n" for a in history)


def read(pgdata: Path, timeline: int) -> tuple[Ancestor, ...]:
    """Return the timelines before a timeline of a data directory; the first one has none.

    Raises:
        OSError: its history file is missing or cannot be read.
    """
    if timeline == 1:
        return ()
    return parse((pgdata / "pg_wal" / name(timeline)).read_text(errors="replace"))


def chain(timeline: int, history: Sequence[Ancestor], above: int) -> dict[str, str]:
    """Return the history files from the one after `above` up to a leader's timeline, newest first.

    Written in this order, the last file closes the count: a server never sees a part of it.
    """
    texts = {timeline: render(history)}
    for index, ancestor in enumerate(history):
        texts[ancestor.timeline] = render(history[:index])
    return {name(number): texts.get(number, UNLED) for number in range(timeline, max(above, 1), -1)}


def strangers(pgdata: Path, timeline: int, history: Sequence[Ancestor], above: int) -> tuple[Path, ...]:
    """Return the history files of timelines after `above` that a leader's lineage does not hold as they are."""
    lineage = {known.timeline: tuple(history[:index]) for index, known in enumerate(history)}
    lineage[timeline] = tuple(history)
    found = []
    for path in sorted((pgdata / "pg_wal").glob("*.history")):
        match = _NAME.fullmatch(path.name)
        if match is None or (number := int(match[1], 16)) <= above:
            continue
        text = path.read_text(errors="replace")
        if parse(text) == lineage[number] if number in lineage else text == UNLED and number < timeline:
            continue
        found.append(path)
    return tuple(found)


def segments(pgdata: Path) -> tuple[str, ...]:
    """Return the names of the segments in a data directory, sorted."""
    return tuple(sorted(path.name for path in (pgdata / "pg_wal").iterdir() if _SEGMENT.fullmatch(path.name)))


def newest(names: Sequence[str], timeline: int, kept: int = 2) -> tuple[str, ...]:
    """Return those segments that a reader of the line up to ``timeline`` looks into. Pure.

    A reader takes a segment from the newest timeline that begins in it; files of older ones, as many as there were
    forks in the segment, are never opened. One more than that is kept, and those above the line.

    Args:
        names: of segments.
        timeline: last of the line.
        kept: files of each segment, of its newest timelines.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(names, reverse=True):
        found.setdefault(name[8:], []).append(name)
    return tuple(
        sorted(
            name
            for files in found.values()
            for name in (
                *(file for file in files if int(file[:8], 16) > timeline),
                *[file for file in files if int(file[:8], 16) <= timeline][:kept],
            )
        )
    )


def begin(segment: str) -> int:
    """Return where a segment begins, in bytes."""
    return (int(segment[8:16], 16) << 32) + int(segment[16:], 16) * SEGMENT_BYTES


def text_of(lsn: int) -> str:
    """Return an LSN as the server writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
