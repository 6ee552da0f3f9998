"""Evidence of damage: seen often and for a while, or it is none; and it begins nothing without a leader to ask."""

import asyncio
from pathlib import Path

import pytest

from covet.agent import loop
from covet.agent.damage import Damage, Kind
from covet.agent.driver import Driver
from covet.agent.instance import Instance
from covet.agent.volume import CLONE, Identity
from covet.core.agentapi import Rule
from covet.planner.election import machine, state
from covet.planner.election.rules import Sworn
from covet.planner.election.state import Target
from covet.planner.election.watch import Config, Role
from covet.planner.member import Act
from tests.unit.agent import instances

A, B = "s0-a-0123456789ab", "s0-b-0123456789ab"
RULE = Rule(1, 1, B, (A, B), 1)


@pytest.mark.parametrize(
    ("moments", "now", "certain"),
    [
        ((), 100.0, None),
        ((0.0, 5.0), 100.0, None),
        ((0.0, 1.0, 2.0), 9.0, None),
        ((0.0, 5.0, 10.0), 10.0, Kind.SERVER),
        ((0.0, 5.0, 10.0), 2000.0, None),
    ],
    ids=["nothing", "twice", "within a moment", "three times over ten seconds", "long ago"],
)
def test_damage_is_certain_when_it_was_seen_often_and_for_long(
    moments: tuple[float, ...], now: float, certain: Kind | None
) -> None:
    """Three sightings that span ten seconds, within a quarter of an hour."""
    damage = Damage()
    for moment in moments:
        damage.see(Kind.SERVER, "invalid page", moment)
    assert certain == damage.certain(now)


def test_what_was_read_in_the_end_was_not_damaged() -> None:
    """One success takes back what was seen of its kind, and nothing else."""
    damage = Damage()
    for moment in (0.0, 5.0, 10.0):
        damage.see(Kind.LOG, "too short", moment)
        damage.see(Kind.SERVER, "invalid page", moment)
    damage.disprove(Kind.LOG)
    assert (False, Kind.SERVER) == (damage.suspected(Kind.LOG), damage.certain(20.0))
    damage.forget()
    assert damage.certain(20.0) is None


@pytest.mark.parametrize(
    ("role", "target", "act"),
    [
        (Role.FOLLOWER, Target(B, 1, rewind=True), Act.REMAKE),
        (Role.BOOT, None, Act.WAIT),
        (Role.LEADER, Target(B, 1, rewind=True), Act.WAIT),
    ],
    ids=["a follower", "nobody to ask", "a leader"],
)
def test_a_damaged_member_starts_over_only_where_it_has_a_leader_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: Role, target: Target | None, act: Act
) -> None:
    """Evidence alone wipes nothing: a follower asks its leader, everybody else goes on."""
    asked: list[str | None] = []

    async def remake(inst: Instance, _: Driver) -> None:
        asked.append(inst.remake)

    async def scenario() -> Act:
        inst = instances.make(tmp_path)
        inst.identity, inst.sworn = Identity("i", A, "shop-s0-a", "c", "s", CLONE, "7", born=True), Sworn(1, RULE)
        member = machine.start(Config(A), inst.sworn, (A, B), 0)
        agent = state.enter(member.agent, role, 0, target=target)
        inst.election.begin(state.Member(agent, member.watch))
        now = inst.clock.monotonic()
        for moment in (now - 20.0, now - 10.0, now):
            inst.damage.see(Kind.LOG, "too short", moment)
        monkeypatch.setattr(loop, "_remake", remake)
        return (await loop.tick(inst, Driver(inst))).act

    assert act == asyncio.run(scenario())
    assert ([B] if act is Act.REMAKE else []) == asked
