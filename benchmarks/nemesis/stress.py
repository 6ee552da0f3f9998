"""A healthy shard on a machine that is at its end: every core busy, the network dead for half a second again and again.

Nothing fails here that a failover would cure, so every election is one too many.
"""

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import random
import re
import sys
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

from benchmarks.nemesis import health, judging, oracle, phases
from benchmarks.nemesis.bench import Bench
from benchmarks.nemesis.processtier import ProcessStage

KIND: Final = "stress"
STALL_SECONDS: Final = 0.5
PAUSE: Final = (2.0, 5.0)
"""Bounds of the seconds between two stalls."""
PATIENCE: Final = 60.0
CANDIDATE: Final = re.compile(r"^Candidate, term (\d+)\.$")


@dataclasses.dataclass(frozen=True)
class Stall:
    """Half a second without a network.

    Args:
        after: seconds since the end of the one before.
        member: whose network stalls; None means everybody's.
    """

    after: float
    member: int | None


def draw(seed: int, members: int) -> Iterable[Stall]:
    """Draw stalls without end: of the whole network every other time, else of one member."""
    chance = random.Random(f"{seed}/{KIND}")
    while True:
        everybody = chance.random() < 0.5
        yield Stall(chance.uniform(*PAUSE), None if everybody else chance.randrange(members))


def elections(lines: Iterable[phases.Line]) -> list[str]:
    """Return who stood for election, and for which term."""
    return sorted({f"{line.instance} in term {found[1]}" for line in lines if (found := CANDIDATE.match(line.text))})


async def run(seed: int, minutes: float, folder: pathlib.Path) -> dict[str, Any]:
    """Write for some minutes under stress; `problems` of the result is empty if nobody stood for election.

    Args:
        seed: of the stalls.
        minutes: of stress.
        folder: where the logs of a run with problems go.
    """
    stage = ProcessStage()
    async with Bench(stage, folder) as bench:
        result: dict[str, Any] = {"fault": KIND, "seed": seed, "minutes": minutes, "cores": os.cpu_count()}
        result |= {"load": round(os.getloadavg()[0], 2), "problems": []}
        log = stage.folder / "writes.jsonl"
        began = time.time()
        async with bench.writing(log) as term, burning():
            result["stalls"] = await stall(stage, seed, began + minutes * 60)
            result["load_during"] = round(os.getloadavg()[0], 2)
            candidates = elections(stage.lines(began))
        history = judging.read_history(log)
        gap = oracle.measure_gap(history, 0, term)
        result |= {"acknowledged": len(history.acks), "in_doubt": len(history.doubts)}
        result["longest_ms"] = None if gap is None else round(gap.longest, 1)
        result["elections"] = candidates
        result["problems"] += [f"stood for election: {who}" for who in candidates]
        await health.await_whole(stage, PATIENCE)
        await bench.judge.judge(history, result)
        if result["problems"]:
            bench.keep_logs("failed", f"{KIND}-{seed}", log, result)
        return result


async def stall(stage: ProcessStage, seed: int, until: float) -> int:
    """Stall the network until a moment, seconds since the epoch; return how often."""
    count = 0
    for one in draw(seed, len(stage.instances)):
        await asyncio.sleep(one.after)
        if time.time() > until:
            break
        members = stage.shard.members if one.member is None else [stage.shard.members[one.member]]
        await asyncio.gather(*(asyncio.to_thread(member.node.stall, STALL_SECONDS) for member in members))
        await asyncio.sleep(STALL_SECONDS)
        count += 1
    return count


@contextlib.asynccontextmanager
async def burning() -> AsyncIterator[None]:
    """Keep every core busy."""
    burners = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            await burner.wait()
