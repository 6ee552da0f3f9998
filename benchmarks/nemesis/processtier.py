"""The process tier's stage: agents and servers as processes of this machine, and the operator's part played by us."""

import asyncio
import contextlib
import pathlib
import shutil

from benchmarks.nemesis import faults, phases
from benchmarks.nemesis.clients import DSN, Settings, Way
from benchmarks.nemesis.faults import Scene
from benchmarks.nemesis.nodes import NodeAgent, NodeShard
from benchmarks.nemesis.plan import MEMBERS, Plan
from benchmarks.nemesis.stage import Session, Statuses
from covet.core.agentapi import AgentStatus, MemberState, Serving
from covet.core.agentorders import CohortOrder
from covet.core.errors import CovetError
from covet.planner import quorum
from tests.e2e.process.shard import DATABASE, OWNER, PASSWORD


class ProcessStage:
    """A shard of real agents and servers, each in a network of its own."""

    tier = "process"
    faults = faults.FAULTS

    def __init__(self) -> None:
        self.shard = NodeShard(MEMBERS)
        self.folder: pathlib.Path = self.shard.folder
        self.instances = tuple(member.peer.instance for member in self.shard.members)

    async def open(self) -> None:
        """Start the agents and bring the shard up."""
        await self.shard.__aenter__()
        await self.shard.birth()

    async def close(self) -> None:
        """End every process and remove the networks."""
        await self.shard.close()

    def settings(self) -> Settings:
        """Return what the writers go by: one DSN of all members."""
        hosts = tuple((peer.address, peer.sql_port) for peer in self.shard.spec.peers)
        authority = str(self.shard.folder / "operator" / "ca.crt")
        return Settings((Way(DSN, hosts),), OWNER, PASSWORD, DATABASE, authority)

    async def statuses(self) -> Statuses:
        """Ask every agent."""
        return await asyncio.gather(*(self._status(member) for member in self.shard.members))

    async def _status(self, member: NodeAgent) -> AgentStatus | None:
        try:
            return await self.shard.status(member)
        except CovetError:
            return None

    async def tend(self, told: Statuses) -> None:
        """Have an empty volume cloned, and the cohort made of the members that there are."""
        leading = next((s for s in told if s is not None and s.serving is Serving.READ_WRITE), None)
        if leading is None or leading.rule is None:
            return
        self.shard.leader = self._member(leading.instance)
        for member, status in zip(self.shard.members, told, strict=True):
            if status is not None and status.state is MemberState.EMPTY:
                with contextlib.suppress(CovetError, AssertionError):
                    await self.shard.clone(member)
        members = {status.member for status in told if status is not None and status.member}
        if len(members) == len(told) and members != set(leading.rule.cohort):
            acks = quorum.acks_for(len(self.instances), self.shard.spec.durability)
            with contextlib.suppress(CovetError):
                await self.shard.client.cohort(self.shard.leader.peer, CohortOrder(self.instances, acks))

    async def connect(self, instance: str) -> Session:
        """Return a session of the application with one instance."""
        session: Session = await self.shard.connect(self._member(instance))
        return session

    async def prepare(self, plan: Plan, leader: str) -> None:
        """Take nothing away: there is neither an API server nor an operator here."""

    async def darken(self, plan: Plan) -> None:
        """Take nothing away."""

    async def lighten(self) -> int | None:
        """Nothing was taken away."""
        return None

    def scene(self, plan: Plan, leader: str) -> Scene:
        """Return what a fault is done to."""
        leading = self._member(leader)
        followers = tuple(member for member in self.shard.members if member is not leading)
        return Scene(self.shard, leading, followers, plan)

    async def restore(self) -> None:
        """Undo every fault that is still in force."""
        for member in self.shard.members:
            member.restore()

    def lines(self, since: float) -> list[phases.Line]:
        """Read the agents' logs from a moment on, seconds since the epoch."""
        found: list[phases.Line] = []
        for member in self.shard.members:
            with member.log.open(errors="replace") as log:
                found += phases.read(log, since)
        return found

    def keep_logs(self, folder: pathlib.Path) -> None:
        """Copy the logs and promises of all agents into a folder."""
        for member in self.shard.members:
            for path in (member.log, member.data / "agent" / "promise.json"):
                with contextlib.suppress(OSError):
                    shutil.copy(path, folder / f"{member.peer.instance}-{path.name}")

    def _member(self, instance: str) -> NodeAgent:
        return next(member for member in self.shard.members if member.peer.instance == instance)
