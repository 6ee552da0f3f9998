"""Tables and lines on a terminal or in a file: colours only for a person who looks, plain text for the rest.

What is not a terminal is laid out for 100 columns, without a control character, without spaces at the end of
lines, so that it can be compared, mailed and searched.
"""

import datetime as dt
import io
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from rich import console, table, text

from covet.cli import aiming

PLAIN_WIDTH: Final = 100
_WIDEST: Final = 140
"""Columns beyond which a line of text is no longer easy to read."""

GOOD: Final = "green"
BAD: Final = "bold red"
DOUBTFUL: Final = "yellow"
QUIET: Final = "dim"
HEAD: Final = "bold"

Cell = str | text.Text


def styled(content: str, style: str) -> text.Text:
    """Return text in a colour; on anything but a terminal the colour is left out."""
    return text.Text(content, style=style)


def columns(heads: Sequence[str], rows: Iterable[Sequence[Cell]], *, wrap: str = "") -> table.Table:
    """Return a table without lines, as kubectl prints them.

    Args:
        heads: titles of the columns.
        rows: cells.
        wrap: title of the column that gives way when space is short; the others keep their words whole.
    """
    made = table.Table(box=None, pad_edge=False, show_edge=False, header_style=HEAD, padding=(0, 2, 0, 0))
    for head in heads:
        made.add_column(head, overflow="fold", no_wrap=False, ratio=1 if head == wrap else None)
    for row in rows:
        made.add_row(*map(aimed, row))
    return made


def aimed(cell: Cell) -> Cell:
    """Return a cell whose commands can be pasted."""
    return aiming.aim(cell) if isinstance(cell, str) else text.Text(aiming.aim(cell.plain), style=cell.style)


def pairs(rows: Iterable[tuple[str, Cell]]) -> table.Table:
    """Return labels with what stands beside them, wrapped under itself."""
    made = table.Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style=HEAD, no_wrap=True)
    made.add_column(overflow="fold")
    for label, content in rows:
        made.add_row(label, aimed(content))
    return made


def bullets(lines: Iterable[Cell]) -> table.Table:
    """Return lines with a dash before each, wrapped under themselves."""
    made = table.Table.grid(padding=(0, 1, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for line in lines:
        made.add_row("-", aimed(line))
    return made


def render(*parts: console.RenderableType, terminal: bool | None = None) -> str:
    """Return parts as text, one below the other; colours only if the standard output is a terminal.

    Args:
        parts: what to show.
        terminal: whether a person looks; None to find out.
    """
    looks = sys.stdout.isatty() if terminal is None else terminal
    width = min(shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns, _WIDEST) if looks else PLAIN_WIDTH
    into = io.StringIO()
    made = console.Console(
        file=into,
        width=width,
        force_terminal=looks,
        color_system="auto" if looks else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    for part in parts:
        made.print(part)
    lines = into.getvalue().split("\n")
    return "\n".join(lines if looks else (line.rstrip() for line in lines))


def age(moment: str, now: dt.datetime) -> str:
    """Return how long ago a moment was, as kubectl says it: 45s, 12m, 5h, 3d; `-` for what is no moment."""
    try:
        then = dt.datetime.fromisoformat(moment)
    except ValueError:
        return "-"
    if then.tzinfo is None:
        return "-"
    seconds = max(0, int((now - then).total_seconds()))
    for size, unit, until in ((1, "s", 120), (60, "m", 7200), (3600, "h", 172800)):
        if seconds < until:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86400}d"


def bytes_of(number: int) -> str:
    """Return a number of bytes for a person: 312 B, 1.5 KiB, 20.0 MiB."""
    if number < 1024:
        return f"{number} B"
    amount = number / 1024
    for unit in ("KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
