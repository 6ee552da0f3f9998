"""The core's effects, carried out: each ticket answered once, nothing of what was overtaken, promises durable first."""

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from covet.agent import executor, fencing, following, ruling, running
from covet.agent.election import Election
from covet.agent.executor import Executor
from covet.agent.instance import Instance
from covet.core.agentapi import Position, Rule
from covet.core.errors import CovetError
from covet.planner.election import effects, machine, state
from covet.planner.election.events import Done, Persisted, ServerDied, Tick
from covet.planner.election.rules import Sworn
from covet.planner.election.watch import Config, Role
from tests.unit.agent import instances

A, B = "s0-a-0123456789ab", "s0-b-0123456789ab"
RULE = Rule(1, 1, B, (A, B), 1)


def enrolled(folder: Path) -> Instance:
    """Return an instance with a member, so that its queue takes events."""
    inst = instances.make(folder)
    inst.election.begin(machine.start(Config(A), Sworn(1, RULE), (A, B), 0))
    return inst


async def told(election: Election) -> AsyncIterator[object]:
    """Yield what the core is told, without the passing of time."""
    while True:
        word = await election.next()
        if not isinstance(word, Tick):
            yield word


async def first(election: Election) -> object:
    """Return the next thing that the core is told."""
    async with asyncio.timeout(5.0):
        return await anext(told(election))


