"""A follower's files and server: what a restart on the way leaves, and files of terms that nobody led."""

import asyncio
import os
from pathlib import Path

import pytest

from covet.agent import following, running
from covet.core.agentapi import Ancestor, Rule
from covet.core.agentorders import JoinAnswer
from covet.engines import timelines
from covet.planner.election import machine
from covet.planner.election.events import ServerDied, Tick
from covet.planner.election.rules import Sworn
from covet.planner.election.watch import Config
from tests.unit.agent import instances

A, B = "s0-a-0123456789ab", "s0-b-0123456789ab"
ANSWER = JoinAnswer(Rule(5, 1, B, (A, B), 1), "7", 5, 0x9000, (Ancestor(1, 0x5000),), 0)


def test_a_restart_that_is_cut_off_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A follow that stopped its server and was overtaken says that it is down, or nobody would start it again."""

    async def scenario() -> object:
        inst = instances.make(tmp_path)
        inst.election.begin(machine.start(Config(A), Sworn(1), (A, B), 0))
        log = inst.volume.pgdata / "pg_wal"
        log.mkdir(parents=True)
        (log / "00000009.history").write_text("1\t0/4000\tanother line\n")
        starting = asyncio.Event()

        async def start_closed(_: object) -> None:
            starting.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(running, "start_closed", start_closed)
        follow = asyncio.create_task(following.align(inst, 1, ANSWER))
        async with asyncio.timeout(5.0):
            await starting.wait()
            follow.cancel()
            await asyncio.gather(follow, return_exceptions=True)
            while isinstance(word := await inst.election.next(), Tick):
                pass
        assert not inst.stop_wanted
        return word

    assert ServerDied() == asyncio.run(scenario())


def test_terms_that_nobody_led_cost_no_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard that failed to elect for an hour skips thousands of terms; its members follow at once all the same."""
    synced: list[int] = []

    async def scenario() -> None:
        inst = instances.make(tmp_path)
        log = inst.volume.pgdata / "pg_wal"
        log.mkdir(parents=True)
        real = os.fsync

        def counted(descriptor: int) -> None:
            synced.append(descriptor)
            real(descriptor)

        monkeypatch.setattr(os, "fsync", counted)
        answer = JoinAnswer(Rule(2000, 1, B, (A, B), 1), "7", 2000, 0x9000, (Ancestor(1, 0x5000),), 0)
        following.write_chain(inst, answer, 1)
        assert 1999 == len(list(log.iterdir()))
        assert timelines.UNLED == (log / timelines.name(1000)).read_text()
        assert (Ancestor(1, 0x5000),) == timelines.read(inst.volume.pgdata, 2000)

    asyncio.run(scenario())
    assert len(synced) < 10
