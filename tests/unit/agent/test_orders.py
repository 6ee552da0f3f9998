"""What an agent does between the arrival of an order and its answer, moment by moment."""

import asyncio
import contextlib
import dataclasses
import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from covet.agent import birth, cloning, loop, opening
from covet.agent.driver import Driver
from covet.agent.instance import Instance
from covet.agent.volume import BOOTSTRAP, CLONE, Identity
from covet.core.agentapi import MemberState, Rule, Task
from covet.core.agentorders import BootstrapOrder, CloneOrder
from covet.core.errors import CovetError, RefusedError, SpecError
from covet.engines import programs
from covet.planner import member
from covet.planner.election.rules import Sworn
from covet.planner.member import Act, Decision
from tests.unit.agent import instances

A, B = "s0-a-0123456789ab", "s0-b-0123456789ab"
ORDER = BootstrapOrder("c", "s")


def identity(*, born: bool = True, origin: str = CLONE) -> Identity:
    """Return the identity of shop-s0-a."""
    return Identity("u", A, "shop-s0-a", "c", "s", origin, "42", born=born)


def test_a_caller_that_leaves_does_not_part_memory_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A promise whose asker was cancelled is finished: what the agent goes by is what stands on the volume."""

    async def scenario() -> None:
        inst = instances.make(tmp_path)
        gate, real = threading.Event(), inst.volume.write_promise

        def slow(promise: Sworn) -> None:
            gate.wait(10.0)
            real(promise)

        monkeypatch.setattr(inst.volume, "write_promise", slow)
        call = asyncio.create_task(inst.remember_promise(Sworn(4)))
        await asyncio.sleep(0.05)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        gate.set()
        async with asyncio.timeout(5.0):
            while inst.sworn is None:  # noqa: ASYNC110  what is tested is that it comes at all
                await asyncio.sleep(0.01)
        assert Sworn(4) == inst.sworn == inst.volume.read_promise()

    asyncio.run(scenario())


def open_shard(inst: Instance) -> None:
    """The operator records that clients may enter."""
    inst.spec = dataclasses.replace(inst.spec, opened=True)


def choose_another(inst: Instance) -> None:
    """The operator records another birth place."""
    inst.spec = dataclasses.replace(inst.spec, bootstrapped_by="shop-s0-b")


def finish(inst: Instance) -> None:
    """The volume gets a finished database."""
    inst.identity = identity(origin=BOOTSTRAP)


def half_clone(inst: Instance) -> None:
    """The volume gets an unfinished copy of a leader."""
    inst.identity = identity(born=False)


def begin_cloning(inst: Instance) -> None:
    """A clone begins."""
    inst.task = Task(CLONE)


def stop(inst: Instance) -> None:
    """The agent is told to end."""
    inst.stopping.set()


EVENTS = [
    (open_shard, "ShardOpened"),
    (choose_another, "NotChosen"),
    (finish, "AlreadyBorn"),
    (half_clone, "CloneUnfinished"),
    (stop, "Stopping"),
]


@pytest.mark.parametrize(("meanwhile", "reason"), [*EVENTS, (begin_cloning, "Busy")])
def test_i13_a_bootstrap_is_checked_again_after_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Instance], None], reason: str
) -> None:
    """What happens while the peers are asked still forbids initdb."""

    async def asked(inst: Instance) -> None:
        meanwhile(inst)

    async def scenario() -> tuple[str, object]:
        inst = instances.make(tmp_path)
        monkeypatch.setattr(birth, "_refuse_if_peer_has_data", asked)
        with pytest.raises(RefusedError) as refused:
            await birth.order(inst, ORDER)
        return refused.value.reason, inst.job

    assert (reason, None) == asyncio.run(scenario())


@pytest.mark.parametrize(("meanwhile", "reason"), EVENTS)
def test_i13_a_bootstrap_is_checked_again_in_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Instance], None], reason: str
) -> None:
    """What happens while the order waits for another change of the instance still forbids initdb."""

    async def asked(_inst: Instance) -> None:
        return

    async def initialise(*_: Any, **__: Any) -> None:
        raise AssertionError("initdb ran")

    async def scenario() -> str:
        inst = instances.make(tmp_path)
        monkeypatch.setattr(programs, "initialise", initialise)
        monkeypatch.setattr(birth, "_refuse_if_peer_has_data", asked)
        async with inst.acting:
            await birth.order(inst, ORDER)
            job = inst.job
            assert job is not None
            await asyncio.sleep(0)
            meanwhile(inst)
        await job
        assert inst.failure is not None
        return inst.failure.reason

    assert reason == asyncio.run(scenario())


def test_one_order_given_twice_at_once_begins_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bootstrap orders that ask the peers at the same time begin one bootstrap."""
    begun: list[BootstrapOrder] = []

    async def bootstrap(_inst: Instance, message: BootstrapOrder) -> None:
        begun.append(message)
        await asyncio.sleep(0.05)

    async def asked(_inst: Instance) -> None:
        await asyncio.sleep(0.01)

    async def scenario() -> None:
        inst = instances.make(tmp_path)
        monkeypatch.setattr(birth, "bootstrap", bootstrap)
        monkeypatch.setattr(birth, "_refuse_if_peer_has_data", asked)
        await asyncio.gather(*(birth.order(inst, ORDER) for _ in range(5)))
        await asyncio.sleep(0.02)

    asyncio.run(scenario())
    assert [ORDER] == begun