def test_i1_a_promise_is_answered_once_it_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the write of promise.json hangs there is no answer; a write that fails is repeated, not answered."""
    gate, tries = threading.Event(), []

    async def scenario() -> None:
        inst = enrolled(tmp_path)
        real = inst.volume.write_promise

        def slow(promise: Sworn) -> None:
            tries.append(promise)
            gate.wait(10.0)
            if len(tries) == 1:
                raise CovetError("VolumeFull", "full")
            real(promise)

        monkeypatch.setattr(inst.volume, "write_promise", slow)
        Executor(inst).perform(effects.Persist(Sworn(4, RULE)))
        answer = asyncio.create_task(first(inst.election))
        done, _ = await asyncio.wait([answer], timeout=0.2)
        assert set() == done
        assert inst.volume.read_promise() is None
        gate.set()
        assert Persisted(Sworn(4, RULE)) == await answer
        assert Sworn(4, RULE) == inst.volume.read_promise() == inst.sworn
        assert 2 == len(tries)

    asyncio.run(scenario())


def recording(
    log: list[str], name: str, gate: asyncio.Event, result: object = None
) -> Callable[..., Awaitable[object]]:
    """Return a verb that waits for a gate and notes its begin, its end, and its cancellation."""

    async def verb(*_: object) -> object:
        log.append(f"{name} begins")
        try:
            await gate.wait()
        except asyncio.CancelledError:
            log.append(f"{name} is cancelled")
            raise
        log.append(f"{name} ends")
        return result

    return verb


def test_i3_a_fence_overtakes_a_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The follow is cancelled to its end before the fence begins, and only the fence is answered."""
    log: list[str] = []

    async def scenario() -> None:
        inst, never, now = enrolled(tmp_path), asyncio.Event(), asyncio.Event()
        now.set()
        monkeypatch.setattr(following, "follow", recording(log, "follow", never, result=True))
        monkeypatch.setattr(fencing, "fence", recording(log, "fence", now, Position(1, 7)))
        executor = Executor(inst)
        executor.perform(effects.Follow(1, B, 1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        executor.perform(effects.Fence(2, 2))
        assert Done(2, ok=True, position=Position(1, 7)) == await first(inst.election)

    asyncio.run(scenario())
    assert ["follow begins", "follow is cancelled", "fence begins", "fence ends"] == log


def test_i7_a_stop_overtakes_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server on its way up is given up before the stop, which alone is answered."""
    log: list[str] = []

    async def scenario() -> None:
        inst, never, now = enrolled(tmp_path), asyncio.Event(), asyncio.Event()
        now.set()
        monkeypatch.setattr(running, "start_closed", recording(log, "start", never))
        monkeypatch.setattr(running, "stop_at_once", recording(log, "stop", now))
        executor = Executor(inst)
        executor.perform(effects.Start(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        executor.perform(effects.Stop(2))
        assert Done(2, ok=True) == await first(inst.election)

    asyncio.run(scenario())
    assert ["start begins", "start is cancelled", "stop begins", "stop ends"] == log


def test_a_promise_does_not_wait_for_a_server_that_died_over_and_over(tmp_path: Path) -> None:
    """A start that is put off is given up for a candidate: the fence needs no server, and the shard needs the vote."""

    async def scenario() -> object:
        inst = enrolled(tmp_path)
        for _ in range(8):
            inst.back_off.died(inst.clock.monotonic())
        Executor(inst).perform(effects.Start(1))
        answer = asyncio.create_task(first(inst.election))
        done, _ = await asyncio.wait([answer], timeout=0.2)
        assert set() == done
        recruit(inst, 2)
        return await answer

    assert Done(1, ok=False) == asyncio.run(scenario())


async def grown(log: list[str], length: int) -> None:
    """Wait until so much was noted."""
    async with asyncio.timeout(5.0):
        while len(log) < length:  # noqa: ASYNC110  a list has no event
            await asyncio.sleep(0.01)


def recruit(inst: Instance, term: int) -> None:
    """Let the member have promised a term on the disk to somebody who waits for the answer."""
    member, promised = inst.election.member, Sworn(term, RULE)
    assert member is not None
    agent = state.enter(member.agent, Role.RECRUITED, 0, term=term, sworn=promised, saved=promised, recruiter=B)
    inst.election.member = dataclasses.replace(member, agent=agent)


def test_a_promise_does_not_wait_for_a_server_that_recovers_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that is under way is given up for a candidate; what the server does meanwhile goes on."""
    log: list[str] = []

    async def scenario() -> object:
        inst = enrolled(tmp_path)
        monkeypatch.setattr(running, "start_closed", recording(log, "start", asyncio.Event()))
        Executor(inst).perform(effects.Start(1))
        answer = asyncio.create_task(first(inst.election))
        await grown(log, 1)
        recruit(inst, 2)
        return await answer

    assert Done(1, ok=False) == asyncio.run(scenario())
    assert ["start begins", "start is cancelled"] == log


def test_i3_a_fence_that_failed_is_repeated_and_answered_once_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver that does not end, or a volume that refuses, is no answer: the member may still acknowledge."""
    faults: list[Exception] = [CovetError("ReceiverRemains", "still there"), OSError("read-only"), TimeoutError()]

    async def fence(*_: object) -> Position:
        if faults:
            raise faults.pop(0)
        return Position(1, 7)

    async def scenario() -> object:
        inst = enrolled(tmp_path)
        monkeypatch.setattr(executor, "RETRY_SECONDS", 0.01)
        monkeypatch.setattr(fencing, "fence", fence)
        Executor(inst).perform(effects.Fence(3, 2))
        return await first(inst.election)

    assert Done(3, ok=True, position=Position(1, 7)) == asyncio.run(scenario())
    assert [] == faults


def test_a_stop_waits_for_what_a_fence_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A follow that ends slowly is over before the stop begins, though the fence between them was cut off."""
    log: list[str] = []

    async def scenario() -> object:
        inst, gate, now = enrolled(tmp_path), asyncio.Event(), asyncio.Event()
        now.set()

        async def slow(*_: object) -> None:
            log.append("follow begins")
            while not gate.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await gate.wait()
            log.append("follow ends")
            raise asyncio.CancelledError

        monkeypatch.setattr(following, "follow", slow)
        monkeypatch.setattr(fencing, "fence", recording(log, "fence", now, Position(1, 7)))
        monkeypatch.setattr(running, "stop_at_once", recording(log, "stop", now))
        acting = Executor(inst)
        acting.perform(effects.Follow(1, B, 1))
        await grown(log, 1)
        acting.perform(effects.Fence(2, 2))
        await asyncio.sleep(0.01)
        acting.perform(effects.Stop(3))
        await asyncio.sleep(0.05)
        gate.set()
        return await first(inst.election)

    assert Done(3, ok=True) == asyncio.run(scenario())
    assert ["follow begins", "follow ends", "stop begins", "stop ends"] == log


def test_i7_a_stop_ends_what_still_runs_on_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row or a setting of the reign that ends is not brought to the server any more, nor answered."""
    log: list[str] = []

    async def scenario() -> list[object]:
        inst, now = enrolled(tmp_path), asyncio.Event()
        now.set()
        for verb in ("write_row", "apply_setting"):
            monkeypatch.setattr(ruling, verb, recording(log, verb, asyncio.Event()))
        monkeypatch.setattr(running, "stop_at_once", recording(log, "stop", now))
        acting = Executor(inst)
        acting.perform(effects.WriteRow(1, RULE))
        acting.perform(effects.ApplySetting(2, RULE))
        await grown(log, 2)
        acting.perform(effects.Stop(3))
        return [await first(inst.election)]

    assert [Done(3, ok=True)] == asyncio.run(scenario())
    assert {"write_row is cancelled", "apply_setting is cancelled"} == set(log[2:4])
    assert ["stop begins", "stop ends"] == log[4:]


@pytest.mark.parametrize("effect", [effects.Start(1), effects.Follow(1, B, 1)])
def test_a_server_that_died_before_the_answer_is_told_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, effect: effects.Effect
) -> None:
    """The last word on the server is that it is down, so that the core starts it again."""

    async def scenario() -> list[object]:
        inst, now = enrolled(tmp_path), asyncio.Event()
        now.set()
        monkeypatch.setattr(running, "start_closed", recording([], "start", now))
        monkeypatch.setattr(following, "follow", recording([], "follow", now, result=True))
        Executor(inst).perform(effect)
        return [await first(inst.election), await first(inst.election)]

    assert [Done(1, ok=True), ServerDied()] == asyncio.run(scenario())


def test_a_verb_that_fails_is_answered_with_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of a verb is an answer, not an end of the agent."""

    async def broken(*_: object) -> None:
        raise CovetError("ServerDied", "the server ended while it started")

    async def scenario() -> object:
        inst = enrolled(tmp_path)
        monkeypatch.setattr(running, "start_closed", broken)
        Executor(inst).perform(effects.Start(1))
        return await first(inst.election)

    assert Done(1, ok=False) == asyncio.run(scenario())


def test_a_defect_in_a_verb_ends_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody expected is never taken for an answer: the agent ends and is started again."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    async def scenario() -> BaseException | None:
        inst = enrolled(tmp_path)
        monkeypatch.setattr(running, "start_closed", broken)
        Executor(inst).perform(effects.Start(1))
        async with asyncio.timeout(5.0):
            await inst.stopping.wait()
        return inst.defect

    assert isinstance(asyncio.run(scenario()), ZeroDivisionError)
