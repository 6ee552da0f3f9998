"""Lookups of the ring beside uhashring, jump hash and a ring of virtual nodes, on the machine where it runs.

Prints a table and writes `benchmarks/results/ring.json`; ends with 1 when a goal was missed. Every figure is the
median of many short runs: a run of a few milliseconds is either disturbed by a neighbour or not, and the median is
not, as long as most are not. The Rust figures come from `rust-hasher/ring/examples/bench.rs`.

    python -m benchmarks.ring
"""

import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import covet_hasher
import jump
import numpy as np
import numpy.typing as npt
import uhashring

from benchmarks import machine

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "ring.json"
SHARDS = [(f"s{number}", 1) for number in range(16)]
BATCH = 1_000_000
FEW = 20_000
RUNS = 41


Array: TypeAlias = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Goal:
    """A figure that has to be reached.

    Args:
        name: the figure's name in the JSON.
        words: what it is.
        bound: the goal, in ns per lookup (not above) or keys per second (not below).
    """

    name: str
    words: str
    bound: float

    def met_by(self, figure: float) -> bool:
        """Tell whether a figure reaches the goal."""
        return figure <= self.bound if self.name.endswith("_ns") else figure >= self.bound


GOALS = (
    Goal("chain_pg1_ns", "one lookup of an integer, dependent chain, Rust, pg1", 6),
    Goal("chain_cv1_ns", "the same, cv1", 6),
    Goal("batch_pg1_keys_per_s", "batch of integers, Rust, one core, pg1", 1e9),
    Goal("batch_cv1_keys_per_s", "the same, cv1", 1e9),
    Goal("numpy_pg1_keys_per_s", "batch from NumPy through Python, pg1", 5e8),
    Goal("numpy_cv1_keys_per_s", "the same, cv1", 5e8),
    Goal("list_str_keys_per_s", "batch of a list of str from Python, pg1", 2e7),
)
COMPARED = (
    ("chain_jump_ns", "jump hash, dependent chain, Rust"),
    ("chain_virtual_nodes_ns", "ring of 160 virtual nodes per shard, dependent chain, Rust"),
    ("single_pg1_ns", "lookups that do not wait for each other, Rust, pg1"),
    ("single_cv1_ns", "the same, cv1"),
    ("single_jump_ns", "jump hash, lookups that do not wait for each other, Rust"),
    ("single_virtual_nodes_ns", "ring of virtual nodes, likewise"),
    ("batch_pg1_text_keys_per_s", "text keys one by one, Rust, pg1"),
    ("numpy_pure_cv1_keys_per_s", "batch, cv1 written in NumPy"),
    ("list_int_keys_per_s", "batch of a list of int from Python, pg1"),
    ("list_uuid_keys_per_s", "batch of a list of uuid.UUID from Python, pg1"),
    ("python_lookup_int_ns", "one lookup from Python, int"),
    ("python_lookup_str_ns", "one lookup from Python, str"),
    ("python_lookup_uuid_ns", "one lookup from Python, uuid.UUID"),
    ("python_jump_ns", "one lookup from Python, jump-consistent-hash (C), int"),
    ("python_uhashring_ns", "one lookup from Python, uhashring, str"),
)


