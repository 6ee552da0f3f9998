"""Reads the phases of a failover from the agents' logs, so that a slow one can be explained."""

import dataclasses
import datetime as dt
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

STEPS: Final = ("detect", "fence", "promote", "confirm", "open", "reconnect")
"""Fault, candidacy, enough promises, promoted, row confirmed and lease over, door open, first acknowledgement."""

ROLE: Final = re.compile(r"^(Candidate|Promoting|Leader), term (\d+)\.$")
PROMOTED: Final = re.compile(r"^Promoted to timeline (\d+) ")


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of an agent's log: seconds since the epoch, who, what."""

    at: float
    instance: str
    text: str


def read(lines: Iterable[str], since: float = 0.0) -> list[Line]:
    """Read structured lines from a moment on; what is none, such as a traceback, is left out."""
    found = []
    for line in lines:
        if not line.startswith('{"ts"'):
            continue
        try:
            told = json.loads(line)
        except json.JSONDecodeError:
            continue  # the process was killed while it wrote
        at = dt.datetime.fromisoformat(told["ts"]).timestamp()
        if at >= since:
            found.append(Line(at, told.get("instance", ""), told.get("msg", "")))
    return found


def measure(lines: Iterable[Line], term: int, fault_at: float, first_at: float) -> dict[str, float]:
    """Return the milliseconds of each step of the failover to a term; a step that no log tells is left out.

    Args:
        lines: of every member, in any order.
        term: the new one.
        fault_at: seconds since the epoch.
        first_at: of the first acknowledgement after the fault, seconds since the epoch.
    """
    moments: dict[str, float] = {}
    ordered = sorted(lines, key=lambda line: line.at)
    leader = next((line.instance for line in ordered if line.text == f"Leader, term {term}."), None)
    for line in ordered:
        if role := ROLE.match(line.text):
            if int(role[2]) == term:
                moments.setdefault(role[1], line.at)
        elif promoted := PROMOTED.match(line.text):
            if int(promoted[1]) == term:
                moments.setdefault("Promoted", line.at)
        elif line.text == "Open to clients." and line.instance == leader and "Leader" in moments:
            moments.setdefault("Open", line.at)
    if "Open" in moments:
        moments["Open"] = min(moments["Open"], first_at)  # a client may be in before the agent has proven it
    names = ("Candidate", "Promoting", "Promoted", "Leader", "Open")
    points = [fault_at, *(moments.get(name) for name in names), first_at]
    return {
        step: round((end - begin) * 1000, 1)
        for step, (begin, end) in zip(STEPS, itertools.pairwise(points), strict=True)
        if begin is not None and end is not None
    }


def summarise(runs: Iterable[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return the median and the 90th percentile of each step, in milliseconds."""
    times: dict[str, list[float]] = {step: [] for step in STEPS}
    for run in runs:
        for step, value in run.items():
            times[step].append(value)
    return {
        step: {"median": sorted(values)[len(values) // 2], "p90": sorted(values)[int(len(values) * 0.9)]}
        for step, values in times.items()
        if values
    }
