"""The shard under test: real agents and servers, each in a network of its own."""

import asyncio
import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Final, Self

from benchmarks.nemesis import sandbox
from benchmarks.nemesis.filling import Filler
from covet.core.agentapi import AgentStatus, Peer
from tests.e2e.process import agents
from tests.e2e.process.agents import Agent
from tests.e2e.process.authority import Authority
from tests.e2e.process.shard import Shard

PATIENCE: Final = 60.0
"""Seconds that a birth may take on a busy machine."""

VOLUME_BYTES: Final = 2 << 30


class NodeAgent(Agent):
    """An agent with a network and a volume of its own, whose every process can be frozen.

    Args:
        shard: of which it is a member.
        peer: name and ports; the address is the node's.
        node: its network.
    """

    def __init__(self, shard: Shard, peer: Peer, authority: Authority, node: sandbox.Node) -> None:
        super().__init__(shard.folder / peer.instance, peer, authority)
        self.node = node
        self._frozen: set[int] = set()
        self._filler: Filler | None = None
        sandbox.run("mount", "-t", "tmpfs", "-o", f"size={VOLUME_BYTES},mode=0755", "tmpfs", str(self.data))
        agents.give(self.data)

    def start(self) -> None:
        """Start the agent's process in its network."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.node.prefix, *agents.unprivileged(), sys.executable, "-m", "covet.agent"],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=agents.ROOT,
            )

    def freeze(self) -> None:
        """Stop agent, voter, server and every program of theirs, as a frozen pod is stopped."""
        self.send(signal.SIGSTOP)
        self._frozen = {self.pid, *agents.descendants(self.pid), *self.server_processes()}
        for pid in self._frozen:
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let everything that was frozen go on."""
        for pid in self._frozen:
            _signal(pid, signal.SIGCONT)
        self._frozen = set()

    def fill_volume(self) -> None:
        """Take all room that the volume has left."""
        self._filler = Filler.fill(self.data)

    def give_room(self) -> None:
        """Give back the room that `fill_volume` took."""
        if self._filler is not None:
            self._filler.empty()
            self._filler = None

    def unmount(self) -> None:
        """Give the volume up; nothing of the instance may run."""
        sandbox.run("umount", str(self.data))

    def restore(self) -> None:
        """Undo every fault of this member: thaw it, mend its network, give it room, start its agent."""
        self.thaw()
        self.node.mend()
        self.give_room()
        if self.exit_code is not None:
            self.start()

    def lose_volume(self) -> None:
        """Forget everything that the volume holds; nothing of the instance may run."""
        for path in self.data.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


class NodeShard(Shard):
    """A shard whose members have a network each.

    Args:
        instances: how many.
    """

    def __init__(self, instances: int) -> None:
        super().__init__(instances)
        self.nodes = [sandbox.Node(index) for index in range(instances)]
        peers = tuple(
            dataclasses.replace(peer, address=node.address)
            for peer, node in zip(self.spec.peers, self.nodes, strict=True)
        )
        self.spec = dataclasses.replace(self.spec, peers=peers)
        self.members = [
            NodeAgent(self, peer, self.authority, node) for peer, node in zip(peers, self.nodes, strict=True)
        ]
        self.agents = list(self.members)
        self.leader = self.agents[0]

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def wait(self, agent: Agent, told: Callable[[AgentStatus], bool], limit: float = PATIENCE) -> AgentStatus:
        """Wait as a bench may that shares its machine; nothing is measured here."""
        return await super().wait(agent, told, limit)

    async def close(self) -> None:
        """Undo every fault, end every process and remove folder and networks."""
        for member in self.members:
            member.thaw()
            await asyncio.to_thread(member.end)
            member.unmount()
        await super().close()
        for node in self.nodes:
            node.remove()
