"""The faults of the cluster tier: how each is done to a pod or a node of a devcluster, and how it is undone."""

import asyncio
import dataclasses
import os
import signal
from typing import Final

from benchmarks.nemesis.ground import Ground
from benchmarks.nemesis.kinds import Fault
from benchmarks.nemesis.plan import Plan
from benchmarks.nemesis.pods import Pod


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a fault is done to.

    Args:
        ground: the cluster.
        leader: pod of the leader at the moment of the fault.
        followers: instances, sorted.
        plan: of the run.
    """

    ground: Ground
    leader: Pod
    followers: tuple[str, ...]
    plan: Plan


async def kill_server(scene: Scene) -> None:
    """Kill the postmaster: its backends end by themselves or are reaped."""
    os.kill(scene.leader.postmaster(), signal.SIGKILL)


async def kill_pod(scene: Scene) -> None:
    """Kill agent, voter and server; the sandbox and its address stay, and the kubelet starts the container again."""
    await asyncio.to_thread(scene.leader.kill)


async def delete_pod(scene: Scene) -> None:
    """Delete the pod without grace: processes, sandbox and address go, another pod takes the volume."""
    await asyncio.to_thread(scene.ground.delete_pod, scene.leader)
    if scene.plan.api_away:
        await asyncio.to_thread(scene.ground.stop_api)


async def kill_node(scene: Scene) -> None:
    """Cut the power of the leader's node."""
    await asyncio.to_thread(scene.ground.kill_node, scene.leader.node)


async def start_node(scene: Scene) -> None:
    """Give the node its power back."""
    await asyncio.to_thread(scene.ground.start_node, scene.leader.node)


async def cut_node(scene: Scene) -> None:
    """Take the leader's node off the network; everything on it goes on."""
    await asyncio.to_thread(scene.ground.devcluster.cut_node, scene.leader.node.name)


async def heal_node(scene: Scene) -> None:
    """Undo the cut."""
    await asyncio.to_thread(scene.ground.devcluster.heal_node, scene.leader.node.name)


async def freeze_pod(scene: Scene) -> None:
    """Stop every process of the pod where it is."""
    scene.ground.freeze(scene.leader)


async def thaw_pod(scene: Scene) -> None:
    """Let them go on."""
    scene.ground.thaw()


async def switch_over(scene: Scene) -> None:
    """Order a switchover as a person does."""
    await scene.ground.order_switchover(scene.followers[scene.plan.victim])


FAULTS: Final[dict[str, Fault[Scene]]] = {
    "server-killed": Fault("server process killed", kill_server, goal=3.0),
    "pod-killed": Fault("all processes of the pod killed, sandbox alive", kill_pod, goal=3.0),
    "pod-deleted": Fault("pod deleted without grace", delete_pod, goal=5.0, silent=True, asks=True),
    "node-killed": Fault("node killed, started again", kill_node, start_node, goal=5.0, silent=True),
    "node-cut": Fault("node cut from everything, healed later", cut_node, heal_node, goal=5.0, silent=True),
    "pod-frozen": Fault("pod frozen, thawed later", freeze_pod, thaw_pod, goal=5.0, silent=True),
    "switchover": Fault("planned switchover by kubectl covet", switch_over, goal=1.0, asks=True),
}
