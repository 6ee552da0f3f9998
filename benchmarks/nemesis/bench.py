"""One shard, many runs: strike, wait for the first write, repair, wait until it healed, ask the oracle."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import os
import pathlib
import shutil
import time
from typing import Any, Final, Self

from benchmarks.nemesis import health, oracle, phases
from benchmarks.nemesis.crew import Crew
from benchmarks.nemesis.faults import FAULTS, Scene
from benchmarks.nemesis.nodes import NodeAgent, NodeShard
from benchmarks.nemesis.plan import MEMBERS, Plan
from benchmarks.nemesis.writers import FAILURES, Settings
from covet.core.errors import CovetError
from covet.planner.election import timers
from tests.e2e.process.agents import Agent
from tests.e2e.process.shard import DATABASE, OWNER, PASSWORD

HEAL_SECONDS: Final = 60.0
"""Within which every member streams again after a repair."""
LIMIT_SECONDS: Final = timers.Timers().limit / 1000 * timers.DRIFT
"""A failover by silence is held back for so long after another one."""
CATCH_UP_SECONDS: Final = 15.0
NO_GOAL_SECONDS: Final = 4.0
"""A run of a fault without a goal is slow from here on."""
BACK_SECONDS: Final = 10.0
"""The former leader ought to be a healthy replica again within so long after the repair."""
SETTLE_SECONDS: Final = 0.2
"""Writes go on for so long after the first acknowledgement: the new leader has to keep what it takes."""

TABLE: Final = (
    "CREATE TABLE nemesis (id bigint NOT NULL, writer int NOT NULL)",
    "CREATE INDEX nemesis_id ON nemesis (id)",
)
"""No unique constraint: a write that is there twice has to be seen."""


class Bench:
    """A shard with its writers, for as many runs as it survives.

    Args:
        folder: where the logs of a failing or slow run go, a folder for each.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self.shard = NodeShard(MEMBERS)
        self._crew: Crew | None = None
        self._left = oracle.Rows(0, 0)
        self._moved_at = 0.0
        self._count = 0

    async def __aenter__(self) -> Self:
        try:
            await self.shard.__aenter__()
            await self.shard.birth()
            for statement in TABLE:
                await self.shard.execute(statement)
            settings = Settings(
                hosts=tuple((peer.address, peer.sql_port) for peer in self.shard.spec.peers),
                user=OWNER,
                password=PASSWORD,
                database=DATABASE,
                authority=str(self.shard.folder / "operator" / "ca.crt"),
            )
            self._crew = Crew(settings, self.shard.folder)
            await self._crew.start()
        except BaseException:
            self.keep_logs(self._folder / "failed" / "birth")
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End writers, shard and networks."""
        if self._crew is not None:
            await self._crew.close()
        await self.shard.close()

    async def run(self, plan: Plan) -> dict[str, Any]:
        """Do one run and return its result; `problems` is empty if all went as promised."""
        self._count += 1
        began = time.time()
        log = self.shard.folder / f"writes-{self._count}.jsonl"
        result: dict[str, Any] = {"tier": "process", **dataclasses.asdict(plan), "problems": []}
        result["started"] = dt.datetime.fromtimestamp(began, dt.UTC).isoformat(timespec="seconds")
        result["load"] = round(os.getloadavg()[0], 2)
        try:
            await self._do(plan, log, result)
        except (health.BrokenRunError, CovetError, AssertionError, *FAILURES) as error:
            result["problems"].append(f"{type(error).__name__}: {error}"[:500])
        result["seconds"] = round(time.time() - began, 1)
        name = f"{plan.fault}-{plan.seed}-{plan.run}"
        if result["problems"]:
            self.keep_logs(self._folder / "failed" / name, log)
        elif is_slow(result):
            self.keep_logs(self._folder / "slow" / name, log)
        log.unlink(missing_ok=True)
        return result

    def keep_logs(self, folder: pathlib.Path, writes: pathlib.Path | None = None) -> None:
        """Copy the agents' logs and the writers' log into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for agent in self.shard.agents:
            for path in (agent.log, agent.data / "agent" / "promise.json"):
                with contextlib.suppress(OSError):
                    shutil.copy(path, folder / f"{agent.peer.instance}-{path.name}")
        if writes is not None and writes.exists():
            shutil.copy(writes, folder / "writes.jsonl")

    # ------------------------------------------------------------ one run

    async def _do(self, plan: Plan, log: pathlib.Path, result: dict[str, Any]) -> None:
        assert self._crew is not None
        fault = FAULTS[plan.fault]
        leader = await health.await_whole(self.shard, HEAL_SECONDS)
        if fault.silent:
            await asyncio.sleep(max(0.0, self._moved_at + LIMIT_SECONDS - time.monotonic()))
        followers = tuple(member for member in self.shard.members if member is not leader)
        scene = Scene(self.shard, leader, followers, plan)
        offset = time.time() - time.monotonic()
        term = await self._crew.begin(log)
        try:
            await asyncio.sleep(plan.warm)
            at = time.monotonic_ns()
            struck = asyncio.create_task(fault.strike(scene))
            repaired = asyncio.create_task(self._repair(scene, struck))
            result |= {"leader": leader.peer.instance, "term": term, "fault_at": round(at / 1e9 + offset, 3)}
            if fault.fails_over:
                await self._await_write(term, fault.limit, result)
            await repaired
            if not fault.fails_over:
                await self._await_ack(log, fault.limit, result)
            await self._time_return(leader, at, result)
            await asyncio.sleep(SETTLE_SECONDS)
        finally:
            for member in self.shard.members:
                member.restore()
            await self._crew.end()
        history = read_history(log)
        self._measure(history, at, term, result)
        await self._judge(history, result)

    async def _repair(self, scene: Scene, struck: asyncio.Task[None]) -> None:
        fault = FAULTS[scene.plan.fault]
        began = time.monotonic()
        await struck
        if fault.repair is not None:
            await asyncio.sleep(max(0.0, scene.plan.repair - (time.monotonic() - began)))
            await fault.repair(scene)

    async def _await_write(self, term: int, limit: float, result: dict[str, Any]) -> None:
        assert self._crew is not None
        try:
            result["new_term"] = await self._crew.await_term(term, limit)
        except TimeoutError:
            result["problems"].append(f"no leader of a newer term acknowledged a write within {limit:.0f} s")

    async def _await_ack(self, log: pathlib.Path, limit: float, result: dict[str, Any]) -> None:
        """Wait for a write that was acknowledged after now."""
        count, deadline = len(read_history(log).acks), time.monotonic() + limit
        while time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            if len(read_history(log).acks) > count:
                return
        result["problems"].append(f"no write was acknowledged within {limit:.0f} s after the repair")

    async def _time_return(self, leader: NodeAgent, at: int, result: dict[str, Any]) -> None:
        """Wait until the shard is whole, and note when."""
        await health.await_whole(self.shard, HEAL_SECONDS)
        milliseconds = round((time.monotonic_ns() - at) / 1e6)
        result["healed_ms"] = milliseconds
        if self.shard.leader is not leader:
            plan_ms = result["repair"] * 1000
            result["back_ms"] = round(milliseconds - plan_ms)

    # ------------------------------------------------------------ judgement

    def _measure(self, history: oracle.History, at: int, term: int, result: dict[str, Any]) -> None:
        result |= {"acknowledged": len(history.acks), "in_doubt": len(history.doubts)}
        gap = oracle.measure_gap(history, at, term)
        if gap is None:
            result["problems"].append("no write was acknowledged after the fault")
            return
        result["gap_ms"] = round(gap.any_writer, 1)
        result["writers_ms"] = None if gap.median_writer is None else round(gap.median_writer, 1)
        result["longest_ms"] = round(gap.longest, 1)
        fault_at = result["fault_at"]
        lines = [line for agent in self.shard.members for line in read_log(agent, fault_at - 0.5)]
        reached = next((ack.term for ack in history.acks if ack.term > term), term)
        result["new_term"] = reached
        self._moved_at = gap.first_at / 1e9 if reached > term else self._moved_at
        result["phases"] = phases.measure(lines, reached, fault_at, fault_at + (gap.first_at - at) / 1e9)

    async def _judge(self, history: oracle.History, result: dict[str, Any]) -> None:
        """Hold the rows of every member against what the writers were told, once nobody writes and all is well."""
        await health.await_whole(self.shard, HEAL_SECONDS)
        first = min(history.doubts.union(ack.number for ack in history.acks))
        terms = oracle.judge_terms(history)
        lost: list[str] = []
        position = await self.shard.value("SELECT pg_current_wal_flush_lsn()::text")
        for member in self.shard.members:
            if member is not self.shard.leader:
                await self._await_replay(member.peer.instance, member, position)
            earlier, rows = await self._read_rows(member, first)
            lost += oracle.judge_rows(history, rows, member.peer.instance)
            lost += oracle.judge_earlier(self._left, earlier, member.peer.instance)
            left = oracle.Rows(earlier.count + len(rows), earlier.total + sum(rows))
        self._left = left
        result |= {"lost": lost, "second_leader": terms}
        result["problems"] += [*lost, *terms]

    async def _await_replay(self, name: str, member: NodeAgent, position: str) -> None:
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while not await self.shard.value(f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn", agent=member):
            if time.monotonic() > deadline:
                raise health.BrokenRunError(f"{name} does not replay up to {position}")
            await asyncio.sleep(0.05)

    async def _read_rows(self, member: Agent, first: int) -> tuple[oracle.Rows, list[int]]:
        """Return the sum of what earlier runs left, and the numbers from the first one of this run on."""
        connection = await self.shard.connect(member)
        try:
            count, total = await connection.fetchrow(
                "SELECT count(*), coalesce(sum(id), 0)::numeric FROM nemesis WHERE id < $1", first, timeout=10.0
            )
            found = await connection.fetch("SELECT id FROM nemesis WHERE id >= $1", first, timeout=10.0)
        finally:
            await connection.close(timeout=2.0)
        return oracle.Rows(int(count), int(total)), [row["id"] for row in found]


def is_slow(result: dict[str, Any]) -> bool:
    """Tell whether somebody will want to know why a run took so long."""
    goal = FAULTS[result["fault"]].goal or NO_GOAL_SECONDS
    return bool(result.get("gap_ms", 0.0) > 1000 * goal or result.get("back_ms", 0.0) > 1000 * BACK_SECONDS)


def read_history(log: pathlib.Path) -> oracle.History:
    """Read what the writers noted so far."""
    return oracle.read(line for line in log.read_text().splitlines(keepends=True) if line.endswith("\n"))


def read_log(agent: NodeAgent, since: float) -> list[phases.Line]:
    """Read an agent's log from a moment on, seconds since the epoch."""
    with agent.log.open(errors="replace") as log:
        return phases.read(log, since)
