"""Run one seeded schedule: a shard, some faults, then peace; nothing lost, and writable again."""

import dataclasses
from typing import Final

from covet.core.errors import CovetError
from covet.planner.election.guards import ALL, Guards
from covet.planner.election.timers import Timers
from covet.testing.election import faults
from covet.testing.election.oracle import ViolationError
from covet.testing.election.world import World

PEACE: Final = 25_000.0
"""Milliseconds without faults in which the shard must be writable again."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What makes a schedule: all of it follows from the seed unless a test says otherwise.

    Args:
        kinds: faults to choose from.
        count: how many happen; None draws one to three.
        size: members of the cohort; None draws 1, 3 or 5, mostly 3.
    """

    seed: int
    kinds: tuple[str, ...] = tuple(faults.FAULTS)
    count: int | None = None
    size: int | None = None
    on_leader: bool = False
    guards: Guards = ALL
    lapses: frozenset[str] = frozenset()
    timers: Timers | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a schedule ended.

    Args:
        problem: the violation, empty if there is none.
        kind: the only or last fault.
        writable_ms: from the last fault to the first acknowledgement of a write behind it.
        terms: how many leaders were promoted.
        acknowledged: writes and reads that were promised.
        reads: reads that were answered under a lease.
        lines: what happened, if traced.
    """

    seed: int
    problem: str
    kind: str
    writable_ms: float | None
    terms: int
    acknowledged: int
    reads: int
    lines: tuple[str, ...] = ()


def run(plan: Plan, *, trace: bool = False) -> Outcome:
    """Run a schedule to its end or to its first violation."""
    lines: list[str] | None = [] if trace else None
    world = _world(plan, lines)
    kind, moment, problem = "", 0.0, ""
    try:
        kind, moment = _disturb(world, plan)
        _pacify(world)
    except (ViolationError, CovetError) as violation:
        problem = str(violation)
        world.log("!", problem)
    after = [at for at in world.gaps if at > moment]
    return Outcome(
        plan.seed,
        problem,
        kind,
        _resumed(world.gaps, moment) if after else None,
        len(world.oracle.reigns),
        len(world.oracle.acknowledged),
        world.oracle.reads,
        tuple(lines or ()),
    )


def _world(plan: Plan, lines: list[str] | None) -> World:
    size = plan.size
    draw = plan.seed * 2654435761 % 100
    if size is None:
        size = 3 if draw < 84 else (5 if draw < 96 else 1)
    acks = {1: 0, 2: 1, 3: 1, 5: 2}[size]
    timers = plan.timers or Timers(limit=10_000 if draw % 5 == 0 else 0)
    return World(plan.seed, size, acks, timers=timers, guards=plan.guards, lapses=plan.lapses, trace=lines)


def _disturb(world: World, plan: Plan) -> tuple[str, float]:
    """Let the faults happen and return the last one and its moment."""
    draw = world.random
    count = plan.count if plan.count is not None else draw.choice((1, 1, 2, 2, 3))
    kind, moment = "", 0.0
    until = draw.uniform(250, 600)
    for _ in range(count):
        world.time.run(until)
        kind = draw.choice(plan.kinds)
        leader = world.leader()
        at_leader = leader is not None and (plan.on_leader or draw.random() < 0.6)
        node = leader if at_leader and leader is not None else draw.choice(list(world.nodes.values()))
        moment = world.time.now
        world.log(node.name, f"FAULT {kind}")
        faults.FAULTS[kind](world, node)
        until = world.time.now + draw.choice((60, 300, 1400, 2500)) * draw.uniform(0.5, 1.5)
    world.time.run(until)
    return kind, moment


def _pacify(world: World) -> None:
    """Wait until the faults end and the shard takes writes; then look at everything once more."""
    deadline = world.time.now + PEACE
    while world.time.now < deadline:
        world.time.run(world.time.now + 400)
        if _peaceful(world):
            break
    else:
        raise ViolationError(f"liveness: not writable and whole {PEACE / 1000:g} s later: {dict(world.positions())}")
    leader = world.leader()
    if leader is not None:
        world.oracle.final(leader.name, leader.server.log)


def _peaceful(world: World) -> bool:
    leader = world.leader()
    # A late acknowledgement may still reach a leader that was replaced: it is not the one to look at.
    if leader is None or leader.server.term != max(world.oracle.reigns):
        return False
    if not world.gaps or world.time.now - world.gaps[-1] > 300:
        return False
    rule = leader.server.setting
    if rule is None or world.network.cut or world.network.loss or world.network.slow > 2:
        return False
    return sum(world.nodes[m].server.upstream is not None for m in rule.cohort if m in world.nodes) >= rule.acks


def _resumed(acknowledged: list[float], moment: float) -> float:
    """Return how long after a fault the last long silence ended; 0 if there was none."""
    end, previous = 0.0, moment
    for at in acknowledged:
        if at > moment:
            if at - previous > 150:
                end = at - moment
            previous = at
    return end
