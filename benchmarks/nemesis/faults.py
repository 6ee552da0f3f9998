"""The faults of the process tier: how each is done to a shard, how it is undone, and what a failover may take then."""

import asyncio
import contextlib
import dataclasses
import os
import signal
import subprocess
import time
from typing import Final

from benchmarks.nemesis.kinds import Fault
from benchmarks.nemesis.nodes import NodeAgent, NodeShard
from benchmarks.nemesis.plan import Plan
from covet.core.agentorders import SwitchoverOrder
from covet.core.errors import RefusedError, UnreachableError
from covet.engines import processes

END_SECONDS: Final = 120.0
"""Within which an agent ends that lost its voter."""


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a fault is done to.

    Args:
        shard: with one leader and everybody streaming.
        leader: at the moment of the fault.
        followers: the others, sorted by name.
        plan: of the run.
    """

    shard: NodeShard
    leader: NodeAgent
    followers: tuple[NodeAgent, ...]
    plan: Plan


async def kill_server(scene: Scene) -> None:
    """Kill the postmaster: its backends end by themselves or are reaped."""
    postmaster = scene.leader.postmaster
    assert postmaster is not None, "the leader has no server"
    os.kill(postmaster, signal.SIGKILL)


async def kill_pod(scene: Scene) -> None:
    """Kill agent, voter and server; the address stays, so that dials are refused."""
    scene.leader.kill_everything()


async def start_leader(scene: Scene) -> None:
    """Start the former leader's agent, as a kubelet would."""
    scene.leader.node.mend()
    scene.leader.start()


async def lose_node(scene: Scene) -> None:
    """Let the node vanish: nothing leaves or reaches it any more, then everything on it is killed."""
    scene.leader.node.cut()
    scene.leader.kill_everything()


async def cut_node(scene: Scene) -> None:
    """Cut the leader's node off; everything on it goes on."""
    scene.leader.node.cut()


async def cut_one_way(scene: Scene) -> None:
    """Drop what reaches the leader's node, or what leaves it."""
    deaf = scene.plan.choice < 0.5
    scene.leader.node.cut(deaf=deaf, mute=not deaf)


async def cut_followers(scene: Scene) -> None:
    """Cut both followers off from everything: nothing can be acknowledged until they are back."""
    for follower in scene.followers:
        follower.node.cut()


async def mend(scene: Scene) -> None:
    """Mend every network."""
    for member in (scene.leader, *scene.followers):
        member.node.mend()


async def freeze_pod(scene: Scene) -> None:
    """Stop every process of the leader without a word."""
    scene.leader.freeze()


async def freeze_agent(scene: Scene) -> None:
    """Stop the leader's agent alone; voter and server go on."""
    scene.leader.send(signal.SIGSTOP)


async def thaw(scene: Scene) -> None:
    """Let what was frozen go on."""
    scene.leader.thaw()
    scene.leader.send(signal.SIGCONT)


async def switch_over(scene: Scene) -> None:
    """Order the leader to hand over to a follower, until it takes the order."""
    to = scene.followers[scene.plan.victim].peer.instance
    deadline = time.monotonic() + 10.0
    while True:
        try:
            await scene.shard.client.switchover(scene.leader.peer, SwitchoverOrder(to))
        except (RefusedError, UnreachableError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return


async def kill_backend(scene: Scene) -> None:
    """Kill one client's backend."""
    backends = [pid for pid in scene.leader.server_processes() if b": app app " in processes.command(pid)]
    assert backends, "the leader has no client"
    os.kill(backends[int(scene.plan.choice * len(backends))], signal.SIGKILL)


async def kill_voter(scene: Scene) -> None:
    """Kill the leader's voter alone."""
    os.kill(scene.leader.voter, signal.SIGKILL)


async def start_once_ended(scene: Scene) -> None:
    """Start the leader's agent once it has ended by itself: on a busy machine that takes a while."""
    try:
        await asyncio.to_thread(scene.leader.wait, END_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"{scene.leader.peer.instance} does not end within {END_SECONDS:.0f} s") from error
    scene.leader.start()


async def kill_agent(scene: Scene) -> None:
    """Kill the leader's agent alone: its server is orphaned."""
    scene.leader.kill()


async def kill_follower(scene: Scene) -> None:
    """Kill every process of a follower."""
    scene.followers[scene.plan.victim].kill_everything()


async def kill_shard(scene: Scene) -> None:
    """Kill every process of every member at once."""
    members = (scene.leader, *scene.followers)
    await asyncio.gather(*(asyncio.to_thread(member.kill_everything) for member in members))


async def start_ended(scene: Scene) -> None:
    """Start every agent that ended."""
    for member in (scene.leader, *scene.followers):
        if member.exit_code is not None:
            member.start()


async def lose_volume(scene: Scene) -> None:
    """Kill the leader's pod and delete its volume."""
    scene.leader.kill_everything()
    scene.leader.lose_volume()


async def fill_volume(scene: Scene) -> None:
    """Leave the leader's volume without a byte."""
    await asyncio.to_thread(scene.leader.fill_volume)


async def give_room(scene: Scene) -> None:
    """Give the leader's volume its room back."""
    scene.leader.give_room()


async def strike_twice(scene: Scene) -> None:
    """Kill the leader's pod, a moment later the server of whoever is chosen among the others."""
    scene.leader.kill_everything()
    await asyncio.sleep(scene.plan.second)
    postmaster = scene.followers[scene.plan.victim].postmaster
    if postmaster is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(postmaster, signal.SIGKILL)


FAULTS: Final[dict[str, Fault[Scene]]] = {
    "server-killed": Fault("server process killed", kill_server, goal=1.5),
    "pod-killed": Fault("all processes of the pod killed, sandbox alive", kill_pod, start_leader, goal=1.7),
    "node-gone": Fault("node gone: killed, dials time out", lose_node, start_leader, goal=2.9, silent=True),
    "node-cut": Fault("node cut from everything, alive", cut_node, mend, goal=2.9, silent=True),
    "pod-frozen": Fault("pod frozen, thawed later", freeze_pod, thaw, goal=3.0, silent=True),
    "switchover": Fault("planned switchover", switch_over, goal=0.3),
    "cut-one-way": Fault("leader cut off in one direction", cut_one_way, mend, silent=True),
    "followers-cut": Fault("both followers cut off", cut_followers, mend, fails_over=False),
    "backend-killed": Fault("one backend killed", kill_backend),
    "voter-killed": Fault("voter killed", kill_voter, start_once_ended, fails_over=False),
    "agent-killed": Fault("agent killed, server orphaned", kill_agent, start_leader, fails_over=False),
    "agent-frozen": Fault("agent frozen, voter and server go on", freeze_agent, thaw, fails_over=False),
    "follower-killed": Fault("all processes of a follower killed", kill_follower, start_ended, fails_over=False),
    "two-faults": Fault("pod killed, then another member's server", strike_twice, start_ended),
    "shard-killed": Fault(
        "every pod of the shard killed at once", kill_shard, start_ended, fails_over=False, limit=60.0
    ),
    "disk-full": Fault("leader's volume full, room later", fill_volume, give_room, fails_over=False),
    "volume-lost": Fault("leader's pod killed, its volume lost", lose_volume, start_leader),
}
