"""Two hundred clusters and one operator: its memory, and how long a change waits for its action.

The operator is a process of its own; the API server of the tests and the pods' agents (behind real mTLS) share another
one with this bench. A change is an edit of a parameter; its action is the write of what the shard's agents should work
by. Edits come one after the other, spread over a minute, and then all at once.

    python -m benchmarks.fleet [CLUSTERS]
"""

import asyncio
import json
import logging
import pathlib
import random
import sys
import tempfile
import time
from collections.abc import Callable

from benchmarks import machine
from covet.core import names
from covet.kube import resources
from covet.testing import operating
from covet.testing.operating import Ground

RESULT = pathlib.Path(__file__).parent / "results" / "fleet.json"
CLUSTERS = 200
NAMESPACES = 20
INSTANCES = 3
SPREAD_SECONDS = 60.0
GATE_MIB = 400.0
GATE_SECONDS = 5.0
LIMIT = 900.0
"""Seconds that any step may take."""


def place(number: int) -> tuple[str, str]:
    """Return the namespace and the name of a cluster."""
    return f"n{number % NAMESPACES}", f"c{number}"


def declare(ground: Ground, number: int, work_mem: str) -> None:
    """Make or edit a cluster."""
    namespace, name = place(number)
    engine = {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": work_mem}}
    operating.declare(ground.server, name, namespace, shards={"count": 1, "instances": INSTANCES}, engine=engine)


def is_ready(ground: Ground, number: int) -> bool:
    """Return whether a cluster is ready for its newest generation."""
    namespace, name = place(number)
    return operating.is_ready(ground.server, name, namespace)


async def until(holds: Callable[[], bool], every: float) -> float:
    """Wait until something holds; return how many seconds that took."""
    began = time.monotonic()
    async with asyncio.timeout(LIMIT):
        while not holds():  # noqa: ASYNC110 -- looks at another process' doing
            await asyncio.sleep(every)
    return time.monotonic() - began


async def edit(ground: Ground, number: int, work_mem: str, after: float = 0.0) -> float:
    """Edit a cluster and return the seconds until its agents' spec was written."""
    namespace, name = place(number)
    await asyncio.sleep(after)
    declare(ground, number, work_mem)
    key = (resources.CONFIG_MAP, namespace, names.shard_config(name, names.shard(0)))
    return await until(lambda: work_mem in ground.server.objects[key]["data"]["spec.json"], 0.02)


def spread(waits: list[float]) -> dict[str, float]:
    """Return median, 99th percentile (the smallest value that 99 % do not exceed) and maximum, in seconds."""
    ordered = sorted(waits)
    at = [ordered[-(-len(ordered) * share // 100) - 1] for share in (50, 99, 100)]
    return dict(zip(("p50", "p99", "max"), (round(value, 3) for value in at), strict=True))


async def measure(clusters: int, folder: pathlib.Path) -> dict[str, object]:
    """Make clusters, leave them in peace, edit them; return the figures."""
    dice = random.Random(1)
    numbers = list(range(clusters))
    async with Ground(folder, sync_every=0.5).running() as ground:
        for number in numbers:
            declare(ground, number, "4MB")
        born = await until(lambda: all(is_ready(ground, number) for number in numbers), 1.0)
        print(f"{clusters} clusters of {INSTANCES} instances ready after {born:.0f} s", flush=True)
        await asyncio.sleep(30)
        used, began = ground.operator.processor_seconds(), time.monotonic()
        await asyncio.sleep(60)
        core = (ground.operator.processor_seconds() - used) / (time.monotonic() - began)
        dice.shuffle(numbers)
        gaps = [SPREAD_SECONDS * index / clusters for index in range(clusters)]
        edits = (edit(ground, number, "5MB", gap) for number, gap in zip(numbers, gaps, strict=True))
        steady = await asyncio.gather(*edits)
        await asyncio.sleep(10)
        burst = await asyncio.gather(*(edit(ground, number, "6MB") for number in numbers))
        memory = ground.operator.memory()
        starts = ground.operator.starts
    return {
        "clusters": clusters,
        "instances": clusters * INSTANCES,
        "born_seconds": round(born, 1),
        "resident_mib": round(memory["resident"], 1),
        "highest_mib": round(memory["highest"], 1),
        "core_in_peace": round(core, 3),
        "steady_seconds": spread(steady),
        "all_at_once_seconds": spread(burst),
        "operator_starts": starts,
    }


def main() -> None:
    """Measure, print a table, write the JSON; exit with 1 if a gate was missed."""
    clusters = int(sys.argv[1]) if len(sys.argv) > 1 else CLUSTERS
    logging.getLogger("aiohttp").setLevel(logging.ERROR)
    described = machine.describe("kopf", "kubernetes", "aiohttp")
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(clusters, pathlib.Path(folder)))
    for name, value in figures.items():
        print(f"{name:>20} {value}")
    gates = {"highest_mib": GATE_MIB, "steady_seconds.p99": GATE_SECONDS}
    print(f"gates: {GATE_MIB:.0f} MiB, p99 {GATE_SECONDS:.0f} s")
    if clusters == CLUSTERS:
        RESULT.write_text(json.dumps({"machine": described, "gates": gates, "figures": figures}, indent=1) + "\n")
    steady = figures["steady_seconds"]
    within = isinstance(steady, dict) and steady["p99"] <= GATE_SECONDS
    sys.exit(0 if within and float(str(figures["highest_mib"])) <= GATE_MIB else 1)


if __name__ == "__main__":
    main()
