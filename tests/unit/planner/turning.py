"""Rounds of the whole planner over a world of fakes, until nothing is left to do."""

from covet.core.errors import CovetError
from covet.planner import cluster
from covet.testing.world import NOW, World


def turn(world: World) -> bool:
    """Do one round; False if there was nothing to do. A refusal is seen again in the next one."""
    facts = world.facts()
    plan = cluster.plan_cluster(facts, NOW)
    for action in plan.actions:
        world.carry_out(action, facts)
    for lane in (*(shard.actions for shard in plan.shards), *((action,) for action in plan.upkeep)):
        try:
            for order in lane:
                world.carry_out(order, facts)
        except CovetError:
            continue
    world.tick()
    return not plan.settled


def settled(world: World, rounds: int = 80) -> World:
    """Turn until everything is where it should be."""
    for _ in range(rounds):
        if not turn(world):
            return world
    plan = cluster.plan_cluster(world.facts(), NOW)
    raise AssertionError([(shard.reason, shard.message, shard.actions) for shard in plan.shards])
