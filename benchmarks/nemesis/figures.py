"""Turns results into figures: quantiles, gates, the summary that is committed."""

import collections
import json
import math
import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from benchmarks.nemesis import phases
from benchmarks.nemesis.kinds import BACK_SECONDS, Fault

ENOUGH: Final = 300
"""Runs from which on a 99th percentile means something."""
SLOWEST: Final = 3
PROCESS: Final = "process"
CLUSTER: Final = "cluster"
BIN_MS: Final = 100

Result = Mapping[str, Any]

MEASURES: Final = {
    "median_writer_ms": "writers_ms",
    "former_leader_back_ms": "back_ms",
    "service_ms": "service_ms",
    "service_after_api_ms": "service_after_api_ms",
}
"""Name in the summary, and in a run."""

PROCESS_COLUMNS: Final = {
    "fault": ("title",),
    "runs": ("gap_ms", "runs"),
    **{name: ("gap_ms", name) for name in ("median", "p90", "p95", "p99", "max")},
    "goal": ("goal_s",),
    "former leader back, p95": ("former_leader_back_ms", "p95"),
    "load": ("load",),
}
CLUSTER_COLUMNS: Final = {
    "fault": ("title",),
    "runs": ("gap_ms", "runs"),
    **{name: ("gap_ms", name) for name in ("median", "p90", "p95", "max")},
    "gate, p90": ("goal_s",),
    "`-rw`, median": ("service_ms", "median"),
    "`-rw`, p90": ("service_ms", "p90"),
    "`-rw` after the API's return, p90": ("service_after_api_ms", "p90"),
    "former leader back, p90": ("former_leader_back_ms", "p90"),
    "load": ("load",),
}
"""Where each cell of a line of the table comes from."""


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


def judge(times: Sequence[float], goal: float | None, tier: str) -> bool | None:
    """Say whether times in milliseconds meet a goal in seconds; None without one, or below 20 runs."""
    if goal is None or len(times) < 20:
        return None
    share = 0.9 if tier == CLUSTER else 0.99 if len(times) >= ENOUGH else 0.95
    return quantile(times, share) <= goal * 1000


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


def summarise(results: Iterable[Result], faults: Mapping[str, Fault[Any]], tier: str) -> dict[str, Any]:
    """Return the figures of each fault, in the order of `faults`, and the sums over all."""
    found = list(results)
    by_fault: dict[str, list[Result]] = {fault: [] for fault in faults}
    for result in found:
        by_fault[result["fault"]].append(result)
    return {
        "tier": tier,
        "faults": {name: _of_fault(faults[name], runs, tier) for name, runs in by_fault.items() if runs},
        "totals": {
            "runs": len(found),
            "failed_runs": sum(bool(result["problems"]) for result in found),
            "acknowledged": sum(result.get("acknowledged", 0) for result in found),
            "in_doubt": sum(result.get("in_doubt", 0) for result in found),
            "lost_runs": sum(bool(result.get("lost")) for result in found),
            "second_leader_runs": sum(bool(result.get("second_leader")) for result in found),
            "api_away_runs": sum(bool(result.get("api_away")) for result in found),
            "operator_away_runs": sum(bool(result.get("operator_away")) for result in found),
            "reading_runs": sum(bool(result.get("reads")) for result in found),
            "stale_runs": sum(bool(result.get("stale")) for result in found),
            "transactions": sum(result.get("transactions", 0) for result in found),
            "transaction_runs": sum(bool(result.get("transactions")) for result in found),
            "anomalous_runs": sum(bool(result.get("anomalies")) for result in found),
        },
    }


def _of_fault(fault: Fault[Any], runs: Sequence[Result], tier: str) -> dict[str, Any]:
    """Return the figures of one fault; runs that failed count, with what they measured."""
    timed = [run for run in runs if run.get("gap_ms") is not None]
    gaps = [run["gap_ms"] for run in timed]
    told: dict[str, Any] = {"title": fault.title, "goal_s": fault.goal}
    told["failed_runs"] = sum(bool(run["problems"]) for run in runs)
    if gaps:
        told["gap_ms"] = figures(gaps)
        told["histogram_ms"] = histogram(gaps)
        told["goal_met"] = judge(gaps, fault.goal, tier)
        told["load"] = round(statistics.median(run["load"] for run in timed), 1)
        if busy := [run["busy"] for run in timed if "busy" in run]:
            told["busy"] = round(statistics.median(busy), 2)
        told["phases_ms"] = phases.summarise(run["phases"] for run in timed)
        slowest = sorted(timed, key=lambda run: -run["gap_ms"])[:SLOWEST]
        told["slowest"] = [{key: run[key] for key in ("seed", "run", "gap_ms", "phases", "load")} for run in slowest]
    for name, key in MEASURES.items():
        if times := [run[key] for run in runs if run.get(key) is not None]:
            told[name] = figures(times)
    if backs := [run["back_ms"] for run in runs if run.get("back_ms") is not None]:
        told["back_goal_s"] = BACK_SECONDS[tier]
        told["back_goal_met"] = judge(backs, BACK_SECONDS[tier], tier)
    return told


def missed(summary: Mapping[str, Any]) -> list[str]:
    """Return what a summary says is slower than its goal: kinds of faults, and those after which the return is."""
    found = [name for name, told in summary["faults"].items() if told.get("goal_met") is False]
    late = [name for name, told in summary["faults"].items() if told.get("back_goal_met") is False]
    return found + [f"{name} (former leader back)" for name in late]


def table(summary: Mapping[str, Any]) -> str:
    """Return the summary as a table in Markdown, seconds."""
    columns = CLUSTER_COLUMNS if summary["tier"] == CLUSTER else PROCESS_COLUMNS
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    measured = [told for told in summary["faults"].values() if "gap_ms" in told]
    lines += [f"| {' | '.join(_cell(told, *place) for place in columns.values())} |" for told in measured]
    return "\n".join(lines)


def _cell(told: Mapping[str, Any], measure: str, figure: str = "") -> str:
    found = told.get(measure)
    if found is None or not figure:
        return "" if found is None else f"{found} s" if measure == "goal_s" else str(found)
    value = found.get(figure)
    if value is None:
        return ""
    return str(value) if figure == "runs" else f"{value / 1000:.2f}"
