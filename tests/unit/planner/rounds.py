"""Rounds of the planner over a world of fakes, that may die amid a plan."""

import pytest

from covet.core.errors import ConflictError, RefusedError
from covet.planner import actions as act
from covet.planner import cluster
from covet.planner.plan import Plan
from covet.testing.world import NOW, World

ROUNDS = 60


def plan_of(world: World) -> Plan:
    """Plan what comes next."""
    return cluster.plan_cluster(world.facts(), NOW)


def steps(plan: Plan) -> list[act.Action]:
    """Return every action of a plan in the order of a run without failures."""
    return [*plan.everything]


def do(world: World, limit: int | None = None) -> Plan:
    """Do a round; die after `limit` actions."""
    facts = world.facts()
    plan = cluster.plan_cluster(facts, NOW)
    for action in steps(plan)[:limit]:
        try:
            world.carry_out(action, facts)
        except (RefusedError, ConflictError):
            return plan
    return plan


def settle(world: World) -> Plan:
    """Do rounds until there is nothing to do; fail if that never comes."""
    plan = do(world)
    for _ in range(ROUNDS):
        world.tick()
        plan = do(world)
        if plan.settled:
            return plan
    pytest.fail(f"not settled after {ROUNDS} rounds: {plan.reason}: {plan.message}")