def test_an_agent_that_stops_takes_no_orders(tmp_path: Path) -> None:
    """Bootstrap, clone and everything for a leader are refused once the agent stops."""

    async def scenario() -> set[str]:
        inst = instances.make(tmp_path)
        inst.stopping.set()
        reasons = set()
        for order in (birth.order(inst, ORDER), cloning.order(inst, CloneOrder("shop-s0-b", "42"))):
            with pytest.raises(RefusedError) as refused:
                await order
            reasons.add(refused.value.reason)
        with pytest.raises(RefusedError) as refused:
            inst.leading()
        return reasons | {refused.value.reason}

    assert {"Stopping"} == asyncio.run(scenario())


def test_a_spec_of_another_shard_is_refused_however_old(tmp_path: Path) -> None:
    """The shard is compared before the generation: a foreign spec is never passed over in silence."""

    async def scenario() -> str:
        inst = instances.make(tmp_path)
        with pytest.raises(SpecError) as refused:
            await inst.take_spec(dataclasses.replace(inst.spec, generation=1, shard_uid="t"))
        return refused.value.reason

    assert "SpecForeign" == asyncio.run(scenario())


@pytest.mark.parametrize(("owner", "reason"), [(None, None), (identity(), "VolumeForeign")])
def test_the_spec_kept_by_another_cluster(tmp_path: Path, owner: Identity | None, reason: str | None) -> None:
    """Kept on an otherwise empty volume it is replaced; on a member's volume it refuses the volume."""

    async def scenario() -> tuple[str | None, str | None]:
        inst = instances.make(tmp_path)
        inst.volume.write_spec(dataclasses.replace(inst.spec, generation=57, cluster_uid="other"))
        if owner is not None:
            inst.volume.write_identity(owner)
            inst.volume.write_promise(Sworn(1, Rule(1, 1, A, (A,), 0)))
            inst.volume.pgdata.mkdir()
            (inst.volume.pgdata / "PG_VERSION").write_text("15\n")
        await opening.look(inst)
        kept = inst.volume.read_spec()
        assert kept is not None
        return (inst.refusal.reason if inst.refusal else None), kept.cluster_uid

    assert (reason, "other" if reason else "c") == asyncio.run(scenario())


def test_a_full_volume_ends_no_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the file system in an action is told as VolumeFull, and the loop turns on."""

    async def full(_inst: Instance, _driver: Driver, _act: Act) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def scenario() -> str:
        inst = instances.make(tmp_path)
        monkeypatch.setattr(loop, "_act", full)
        monkeypatch.setattr(member, "decide", lambda _facts: Decision(Act.HALT, MemberState.STARTING, "Test"))
        turning = asyncio.create_task(loop.run(inst, Driver(inst)))
        await asyncio.sleep(0.1)
        assert not turning.done()
        inst.stopping.set()
        inst.wake.set()
        await turning
        assert inst.complaint is not None
        return inst.complaint.reason

    assert "VolumeFull" == asyncio.run(scenario())


def test_a_spec_that_cannot_be_kept_is_worked_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full volume is no reason to work by an old spec."""

    async def scenario() -> int:
        inst = instances.make(tmp_path)

        def full(_spec: object) -> None:
            raise CovetError("VolumeFull", "full")

        monkeypatch.setattr(inst.volume, "write_spec", full)
        await inst.take_spec(dataclasses.replace(inst.spec, generation=9))
        return inst.spec.generation

    assert 9 == asyncio.run(scenario())
