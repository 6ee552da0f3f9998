"""Simulates the election core: seeded schedules of faults, on every core of this machine.

Each schedule runs the real core of three members (some of one or five) in virtual time, with faults, and
holds everything that was acknowledged against every leader. Then, for each kind of fault alone at the
leader, how long the shard took no writes, in virtual milliseconds. A seed gives the same schedule always.

    python -m benchmarks.simulate [SCHEDULES [FIRST_SEED]]
    python -m benchmarks.simulate --seed SEED        print what happened in one schedule
"""

import collections
import json
import multiprocessing
import pathlib
import statistics
import sys
import time

from benchmarks import machine
from covet.testing.election import faults, schedule

RESULT = pathlib.Path(__file__).parent / "results" / "simulation.json"
PORTION = 500
KIND_RUNS = 300
GATE_SECONDS = 600
Portion = tuple[int, int]


def run_portion(portion: Portion) -> tuple[collections.Counter[str], list[tuple[int, str]]]:
    """Run the schedules of seeds from first to last; return what happened in them, and what broke."""
    seen: collections.Counter[str] = collections.Counter()
    broken: list[tuple[int, str]] = []
    for seed in range(*portion):
        outcome = schedule.run(schedule.Plan(seed))
        seen["schedules"] += 1
        seen["leaders promoted"] += outcome.terms - 1
        seen["acknowledged writes"] += outcome.acknowledged - outcome.reads
        seen["reads under a lease"] += outcome.reads
        if outcome.problem:
            broken.append((seed, outcome.problem))
    return seen, broken


def measure_kind(kind: str) -> tuple[str, list[float]]:
    """Return the writable times of schedules with one fault at the leader of three members."""
    times = []
    for seed in range(KIND_RUNS):
        outcome = schedule.run(schedule.Plan(seed, kinds=(kind,), count=1, size=3, on_leader=True))
        if outcome.writable_ms is not None and not outcome.problem:
            times.append(outcome.writable_ms)
    return kind, times


def summarise(times: list[float]) -> dict[str, float]:
    """Return runs, median and tail of times, in virtual milliseconds."""
    ordered = sorted(times)
    return {
        "runs": len(ordered),
        "median": round(statistics.median(ordered)),
        "p90": round(ordered[int(len(ordered) * 0.90)]),
        "p99": round(ordered[int(len(ordered) * 0.99)]),
        "max": round(ordered[-1]),
    }


def main() -> None:
    """Run, print, write the JSON; exit with 1 if a schedule broke an invariant."""
    if sys.argv[1:2] == ["--seed"]:
        outcome = schedule.run(schedule.Plan(int(sys.argv[2])), trace=True)
        print("\n".join(outcome.lines), f"\n{outcome.problem or 'no violation'}")
        sys.exit(bool(outcome.problem))
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    place = machine.describe()
    portions = [(seed, min(seed + PORTION, first + count)) for seed in range(first, first + count, PORTION)]
    seen: collections.Counter[str] = collections.Counter()
    broken: list[tuple[int, str]] = []
    began = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(int(place["cores"])) as pool:
        for some, bad in pool.imap_unordered(run_portion, portions):
            seen += some
            broken += bad
        seconds = time.monotonic() - began
        kinds = dict(pool.map(measure_kind, faults.FAULTS))
    figures_of = {kind: summarise(times) for kind, times in kinds.items() if times}
    result = {
        "machine": place,
        "first_seed": first,
        "seconds": round(seconds, 1),
        "schedules_per_minute": round(count / seconds * 60),
        "totals": dict(seen),
        "violations": [{"seed": seed, "problem": problem} for seed, problem in sorted(broken)],
        "writable_virtual_ms": figures_of,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(f"{count} schedules in {seconds:.0f} s, {len(broken)} violations; {dict(seen)}")
    for seed, problem in sorted(broken):
        print(f"  seed {seed}: {problem}")
    for kind, figures in figures_of.items():
        print(f"  {kind:16}" + "".join(f"{name} {value:<8}" for name, value in figures.items()))
    sys.exit(bool(broken) or (count >= 100_000 and seconds > GATE_SECONDS))


if __name__ == "__main__":
    main()
