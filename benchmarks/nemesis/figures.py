"""Turns results into figures: quantiles, gates, the summary that is committed."""

import collections
import json
import math
import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from benchmarks.nemesis import phases
from benchmarks.nemesis.faults import FAULTS

ENOUGH: Final = 300
"""Runs from which on a 99th percentile means something."""
SLOWEST: Final = 3
BIN_MS: Final = 100

Result = Mapping[str, Any]


def quantile(times: Sequence[float], share: float) -> float:
    """Return the smallest time that at least this share of all times does not exceed."""
    return sorted(times)[max(0, math.ceil(share * len(times)) - 1)]


def figures(times: Sequence[float]) -> dict[str, float]:
    """Return runs, median and tail of times; p99 from 300 on."""
    found = {
        "runs": len(times),
        "median": round(statistics.median(times), 1),
        "p90": round(quantile(times, 0.90), 1),
        "p95": round(quantile(times, 0.95), 1),
        "max": round(max(times), 1),
    }
    if len(times) >= ENOUGH:
        found["p99"] = round(quantile(times, 0.99), 1)
    return found


def histogram(times: Sequence[float]) -> dict[str, int]:
    """Count times by tenths of a second: the key is where a tenth begins, in milliseconds."""
    counts = collections.Counter(int(time // BIN_MS) * BIN_MS for time in times)
    return {str(begin): counts[begin] for begin in sorted(counts)}


def judge(times: Sequence[float], goal: float | None) -> bool | None:
    """Say whether times in milliseconds meet a goal in seconds; None without one, or below 20 runs."""
    if goal is None or len(times) < 20:
        return None
    return quantile(times, 0.99 if len(times) >= ENOUGH else 0.95) <= goal * 1000


def load(path: pathlib.Path) -> list[Result]:
    """Read the results so far; a line cut off by a kill is left out."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def summarise(results: Iterable[Result]) -> dict[str, Any]:
    """Return the figures of each fault and the sums over all."""
    found = list(results)
    by_fault: dict[str, list[Result]] = {}
    for result in found:
        by_fault.setdefault(result["fault"], []).append(result)
    return {
        "faults": {fault: _of_fault(fault, runs) for fault, runs in by_fault.items()},
        "totals": {
            "runs": len(found),
            "failed_runs": sum(bool(result["problems"]) for result in found),
            "acknowledged": sum(result.get("acknowledged", 0) for result in found),
            "in_doubt": sum(result.get("in_doubt", 0) for result in found),
            "lost_runs": sum(bool(result.get("lost")) for result in found),
            "second_leader_runs": sum(bool(result.get("second_leader")) for result in found),
        },
    }


def _of_fault(fault: str, runs: Sequence[Result]) -> dict[str, Any]:
    """Return the figures of one fault; runs that failed count, with what they measured."""
    timed = [run for run in runs if run.get("gap_ms") is not None]
    gaps = [run["gap_ms"] for run in timed]
    writers = [run["writers_ms"] for run in timed if run["writers_ms"] is not None]
    back = [run["back_ms"] for run in runs if run.get("back_ms") is not None]
    told: dict[str, Any] = {"title": FAULTS[fault].title, "goal_s": FAULTS[fault].goal}
    told["failed_runs"] = sum(bool(run["problems"]) for run in runs)
    if gaps:
        told["gap_ms"] = figures(gaps)
        told["histogram_ms"] = histogram(gaps)
        told["goal_met"] = judge(gaps, FAULTS[fault].goal)
        told["load"] = round(statistics.median(run["load"] for run in timed), 1)
        told["phases_ms"] = phases.summarise(run["phases"] for run in timed)
        slowest = sorted(timed, key=lambda run: -run["gap_ms"])[:SLOWEST]
        told["slowest"] = [{key: run[key] for key in ("seed", "run", "gap_ms", "phases", "load")} for run in slowest]
    if writers:
        told["median_writer_ms"] = figures(writers)
    if back:
        told["former_leader_back_ms"] = figures(back)
    return told


def table(summary: Mapping[str, Any]) -> str:
    """Return the summary as a table in Markdown, seconds."""
    lines = [
        "| fault | runs | median | p90 | p95 | p99 | max | goal | former leader back, p95 | load |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for told in summary["faults"].values():
        if "gap_ms" not in told:
            continue
        gap, back = told["gap_ms"], told.get("former_leader_back_ms")
        cells = [_seconds(gap.get(name)) for name in ("median", "p90", "p95", "p99", "max")]
        goal = f"{told['goal_s']} s" if told["goal_s"] is not None else ""
        lines.append(
            f"| {told['title']} | {gap['runs']} | {' | '.join(cells)} | {goal} "
            f"| {_seconds(back['p95']) if back else ''} | {told['load']} |"
        )
    return "\n".join(lines)


def _seconds(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds / 1000:.2f}"
