"""Holds the rows of every member against what the writers were told, once nobody writes and all is well."""

import asyncio
import pathlib
import time
from typing import Any, Final

from benchmarks.nemesis import cycles, health, lists, oracle
from benchmarks.nemesis.clients import RW
from benchmarks.nemesis.stage import Stage

CATCH_UP_SECONDS: Final = 15.0


class Judge:
    """Remembers what earlier runs left.

    Args:
        stage: the shard.
        patience: seconds within which it has to be whole.
    """

    def __init__(self, stage: Stage[Any], patience: float) -> None:
        self._stage = stage
        self._patience = patience
        self._left = oracle.Rows(0, 0)

    async def judge(self, history: oracle.History, result: dict[str, Any]) -> None:
        """Add to a result what was lost, and who acknowledged what it should not have."""
        leader = await health.await_whole(self._stage, self._patience)
        first = min(history.doubts.union(ack.number for ack in history.acks))
        terms, stale = oracle.judge_terms(history), oracle.judge_reads(history)
        lost: list[str] = []
        ends: dict[str, lists.Ends] = {}
        position = str(await self._value(leader, "SELECT pg_current_wal_flush_lsn()::text"))
        for instance in self._stage.instances:
            if instance != leader:
                await self._await_replay(instance, position)
            earlier, rows = await self._read_rows(instance, first)
            lost += oracle.judge_rows(history, rows, instance)
            lost += oracle.judge_earlier(self._left, earlier, instance)
            left = oracle.Rows(earlier.count + len(rows), earlier.total + sum(rows))
            ends[instance] = await self._read_lists(instance, lists.keys(history.transactions))
        self._left = left
        anomalies = judge_lists(history, ends)
        result |= {"lost": lost, "second_leader": terms, "reads": len(history.reads), "stale": stale}
        result["transactions"] = sum(one.fate is lists.Fate.COMMITTED for one in history.transactions)
        result["anomalies"] = anomalies
        result["problems"] += [*lost, *terms, *stale, *anomalies]

    async def _await_replay(self, instance: str, position: str) -> None:
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while not await self._value(instance, f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"):
            if time.monotonic() > deadline:
                raise health.BrokenRunError(f"{instance} does not replay up to {position}")
            await asyncio.sleep(0.05)

    async def _value(self, instance: str, query: str) -> object:
        session = await self._stage.connect(instance)
        try:
            return await session.fetchval(query, timeout=10.0)
        finally:
            await session.close(timeout=2.0)

    async def _read_rows(self, instance: str, first: int) -> tuple[oracle.Rows, list[int]]:
        """Return the sum of what earlier runs left, and the numbers from the first one of this run on."""
        session = await self._stage.connect(instance)
        try:
            count, total = await session.fetchrow(
                "SELECT count(*), coalesce(sum(id), 0)::numeric FROM nemesis WHERE id < $1", first, timeout=10.0
            )
            found = await session.fetch("SELECT id FROM nemesis WHERE id >= $1", first, timeout=10.0)
        finally:
            await session.close(timeout=2.0)
        return oracle.Rows(int(count), int(total)), [row["id"] for row in found]

    async def _read_lists(self, instance: str, keys: list[int]) -> lists.Ends:
        """Return what these lists hold on a member."""
        session = await self._stage.connect(instance)
        try:
            found = await session.fetch("SELECT key, items FROM lists WHERE key = ANY($1)", keys, timeout=10.0)
        finally:
            await session.close(timeout=2.0)
        return {row["key"]: tuple(row["items"]) for row in found}


def judge_lists(history: oracle.History, ends: dict[str, lists.Ends]) -> list[str]:
    """Say what is wrong with the transactions on lists, given what every member holds in the end."""
    if problems := lists.judge_ends(ends):
        return problems
    end = next(iter(ends.values()))
    return [*lists.judge_values(history.transactions, end), *cycles.judge(history.transactions, end)]


def read_history(log: pathlib.Path) -> oracle.History:
    """Read what the writers noted so far."""
    return oracle.read(line for line in log.read_text().splitlines(keepends=True) if line.endswith("\n"))


def measure_service(history: oracle.History, at: int, term: int, returned: int | None, result: dict[str, Any]) -> None:
    """Add the gap that clients of the Service saw, or how long it took them once the API server was back.

    Args:
        history: of the run.
        at: moment of the fault, monotonic nanoseconds.
        term: whose leader acknowledged before the fault.
        returned: when the API server answered again; None if it had been there all the while.
        result: of the run.
    """
    gap = oracle.measure_gap(oracle.over(history, RW), at, term)
    if gap is None:
        return
    if returned is None:
        result["service_ms"] = round(gap.any_writer, 1)
    else:
        result["service_after_api_ms"] = round(max(0.0, (gap.first_at - returned) / oracle.MILLISECOND), 1)
