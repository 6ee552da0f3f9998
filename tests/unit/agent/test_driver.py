"""The driver: what it was about when the member ended does not happen any more."""

import asyncio
import threading
from pathlib import Path

import pytest

from covet.agent.driver import Driver
from covet.agent.volume import CLONE, Identity
from covet.core.agentapi import Rule
from covet.core.errors import RefusedError
from covet.planner.election.effects import Effect
from covet.planner.election.events import Peers, PromoteOrder
from covet.planner.election.rules import Sworn
from covet.planner.election.timers import FOREVER
from covet.planner.election.watch import Role, View
from tests.unit.agent import instances

A, B = "s0-a-0123456789ab", "s0-b-0123456789ab"
IDENTITY = Identity("i", A, "shop-s0-a", "c", "s", CLONE, "7", born=True)


def test_a_member_that_ended_wants_nothing_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that ends while its voter is still being told leaves no effect behind: its volume may be wiped next."""
    performed: list[Effect] = []
    told: list[View] = []

    async def scenario() -> None:
        inst = instances.make(tmp_path)
        inst.identity, inst.sworn = IDENTITY, Sworn(1, Rule(1, 1, B, (A, B), 1))
        asked, gate = asyncio.Event(), asyncio.Event()

        async def tell(view: View) -> None:
            told.append(view)
            asked.set()
            await gate.wait()

        driver = Driver(inst)
        monkeypatch.setattr(inst.voting, "tell", tell)
        monkeypatch.setattr(driver.executor, "perform", performed.append)
        driver.begin()
        running = asyncio.create_task(driver.run())
        async with asyncio.timeout(5.0):
            await asked.wait()
            ending = asyncio.create_task(driver.end())
            await asyncio.sleep(0)
            gate.set()
            await ending
        for _ in range(5):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())
    assert [] == performed
    assert [True, False] == [view.votes for view in told]


def test_i1_a_member_begins_with_what_the_disk_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A promise that is still being written when its member ends is known to the one that begins next."""
    gate = threading.Event()

    async def scenario() -> tuple[bool, Sworn]:
        inst = instances.make(tmp_path)
        rule = Rule(1, 1, B, (A, B), 1)
        inst.identity, inst.sworn = IDENTITY, Sworn(1, rule)
        real = inst.volume.write_promise

        def slow(promise: Sworn) -> None:
            gate.wait(10.0)
            real(promise)

        monkeypatch.setattr(inst.volume, "write_promise", slow)
        driver = Driver(inst)
        writing = asyncio.create_task(inst.remember_promise(Sworn(2, rule)))
        await asyncio.sleep(0.05)
        writing.cancel()
        driver.begin()
        begun = inst.election.member is not None
        gate.set()
        async with asyncio.timeout(5.0):
            while inst.election.agent is None:
                await asyncio.sleep(0.01)
                driver.begin()
        return begun, inst.election.agent.sworn

    assert (False, Sworn(2, Rule(1, 1, B, (A, B), 1))) == asyncio.run(scenario())


def test_an_order_that_was_given_up_is_not_carried_out_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A promotion with loss that was refused as Busy does not happen once the voter answers again."""

    async def scenario() -> tuple[Role | None, int]:
        inst = instances.make(tmp_path)
        inst.identity, inst.sworn = IDENTITY, Sworn(1, Rule(1, 1, B, (A, B), 1))
        gate = asyncio.Event()

        async def tell(_: View) -> None:
            await gate.wait()

        driver = Driver(inst)
        monkeypatch.setattr(inst.voting, "tell", tell)
        monkeypatch.setattr(driver.executor, "perform", lambda _: None)
        driver.begin()
        running = asyncio.create_task(driver.run())
        await asyncio.sleep(0.01)
        with pytest.raises(RefusedError, match="did not come to the order"):
            await inst.election.order(PromoteOrder(), 0.05)
        gate.set()
        await inst.election.order(Peers((A, B)))  # what was put before is over once this is answered
        role, term = inst.election.role, inst.election.agent.term if inst.election.agent else 0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return role, term

    assert (Role.BOOT, 1) == asyncio.run(scenario())


def test_a_member_whose_volume_is_ill_asks_for_no_election(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The voter hears that it may never ask, and once the volume is well that it may again; it votes all the while."""
    told: list[View] = []

    async def scenario() -> None:
        inst = instances.make(tmp_path)
        inst.identity, inst.sworn = IDENTITY, Sworn(1, Rule(1, 1, B, (A, B), 1))

        async def tell(view: View) -> None:
            told.append(view)

        driver = Driver(inst)
        monkeypatch.setattr(inst.voting, "tell", tell)
        monkeypatch.setattr(driver.executor, "perform", lambda _: None)
        driver.begin()
        running = asyncio.create_task(driver.run())
        for inst.ill in ("", "DiskStalled", ""):
            await inst.election.order(Peers((A, B)))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())
    assert [None, FOREVER, None] == [view.retry_at for view in told[-3:]]
    assert {True} == {view.votes for view in told}
