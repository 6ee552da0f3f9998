"""What goes wrong in a schedule. Each fault ends by itself; each one is a line of the schedule."""

from collections.abc import Callable
from typing import Final

from covet.core.agentapi import Rule
from covet.planner.election.events import ResignOrder, ServerDied, SwitchoverOrder
from covet.planner.election.messages import Recruit
from covet.planner.election.rules import Sworn
from covet.testing.election.node import Node
from covet.testing.election.world import World

Fault = Callable[[World, Node], None]


def server_killed(world: World, node: Node) -> None:
    """The server process dies; the agent sees it within 20 ms."""
    if node.server.up:
        node.server.stop()
        world.time.after(world.random.uniform(1, 20), node.give, ServerDied())


def pod_killed(world: World, node: Node) -> None:
    """All processes of the pod die; the host refuses dials; they start again soon."""
    node.kill()
    world.refuse(node.name)
    _revive(world, node, world.random.uniform(300, 3000))


def node_gone(world: World, node: Node) -> None:
    """The machine is gone: nobody refuses anything; it comes back late."""
    node.kill()
    _revive(world, node, world.random.uniform(2500, 6000))


def frozen(world: World, node: Node) -> None:
    """Agent and server stand still, then go on as if nothing had been."""
    until = world.time.now + world.random.choice((400, 1000, 1500, 2500, 4500)) * world.random.uniform(0.8, 1.2)
    node.paused_until = node.frozen_until = until
    world.time.at(until, node.resume)


def agent_paused(world: World, node: Node) -> None:
    """The agent stands still while its server goes on serving and acknowledging."""
    until = world.time.now + world.random.choice((400, 1000, 1500, 2500, 4500)) * world.random.uniform(0.8, 1.2)
    node.paused_until = until
    world.time.at(until, node.resume)


def cut_off(world: World, node: Node) -> None:
    """Nothing passes to or from the node."""
    pairs = [(node.name, other) for other in world.nodes] + [(other, node.name) for other in world.nodes]
    _cut(world, pairs)


def deaf(world: World, node: Node) -> None:
    """The node sends and receives nothing back."""
    _cut(world, [(other, node.name) for other in world.nodes])


def mute(world: World, node: Node) -> None:
    """The node hears and is not heard."""
    _cut(world, [(node.name, other) for other in world.nodes])


def pair_cut(world: World, node: Node) -> None:
    """The node and one other lose sight of each other."""
    other = world.random.choice([name for name in world.nodes if name != node.name] or [node.name])
    _cut(world, [(node.name, other), (other, node.name)])


def bad_network(world: World, node: Node) -> None:
    """Messages are lost, doubled, late and out of order for a while, everywhere."""
    del node
    network = world.network
    network.loss, network.twice = world.random.uniform(0, 0.4), world.random.uniform(0, 0.4)
    network.slow = world.random.choice((1.5, 40.0, 300.0, 700.0))
    world.time.after(world.random.uniform(500, 4000), _calm, world)


def slow_disk(world: World, node: Node) -> None:
    """Writing promise.json takes up to 400 ms."""
    node.slow_disk_until = world.time.now + world.random.uniform(500, 4000)


def resignation(world: World, node: Node) -> None:
    """A disk probe fails, or SIGTERM comes."""
    del world
    node.give(ResignOrder("FaultInjected"))


def switchover(world: World, node: Node) -> None:
    """A person orders the leader to hand over."""
    leader = world.leader()
    others = [name for name in world.nodes if leader is not None and name != leader.name]
    if leader is not None and others:
        leader.give(SwitchoverOrder(node.name if node.name in others else world.random.choice(others)))


def stray_promise(world: World, node: Node) -> None:
    """A candidate recruits the member with a term of its own and is never heard of again."""
    if node.member is not None:
        world.send("nobody", node.name, Recruit("nobody", node.disk.promise + world.random.randrange(1, 4)))


def total_outage(world: World, node: Node) -> None:
    """Every pod of the shard is killed at once."""
    del node
    for other in list(world.nodes.values()):
        other.kill()
        _revive(world, other, world.random.uniform(200, 2500))


def volume_lost(world: World, node: Node) -> None:
    """The node loses its volume; a new one is cloned from the leader, as a new member."""
    rules = [other.disk.rule for other in world.nodes.values() if other.disk.rule is not None]
    whole = all(set(rule.cohort) == set(world.nodes) for rule in rules) and len(rules) == len(world.nodes)
    whole = whole and world.wanted in {None, len(world.nodes)}
    whole = whole and not any(other.disk.rewinding for other in world.nodes.values())
    # A second loss at the same time may be one too many: then waiting is right, and not what is looked for here.
    if len(world.nodes) == 1 or not whole or any(other.lost for other in world.nodes.values()):
        return
    node.kill()
    node.lost = True
    node.server.log = []
    world.time.after(world.random.uniform(300, 1500), _clone, world, node)


def shrink(world: World, node: Node) -> None:
    """The operator wants a cohort of one."""
    del node
    if all(len(name) == 1 and not other.lost for name, other in world.nodes.items()):
        world.wanted = 1


def grow(world: World, node: Node) -> None:
    """The operator wants every instance in the cohort."""
    del node
    world.wanted = len(world.nodes)


FAULTS: Final[dict[str, Fault]] = {
    "server_killed": server_killed,
    "pod_killed": pod_killed,
    "node_gone": node_gone,
    "frozen": frozen,
    "agent_paused": agent_paused,
    "cut_off": cut_off,
    "deaf": deaf,
    "mute": mute,
    "pair_cut": pair_cut,
    "bad_network": bad_network,
    "slow_disk": slow_disk,
    "resignation": resignation,
    "switchover": switchover,
    "stray_promise": stray_promise,
    "total_outage": total_outage,
    "volume_lost": volume_lost,
    "shrink": shrink,
    "grow": grow,
}


def _revive(world: World, node: Node, delay: float) -> None:
    world.time.after(delay, _boot, world, node, node.process)


def _boot(world: World, node: Node, process: int) -> None:
    if node.process == process and not node.lost and node.name in world.nodes:
        world.log(node.name, "boots")
        node.boot()


def _cut(world: World, pairs: list[tuple[str, str]]) -> None:
    added = {pair for pair in pairs if pair[0] != pair[1]} - world.network.cut
    world.network.cut |= added
    world.time.after(world.random.choice((300, 1000, 1800, 3500, 5500)), world.network.cut.difference_update, added)


def _calm(world: World) -> None:
    world.network.loss = world.network.twice = 0.0
    world.network.slow = 1.5


def _clone(world: World, node: Node) -> None:
    """Clone from the open leader; without one, try again: no member starts empty while a peer has data."""
    leader = world.leader()
    if leader is None or leader.disk.rule is None:
        world.time.after(300, _clone, world, node)
        return
    old = node.name
    fresh = old if not world.keeps("new_volume_is_new_member") else f"{old}{world.number()}"
    rule: Rule = leader.disk.rule
    del world.nodes[old]
    replaced = Node(world, fresh, node.rate)
    replaced.server.log = list(leader.server.log)
    replaced.disk = Sworn(leader.server.term, rule if fresh == old else None)
    world.nodes[fresh] = replaced
    world.oracle.promised.pop(fresh, None)
    if fresh == old:
        replaced.lost = True
    else:
        world.wanted = len(rule.cohort)
    world.log(fresh, f"is cloned from {leader.name}")
    replaced.boot()
    replaced.lost = False
    world.announce()
