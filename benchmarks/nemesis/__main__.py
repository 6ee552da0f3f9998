"""Breaks a shard of real agents and servers many times over, and measures how long it takes no writes.

    make nemesis RUNS=20 FAULTS=server-killed,pod-killed SEED=1
    make nemesis RUNS=1 FAULTS=pod-frozen SEED=1 ONLY=17        one run again

Every result is appended to a file; what it holds already is not done again. The summary is made anew from all
of them, printed, and written to benchmarks/results. Folders `failed` and `slow` beside the results hold
every log of such a run, by fault, seed and run.
"""

import argparse
import asyncio
import json
import pathlib
import sys
import time
from typing import Any, Final

from benchmarks import machine
from benchmarks.nemesis import figures, plan, sandbox
from benchmarks.nemesis.bench import Bench
from benchmarks.nemesis.faults import FAULTS
from tests.e2e.devcluster import layout

SUMMARY: Final = pathlib.Path(__file__).parents[1] / "results" / "failover-process.json"
PER_SHARD: Final = 40
"""Runs after which a shard is made anew."""


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.nemesis", description=__doc__)
    parser.add_argument("--tier", choices=("process",), default="process")
    parser.add_argument("--runs", type=int, default=10, help="of each fault")
    parser.add_argument("--faults", default="server-killed,pod-killed,node-gone", help="comma list, or all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this run alone, whatever was done already")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no run after so long")
    results = layout.cache_root() / "nemesis" / "process.jsonl"
    parser.add_argument("--results", type=pathlib.Path, default=results, help="one JSON object a line; logs beside it")
    parser.add_argument("--summary", type=pathlib.Path, default=SUMMARY)
    return parser.parse_args()


async def bench(arguments: argparse.Namespace, plans: list[plan.Plan]) -> bool:
    """Do the runs and append their results; True if none of them failed."""
    deadline = time.monotonic() + arguments.minutes * 60
    well = True
    while plans and time.monotonic() < deadline:
        async with Bench(arguments.results.parent) as stage:
            for count in range(PER_SHARD):
                if not plans or time.monotonic() > deadline:
                    break
                result = await stage.run(plans.pop(0))
                with arguments.results.open("a") as lines:
                    lines.write(json.dumps(result) + "\n")
                show(result, len(plans), count)
                if result["problems"]:
                    well = False
                    break  # the next one begins with a shard that is whole
    return well


def show(result: dict[str, Any], left: int, count: int) -> None:
    """Print one run in one line."""
    gap = result.get("gap_ms")
    steps = " ".join(f"{step} {value:.0f}" for step, value in result.get("phases", {}).items())
    told = f"{gap / 1000:6.3f} s" if gap is not None else "   no gap"
    back = f"back {result['back_ms'] / 1000:.1f} s" if "back_ms" in result else ""
    print(
        f"{result['fault']:15} {result['seed']}/{result['run']:<4} {told}  {steps}  {back}"
        f"  {result.get('acknowledged', 0)} acks, load {result['load']}, {left} left, run {count + 1} of its shard",
        flush=True,
    )
    for problem in result["problems"]:
        print(f"    FAILED: {problem}", flush=True)


def conclude(arguments: argparse.Namespace, place: machine.Machine) -> dict[str, Any]:
    """Write the summary of all results so far, print it, and return it."""
    summary = {"machine": place, "tier": arguments.tier, "writers": 8}
    summary |= figures.summarise(figures.load(arguments.results))
    arguments.summary.write_text(json.dumps(summary, indent=2) + "\n")
    print(f"\n{figures.table(summary)}\n\n{json.dumps(summary['totals'])}")
    for fault, told in summary["faults"].items():
        for run in told.get("slowest", ()):
            steps = " ".join(f"{step} {value:.0f}" for step, value in run["phases"].items())
            print(f"  slow {fault} {run['seed']}/{run['run']}: {run['gap_ms'] / 1000:.3f} s: {steps}")
    return summary


def main() -> None:
    """Do what is missing; exit with 1 if a run failed or a goal was missed."""
    arguments = read_arguments()
    sandbox.enter()
    kinds = tuple(FAULTS) if arguments.faults == "all" else tuple(arguments.faults.split(","))
    if unknown := sorted(set(kinds) - set(FAULTS)):
        sys.exit(f"no such fault: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    place = machine.describe()
    if arguments.only is not None:
        plans = [plan.draw(kind, arguments.seed, arguments.only) for kind in kinds]
    else:
        done = {(told["fault"], told["seed"], told["run"]) for told in figures.load(arguments.results)}
        plans = plan.order(kinds, arguments.runs, arguments.seed, done)
    well = asyncio.run(bench(arguments, plans))
    summary = conclude(arguments, place)
    missed = [fault for fault, told in summary["faults"].items() if told.get("goal_met") is False]
    if missed:
        print(f"goals missed: {', '.join(missed)}")
    sys.exit(not well or bool(missed))


if __name__ == "__main__":
    main()
