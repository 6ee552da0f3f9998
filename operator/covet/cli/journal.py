"""One line of a log: read from what an agent or the operator wrote, and laid out for a person.

A line that is not of the known form (a traceback, a program's own words) is shown as it is and never filtered
by level: what cannot be judged is not hidden.
"""

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
"""From quiet to loud."""
COLOURS: Final = ("cyan", "magenta", "green", "blue", "bright_cyan", "bright_magenta", "bright_green")
"""For the instances, in turn; red and yellow belong to the levels."""

_LOUD: Final = {"warning": "yellow", "error": "red", "critical": "red"}
_OWN: Final = frozenset({"ts", "level", "logger", "instance", "msg", "trace", "source"})
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What could steer a terminal; tabs and new lines may stay."""

Paint = Callable[[str, str], str]
"""Returns text in a colour, or as it is."""


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a log.

    Args:
        origin: the instance, or the pod of the operator.
        stamp: when the node's container runtime took it, as it wrote that; tells lines of one pod apart.
        at: the same as a moment, UTC.
        moment: when it was written, by whoever wrote it; else `at`.
        level: one of LEVELS; None where it cannot be told.
        source: another program whose words these are, e.g. `postgres`; empty for the writer's own.
        fields: what else it says.
        text: as it was written.
    """

    origin: str
    stamp: str
    at: dt.datetime
    moment: dt.datetime
    level: str | None
    message: str
    source: str
    fields: Mapping[str, Any]
    trace: str
    text: str

    def is_at_least(self, level: str) -> bool:
        """Return whether it is as loud as a level, or cannot be judged."""
        return self.level is None or LEVELS.index(self.level) >= LEVELS.index(level)


def parse(origin: str, line: str) -> Line:
    """Read a line that begins with the runtime's timestamp."""
    stamp, _, text = line.partition(" ")
    at = _moment(stamp)
    if at is None:
        at, stamp, text = dt.datetime.min.replace(tzinfo=dt.UTC), "", line
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "msg" not in found:
        return Line(origin, stamp, at, at, None, text, "", {}, "", text)
    level = str(found.get("level", "")).lower()
    return Line(
        origin=origin,
        stamp=stamp,
        at=at,
        moment=_moment(str(found.get("ts", ""))) or at,
        level=level if level in LEVELS else None,
        message=str(found["msg"]),
        source=str(found.get("source", "")),
        fields={str(key): value for key, value in found.items() if key not in _OWN},
        trace=str(found.get("trace", "")),
        text=text,
    )


def document(line: Line) -> str:
    """Return a line for programs: one JSON object, with the instance in it."""
    told: dict[str, Any] = {"ts": line.moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    told |= {"instance": line.origin, "level": line.level, "msg": line.message}
    if line.source:
        told["source"] = line.source
    if line.trace:
        told["trace"] = line.trace
    return json.dumps({**told, **{key: value for key, value in line.fields.items() if key not in told}})


def lay_out(line: Line, width: int, colour: str, paint: Paint) -> str:
    """Return a line for a person.

    Args:
        line: what to show.
        width: columns of the longest origin.
        colour: of its origin.
        paint: given text and the name of a colour.
    """
    moment = f"{line.moment:%H:%M:%S}.{line.moment.microsecond // 1000:03d}"
    loud = _LOUD.get(line.level or "", "")
    level = f"{line.level or '-':<8}"
    words = clean(line.message)
    parts = [
        paint(moment, "bright_black"),
        paint(f"{clean(line.origin):<{width}}", colour),
        paint(level, loud),
        (paint(f"{clean(line.source)}: ", "bright_black") if line.source else "") + paint(words, loud),
    ]
    told = " ".join(f"{key}={_value(value)}" for key, value in line.fields.items())
    first = "  ".join(parts).rstrip() + (f"  {paint(clean(told), 'bright_black')}" if told else "")
    indented = [f"    {clean(row)}" for row in line.trace.splitlines()]
    return "\n".join((first, *(paint(row, "bright_black") for row in indented)))


def clean(text: str) -> str:
    """Return text that cannot steer a terminal: control characters are shown as what they are."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _value(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False) if " " in value or not value else value


def _moment(text: str) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(dt.UTC) if found.tzinfo is not None else None
