"""Breaks a shard of real agents and servers many times over, and measures how long it takes no writes.

    make nemesis RUNS=20 FAULTS=server-killed,pod-killed SEED=1
    make nemesis TIER=cluster RUNS=20 FAULTS=all SEED=1
    make nemesis RUNS=1 FAULTS=pod-frozen SEED=1 ONLY=17        one run again
    make nemesis FAULTS=stress MINUTES=30 SEED=1                a healthy shard under load: nobody may be elected

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
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks import machine
from benchmarks.nemesis import clusterfaults, faults, figures, plan, sandbox, setup, stress
from benchmarks.nemesis.bench import Bench
from benchmarks.nemesis.clustertier import ClusterStage
from benchmarks.nemesis.kinds import Fault
from benchmarks.nemesis.processtier import ProcessStage
from benchmarks.nemesis.stage import Stage
from tests.e2e.devcluster import layout

RESULTS: Final = pathlib.Path(__file__).parents[1] / "results"
STRESS_MINUTES: Final = 30.0
PER_SHARD: Final = 40
"""Runs after which a shard is made anew."""
FAULTS: Final[Mapping[str, Mapping[str, Fault[Any]]]] = {
    figures.PROCESS: faults.FAULTS,
    figures.CLUSTER: clusterfaults.FAULTS,
}


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.nemesis", description=__doc__)
    parser.add_argument("--tier", choices=tuple(FAULTS), default=figures.PROCESS)
    parser.add_argument("--runs", type=int, default=10, help="of each fault")
    parser.add_argument("--faults", default="server-killed,pod-killed", help="comma list, or all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this run alone, whatever was done already")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no run after so long")
    parser.add_argument("--patience", type=float, default=1.0, help="factor of every bound, where nothing is measured")
    parser.add_argument("--results", type=pathlib.Path, help="one JSON object a line; logs beside it")
    parser.add_argument("--summary", type=pathlib.Path)
    arguments = parser.parse_args()
    tier = arguments.tier
    arguments.results = arguments.results or layout.cache_root() / "nemesis" / f"{tier}.jsonl"
    arguments.summary = arguments.summary or RESULTS / f"failover-{tier}.json"
    return arguments


def draw_plans(arguments: argparse.Namespace) -> list[plan.Plan]:
    """Return the runs that are asked for and not done yet."""
    known = FAULTS[arguments.tier]
    kinds = tuple(known) if arguments.faults == "all" else tuple(arguments.faults.split(","))
    if unknown := sorted(set(kinds) - set(known)):
        sys.exit(f"no such fault: {', '.join(unknown)}; there are {', '.join(known)}")
    draw = plan.draw if arguments.tier == figures.PROCESS else plan.draw_in_cluster
    if arguments.only is not None:
        return [draw(kind, arguments.seed, arguments.only) for kind in kinds]
    done = {(told["fault"], told["seed"], told["run"]) for told in figures.load(arguments.results)}
    return plan.order(kinds, arguments.runs, arguments.seed, done, draw)


async def bench(arguments: argparse.Namespace, plans: list[plan.Plan], make: Callable[[], Stage[Any]]) -> bool:
    """Do the runs and append their results; True if none of them failed."""
    deadline = time.monotonic() + arguments.minutes * 60
    well = True
    while plans and time.monotonic() < deadline:
        async with Bench(make(), arguments.results.parent, arguments.patience) as stage:
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


def show(result: Mapping[str, Any], left: int, count: int) -> None:
    """Print one run in one line."""
    gap = result.get("gap_ms")
    steps = " ".join(f"{step} {value:.0f}" for step, value in result.get("phases", {}).items())
    told = f"{gap / 1000:6.3f} s" if gap is not None else "   no gap"
    back = f"back {result['back_ms'] / 1000:.1f} s" if "back_ms" in result else ""
    rest = "".join(f"  {name}" for name in ("api_away", "operator_away") if result.get(name))
    for name in ("service_ms", "service_after_api_ms"):
        if name in result:
            rest += f"  {name.removesuffix('_ms')} {result[name] / 1000:.3f} s"
    print(
        f"{result['fault']:15} {result['seed']}/{result['run']:<4} {told}  {steps}  {back}{rest}"
        f"  {result.get('acknowledged', 0)} acks, load {result['load']}, {result['seconds']} s, {left} left,"
        f" run {count + 1} of its shard",
        flush=True,
    )
    for problem in result["problems"]:
        print(f"    FAILED: {problem}", flush=True)


def conclude(arguments: argparse.Namespace, place: machine.Machine) -> dict[str, Any]:
    """Write the summary of all results so far, print it, and return it."""
    tier = arguments.tier
    summary: dict[str, Any] = {"machine": place, "writers": 8}
    summary |= figures.summarise(figures.load(arguments.results), FAULTS[tier], tier)
    arguments.summary.write_text(json.dumps(summary, indent=2) + "\n")
    print(f"\n{figures.table(summary)}\n\n{json.dumps(summary['totals'])}")
    for fault, told in summary["faults"].items():
        for run in told.get("slowest", ()):
            steps = " ".join(f"{step} {value:.0f}" for step, value in run["phases"].items())
            print(f"  slow {fault} {run['seed']}/{run['run']}: {run['gap_ms'] / 1000:.3f} s: {steps}")
    return summary


def run_stress(arguments: argparse.Namespace) -> bool:
    """Put a healthy shard under stress and write down what happened; True if nobody stood for election."""
    sandbox.enter()
    place = machine.describe()
    minutes = min(arguments.minutes, STRESS_MINUTES)
    told = asyncio.run(stress.run(arguments.seed, minutes, arguments.results.parent))
    text = json.dumps({"machine": place, **told}, indent=2)
    print(text)
    (RESULTS / "failover-stress.json").write_text(f"{text}\n")
    return not told["problems"]


def main() -> None:
    """Do what is missing; exit with 1 if a run failed or a goal was missed."""
    arguments = read_arguments()
    if arguments.faults == stress.KIND:
        sys.exit(not run_stress(arguments))
    plans = draw_plans(arguments)
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    place = machine.describe()
    if arguments.tier == figures.PROCESS:
        sandbox.enter()
        well = asyncio.run(bench(arguments, plans, ProcessStage))
    else:
        with setup.cluster() as (covet, name):
            well = asyncio.run(bench(arguments, plans, lambda: ClusterStage(covet, name)))
    summary = conclude(arguments, place)
    missed = figures.missed(summary)
    if missed:
        print(f"goals missed: {', '.join(missed)}")
    sys.exit(not well or bool(missed))


if __name__ == "__main__":
    main()
