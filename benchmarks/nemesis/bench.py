"""One shard, many runs: strike, wait for the first write, repair, wait until it healed, ask the oracle."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import json
import os
import pathlib
import shutil
import time
import traceback
from collections.abc import AsyncIterator
from typing import Any, Final, Generic, Self

from benchmarks.nemesis import health, judging, oracle, phases
from benchmarks.nemesis.clients import DSN, FAILURES, RW
from benchmarks.nemesis.crew import Crew
from benchmarks.nemesis.kinds import BACK_SECONDS, Fault, SceneT
from benchmarks.nemesis.plan import Plan
from benchmarks.nemesis.stage import Stage
from covet.core.errors import CovetError
from covet.planner.election import timers
from tests.e2e.devcluster.errors import DevclusterError

HEAL_SECONDS: Final = 60.0
"""Within which every member streams again after a repair."""
LIMIT_SECONDS: Final = timers.Timers().limit / 1000 * timers.DRIFT
"""A failover by silence is held back for so long after another one."""
NO_GOAL_SECONDS: Final = 4.0
"""A run of a fault without a goal is slow from here on."""
SETTLE_SECONDS: Final = 0.2
"""Writes go on for so long after the first acknowledgement: the new leader has to keep what it takes."""
RETURN_SECONDS: Final = 60.0
"""The Service leads to the new leader within so long after that one took its first write."""

TABLE: Final = (
    "CREATE TABLE nemesis (id bigint NOT NULL, writer int NOT NULL)",
    "CREATE INDEX nemesis_id ON nemesis (id)",
    "CREATE TABLE lists (key bigint PRIMARY KEY, items bigint[] NOT NULL)",
)
"""No unique constraint on what is written: a write that is there twice has to be seen."""


class Bench(Generic[SceneT]):
    """A shard with its writers, for as many runs as it survives.

    Args:
        stage: the shard.
        folder: where the logs of a failing or slow run go, a folder for each.
        patience: how many times longer than usual everything may take, where nothing is measured.
    """

    def __init__(self, stage: Stage[SceneT], folder: pathlib.Path, patience: float = 1.0) -> None:
        self._folder = folder
        self._stage = stage
        self._crew: Crew | None = None
        self._patience = patience
        self._heal = HEAL_SECONDS * patience
        self.judge = judging.Judge(stage, self._heal)
        self._moved_at = 0.0
        self._count = 0

    async def __aenter__(self) -> Self:
        try:
            await self._stage.open()
            leader = await health.await_whole(self._stage, self._heal)
            session = await self._stage.connect(leader)
            for statement in TABLE:
                await session.execute(statement, timeout=10.0)
            await session.close(timeout=2.0)
            self._crew = Crew(self._stage.settings(), self._stage.folder)
            await self._crew.start()
        except BaseException:
            self.keep_logs("failed", "birth")
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End writers, shard and networks."""
        if self._crew is not None:
            await self._crew.close()
        await self._stage.close()

    async def run(self, plan: Plan) -> dict[str, Any]:
        """Do one run and return its result; `problems` is empty if all went as promised."""
        self._count += 1
        began, idle = time.time(), read_idle()
        log = self._stage.folder / f"writes-{self._count}.jsonl"
        result: dict[str, Any] = {"tier": self._stage.tier, **dataclasses.asdict(plan), "problems": []}
        result["started"] = dt.datetime.fromtimestamp(began, dt.UTC).isoformat(timespec="seconds")
        result["load"] = round(os.getloadavg()[0], 2)
        try:
            await self._do(plan, log, result)
        except* (health.BrokenRunError, CovetError, AssertionError, DevclusterError, *FAILURES) as errors:
            for error in errors.exceptions:
                where = traceback.extract_tb(error.__traceback__)[-1]
                result["problems"].append(f"{type(error).__name__}: {error} (in {where.name})"[:500])
        result["seconds"] = round(time.time() - began, 1)
        cores = os.cpu_count() or 1
        result["busy"] = round(1 - (read_idle() - idle) / (time.time() - began) / cores, 2)
        name = f"{plan.fault}-{plan.seed}-{plan.run}"
        if result["problems"]:
            self.keep_logs("failed", name, log, result)
        elif self._is_slow(result):
            self.keep_logs("slow", name, log, result)
        log.unlink(missing_ok=True)
        return result

    def keep_logs(
        self, kind: str, name: str, writes: pathlib.Path | None = None, result: dict[str, Any] | None = None
    ) -> None:
        """Copy the shard's logs, the writers' log and the result into a folder."""
        folder = self._folder / kind / name
        folder.mkdir(parents=True, exist_ok=True)
        self._stage.keep_logs(folder)
        if result is not None:
            (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
        if writes is not None and writes.exists():
            shutil.copy(writes, folder / "writes.jsonl")

    @contextlib.asynccontextmanager
    async def writing(self, log: pathlib.Path) -> AsyncIterator[int]:
        """Write into a log for as long as the block lasts; the term of the leader is its value."""
        assert self._crew is not None
        term = await self._crew.begin(log)
        try:
            yield term
        finally:
            await self._stage.restore()
            await self._crew.end()

    # ------------------------------------------------------------ one run

    async def _do(self, plan: Plan, log: pathlib.Path, result: dict[str, Any]) -> None:
        assert self._crew is not None
        fault = self._stage.faults[plan.fault]
        leader = await health.await_whole(self._stage, self._heal)
        await self._stage.prepare(plan, leader)
        if fault.silent:
            await asyncio.sleep(max(0.0, self._moved_at + LIMIT_SECONDS - time.monotonic()))
        scene = self._stage.scene(plan, leader)
        offset = time.time() - time.monotonic()
        returned: int | None = None
        async with self.writing(log) as term:
            await self._stage.darken(plan)
            await asyncio.sleep(plan.warm)
            at = time.monotonic_ns()
            struck = asyncio.create_task(fault.strike(scene))
            repaired = asyncio.create_task(repair(fault, scene, plan, struck))
            result |= {"leader": leader, "term": term, "fault_at": round(at / 1e9 + offset, 3)}
            if fault.fails_over:
                await self._await_write(term, fault.limit * self._patience, DSN, result)
            await struck
            returned = await self._stage.lighten()
            undone = max(await repaired, returned or 0)
            if not fault.fails_over:
                await self._await_ack(log, fault.limit * self._patience, result)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._time_return(leader, at, undone, result))
                if fault.fails_over and self._knows_service():
                    group.create_task(self._await_write(term, RETURN_SECONDS * self._patience, RW, result))
            await asyncio.sleep(SETTLE_SECONDS)
        history = judging.read_history(log)
        self._measure(history, at, term, result)
        if self._knows_service():
            judging.measure_service(history, at, term, returned, result)
        await self.judge.judge(history, result)

    def _knows_service(self) -> bool:
        return any(way.name == RW for way in self._stage.settings().ways)

    async def _await_write(self, term: int, limit: float, way: str, result: dict[str, Any]) -> None:
        assert self._crew is not None
        try:
            result["new_term"] = await self._crew.await_term(term, limit, way)
        except TimeoutError:
            problem = f"no leader of a newer term acknowledged a write over {way} within {limit:.0f} s"
            result["problems"].append(problem)

    async def _await_ack(self, log: pathlib.Path, limit: float, result: dict[str, Any]) -> None:
        """Wait for a write that was acknowledged after now."""
        count, deadline = len(judging.read_history(log).acks), time.monotonic() + limit
        while time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            if len(judging.read_history(log).acks) > count:
                return
        result["problems"].append(f"no write was acknowledged within {limit:.0f} s after the repair")

    async def _time_return(self, leader: str, at: int, undone: int, result: dict[str, Any]) -> None:
        """Wait until the shard is whole, and note when."""
        found = await health.await_whole(self._stage, self._heal)
        now = time.monotonic_ns()
        result["healed_ms"] = round((now - at) / 1e6)
        if found != leader:
            result["back_ms"] = round((now - undone) / 1e6)

    # ------------------------------------------------------------ figures

    def _measure(self, history: oracle.History, at: int, term: int, result: dict[str, Any]) -> None:
        result |= {"acknowledged": len(history.acks), "in_doubt": len(history.doubts)}
        gap = oracle.measure_gap(oracle.over(history, DSN), at, term)
        if gap is None:
            result["problems"].append("no write was acknowledged after the fault")
            return
        result["gap_ms"] = round(gap.any_writer, 1)
        result["writers_ms"] = None if gap.median_writer is None else round(gap.median_writer, 1)
        result["longest_ms"] = round(gap.longest, 1)
        fault_at = result["fault_at"]
        lines = self._stage.lines(fault_at - 0.5)
        reached = next((ack.term for ack in history.acks if ack.term > term), term)
        result["new_term"] = reached
        self._moved_at = gap.first_at / 1e9 if reached > term else self._moved_at
        result["phases"] = phases.measure(lines, reached, fault_at, fault_at + (gap.first_at - at) / 1e9)

    def _is_slow(self, result: dict[str, Any]) -> bool:
        """Tell whether somebody will want to know why a run took so long."""
        goal = self._stage.faults[result["fault"]].goal or NO_GOAL_SECONDS
        late = 1000 * BACK_SECONDS[self._stage.tier]
        return bool(result.get("gap_ms", 0.0) > 1000 * goal or result.get("back_ms", 0.0) > late)


async def repair(fault: Fault[SceneT], scene: SceneT, plan: Plan, struck: asyncio.Task[None]) -> int:
    """Undo a fault when its time has come; return the moment from which on it was, in monotonic nanoseconds."""
    began = time.monotonic()
    await struck
    if fault.repair is None:
        return time.monotonic_ns()
    await asyncio.sleep(max(0.0, plan.repair - (time.monotonic() - began)))
    undone = time.monotonic_ns()
    await fault.repair(scene)
    return undone


def read_idle() -> float:
    """Return the seconds that the cores were idle or waited for disks since the machine began, all together."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")
