"""Clients that write while something is done to a shard, and what they were told."""

import asyncio
import dataclasses
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.nemesis import judging, oracle
from benchmarks.nemesis.bench import Bench
from benchmarks.nemesis.clustertier import ClusterStage
from tests.e2e.cluster.shops import Shop

PATIENCE = 4.0
"""A machine that is busy with other things is slow, not wrong."""


@dataclasses.dataclass(frozen=True)
class Told:
    """What the clients of one shard were told.

    Args:
        acknowledged: how many writes.
        terms: of the leaders that acknowledged them, in order.
        silence: seconds, the longest time without an acknowledgement on any client.
        problems: acknowledged writes that are missing or double on a member, terms with two leaders.
    """

    acknowledged: int
    terms: tuple[int, ...]
    silence: float
    problems: tuple[str, ...]


def write_during(shop: Shop, devcluster: str, act: Callable[[], None]) -> Told:
    """Let eight clients write while `act` runs: half over a DSN of all pods, half over the Service `-rw`.

    Args:
        shop: with a shard `s0` of three that is ready.
        devcluster: its name.
        act: runs in a thread; afterwards the shard has to become whole again.
    """
    return asyncio.run(_write_during(shop, devcluster, act))


async def _write_during(shop: Shop, devcluster: str, act: Callable[[], None]) -> Told:
    with tempfile.TemporaryDirectory(prefix="covet-writing-") as folder:
        log = Path(folder) / "writes.jsonl"
        stage = ClusterStage(shop.covet, devcluster, shop.namespace)
        async with Bench(stage, Path(folder), PATIENCE) as bench:
            async with bench.writing(log):
                await asyncio.to_thread(act)
                await asyncio.sleep(1.0)
            history = judging.read_history(log)
            result: dict[str, Any] = {"problems": []}
            await bench.judge.judge(history, result)
    pauses = [after.at - before.at for before, after in itertools.pairwise(history.acks)]
    return Told(
        len(history.acks),
        tuple(sorted({ack.term for ack in history.acks})),
        max(pauses, default=0) / oracle.MILLISECOND / 1000,
        tuple(result["problems"]),
    )