def seconds(call: Callable[[], object], runs: int = RUNS) -> float:
    """Median seconds of a call."""
    call()
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def measure_rust() -> dict[str, float]:
    """Build and run the Rust bench."""
    folder = ROOT / "rust-hasher"
    command = ["cargo", "run", "--release", "--locked", "--quiet", "--package", "covet-ring", "--example", "bench"]
    done = subprocess.run(command, cwd=folder, env=os.environ, stdout=subprocess.PIPE, timeout=900, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure_batches() -> dict[str, float]:
    """Keys per second of whole batches from Python."""
    pg1 = covet_hasher.Map.initial("bench", SHARDS)
    cv1 = covet_hasher.Map.initial("bench", SHARDS, hashes={"bigint": "cv1"})
    array = np.random.default_rng(1).integers(-(2**63), 2**63 - 1, BATCH, dtype=np.int64)
    integers = array[:FEW].tolist()
    texts = [f"customer-{number & 0xFFFFFF}" for number in integers]
    uuids = [uuid.UUID(int=number & (2**128 - 1)) for number in integers]
    table = owners_by_slot(cv1)
    assert (cv1.lookup_many(array) == table[cv1_slots(array)]).all(), "NumPy and Rust differ"
    return {
        "numpy_pg1_keys_per_s": BATCH / seconds(lambda: pg1.lookup_many(array)),
        "numpy_cv1_keys_per_s": BATCH / seconds(lambda: cv1.lookup_many(array)),
        "numpy_pure_cv1_keys_per_s": BATCH / seconds(lambda: table[cv1_slots(array)]),
        "list_int_keys_per_s": FEW / seconds(lambda: pg1.lookup_many(integers)),
        "list_str_keys_per_s": FEW / seconds(lambda: pg1.lookup_many(texts)),
        "list_uuid_keys_per_s": FEW / seconds(lambda: pg1.lookup_many(uuids)),
    }


def measure_single_lookups() -> dict[str, float]:
    """Nanoseconds of one lookup called from Python, the loop around it included for all alike."""
    ring = covet_hasher.Map.initial("bench", SHARDS)
    peer = uhashring.HashRing(nodes=[name for name, _ in SHARDS])
    integers = list(range(1000))
    texts = [f"customer-{number}" for number in integers]
    uuids = [uuid.UUID(int=number) for number in integers]

    def per_key(lookup: Callable[[Any], object], keys: Sequence[object]) -> float:
        return 1e9 / len(keys) * seconds(lambda: [lookup(key) for key in keys])

    return {
        "python_lookup_int_ns": per_key(ring.lookup, integers),
        "python_lookup_str_ns": per_key(ring.lookup, texts),
        "python_lookup_uuid_ns": per_key(ring.lookup, uuids),
        "python_jump_ns": per_key(lambda key: jump.hash(key, len(SHARDS)), integers),
        "python_uhashring_ns": per_key(peer.get_node, texts),
    }


def owners_by_slot(ring: covet_hasher.Map) -> Array:
    """Spread the slots of a map over an array."""
    table = np.zeros(covet_hasher.SLOTS, dtype=np.uint16)
    ids = {shard.name: shard.id for shard in ring.shards}
    for first, last, name in ring.slots():
        table[first : last + 1] = ids[name]
    return table


def cv1_slots(keys: Array) -> Array:
    """Compute the slots of integers by cv1 in NumPy alone: what one would write without Rust."""
    bits = keys.view(np.uint64)
    mixed = (bits & 0xFFFFFFFF) * np.uint64(739982445) + (bits >> np.uint64(32)) * np.uint64(695872825)
    position = ((mixed ^ (mixed >> np.uint64(32))) & 0xFFFFFFFF) * np.uint64(2146121005) & 0xFFFFFFFF
    slots: Array = position >> np.uint64(18)
    return slots


def main() -> None:
    """Measure, print the tables, write the JSON."""
    described = machine.describe("covet-hasher", "numpy", "uhashring", "jump-consistent-hash")
    figures = measure_rust() | measure_batches() | measure_single_lookups()
    print(f"{described['cpu']}, {described['cores']} cores, load {described['load']}; {len(SHARDS)} equal shards\n")
    missed = []
    for goal in GOALS:
        met = goal.met_by(figures[goal.name])
        missed += [] if met else [goal.name]
        words = f"goal {readable(goal.name, goal.bound)}: {'met' if met else 'MISSED'}"
        print(f"{goal.words:<60} {readable(goal.name, figures[goal.name]):>14}   {words}")
    print()
    for name, words in COMPARED:
        print(f"{words:<60} {readable(name, figures[name]):>14}")
    document = {
        "machine": described,
        "shards": len(SHARDS),
        "goals": {goal.name: goal.bound for goal in GOALS},
        "missed": missed,
        "figures": {name: round(figure, 3) for name, figure in sorted(figures.items())},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(document, indent=2) + "\n")
    sys.exit(1 if missed else 0)


def readable(name: str, figure: float) -> str:
    """Write a figure with its unit."""
    if name.endswith("_ns"):
        return f"{figure:.1f} ns"
    return f"{figure / 1e9:.2f} G/s" if figure >= 1e9 else f"{figure / 1e6:.1f} M/s"


if __name__ == "__main__":
    main()
