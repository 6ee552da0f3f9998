"""The faults of the cluster tier: how each is done to a pod or a node of a devcluster, and how it is undone."""

import asyncio
import contextlib
import dataclasses
import os
import signal
from collections.abc import Mapping
from typing import Final

from benchmarks.nemesis.ground import Ground
from benchmarks.nemesis.kinds import Fault
from benchmarks.nemesis.plan import Plan
from benchmarks.nemesis.pods import Pod
from tests.e2e.devcluster.faults import CONTROL


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a fault is done to.

    Args:
        ground: the cluster.
        instance: the leader at the moment of the fault.
        pods: of every instance.
        plan: of the run.
    """

    ground: Ground
    instance: str
    pods: Mapping[str, Pod]
    plan: Plan

    @property
    def leader(self) -> Pod:
        """The leader's pod."""
        return self.pods[self.instance]

    @property
    def followers(self) -> tuple[str, ...]:
        """The other instances, sorted."""
        return tuple(sorted(set(self.pods) - {self.instance}))

    @property
    def victim(self) -> Pod:
        """Pod of the follower that the plan chose."""
        return self.pods[self.followers[self.plan.victim]]


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


async def cut_one_way(scene: Scene) -> None:
    """Drop what reaches the leader's node, or what leaves it."""
    devcluster, name = scene.ground.devcluster, scene.leader.node.name
    for end in (CONTROL, *(node.name for node in devcluster.nodes if node.name != name)):
        source, target = (end, name) if scene.plan.choice < 0.5 else (name, end)
        await asyncio.to_thread(devcluster.cut, source, target, one_way=True)


async def cut_followers(scene: Scene) -> None:
    """Take both followers' nodes off the network: nothing can be acknowledged until one is back."""
    for instance in scene.followers:
        await asyncio.to_thread(scene.ground.devcluster.cut_node, scene.pods[instance].node.name)


async def heal(scene: Scene) -> None:
    """Undo every cut."""
    await asyncio.to_thread(scene.ground.devcluster.heal)


async def kill_backend(scene: Scene) -> None:
    """Kill one client's backend."""
    backends = scene.leader.backends()
    assert backends, "the leader has no client"
    os.kill(backends[int(scene.plan.choice * len(backends))], signal.SIGKILL)


async def kill_voter(scene: Scene) -> None:
    """Kill the leader's voter alone; the kubelet starts the container again once the agent has ended."""
    os.kill(scene.leader.voter(), signal.SIGKILL)


async def freeze_agent(scene: Scene) -> None:
    """Stop the leader's agent alone; voter and server go on."""
    scene.ground.stop(scene.leader.agent())


async def thaw_agent(scene: Scene) -> None:
    """Let it go on."""
    scene.ground.go_on()


async def kill_follower(scene: Scene) -> None:
    """Kill every process of a follower."""
    await asyncio.to_thread(scene.victim.kill)


async def kill_shard(scene: Scene) -> None:
    """Kill every process of every pod at once."""
    await asyncio.gather(*(asyncio.to_thread(pod.kill) for pod in scene.pods.values()))


async def strike_twice(scene: Scene) -> None:
    """Kill the leader's pod, a moment later the server of whoever is chosen among the others."""
    await asyncio.to_thread(scene.leader.kill)
    await asyncio.sleep(scene.plan.second)
    with contextlib.suppress(ProcessLookupError):
        os.kill(scene.victim.postmaster(), signal.SIGKILL)


async def fill_volume(scene: Scene) -> None:
    """Leave the leader's volume without a byte."""
    await asyncio.to_thread(scene.ground.fill_volume, scene.leader)


async def give_room(scene: Scene) -> None:
    """Give the leader's volume its room back."""
    scene.ground.give_room()


async def lose_volume(scene: Scene) -> None:
    """Delete the leader's pod without grace, and its volume."""
    await asyncio.to_thread(scene.ground.lose_volume, scene.leader, scene.instance)
    if scene.plan.api_away:
        await asyncio.to_thread(scene.ground.stop_api)


FAULTS: Final[dict[str, Fault[Scene]]] = {
    "server-killed": Fault("server process killed", kill_server, goal=3.0),
    "pod-killed": Fault("all processes of the pod killed, sandbox alive", kill_pod, goal=3.0),
    "pod-deleted": Fault("pod deleted without grace", delete_pod, goal=5.0, silent=True, asks=True),
    "node-killed": Fault("node killed, started again", kill_node, start_node, goal=5.0, silent=True),
    "node-cut": Fault("node cut from everything, healed later", cut_node, heal_node, goal=5.0, silent=True),
    "pod-frozen": Fault("pod frozen, thawed later", freeze_pod, thaw_pod, goal=5.0, silent=True),
    "switchover": Fault("planned switchover by kubectl covet", switch_over, goal=1.0, asks=True),
    "cut-one-way": Fault("node cut off in one direction", cut_one_way, heal, silent=True),
    "followers-cut": Fault("both followers' nodes cut off", cut_followers, heal, fails_over=False),
    "backend-killed": Fault("one backend killed", kill_backend),
    "voter-killed": Fault("voter killed", kill_voter, fails_over=False),
    "agent-frozen": Fault("agent frozen, voter and server go on", freeze_agent, thaw_agent, fails_over=False),
    "follower-killed": Fault("all processes of a follower's pod killed", kill_follower, fails_over=False),
    "two-faults": Fault("pod killed, then another member's server", strike_twice),
    "shard-killed": Fault("every pod of the shard killed at once", kill_shard, fails_over=False, limit=60.0),
    "disk-full": Fault("leader's volume full, room later", fill_volume, give_room, fails_over=False),
    "volume-lost": Fault("pod deleted without grace, its volume lost", lose_volume, silent=True, asks=True),
}
