"""Members whose servers do what a test says, verb by verb: no election interferes."""

import asyncio
import dataclasses
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from covet.core.agentapi import Peer, Rule
from tests.e2e.process.agents import ROOT, Agent, unprivileged
from tests.e2e.process.authority import Authority
from tests.e2e.process.shard import Shard

LIMIT = 60.0


class VerbError(Exception):
    """A verb failed; carries the reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a verb returned, and how long it took."""

    result: Any
    seconds: float


class Member(Agent):
    """One member under the bench program.

    Args:
        folder: everything of it lies below.
        peer: its name, address and ports.
        authority: signs its certificate.

    Attributes:
        name: its member name, once it has one.
        without: the safeguard that a bench program started from now on leaves out; empty for none.
    """

    def __init__(self, folder: Path, peer: Peer, authority: Authority) -> None:
        super().__init__(folder, peer, authority)
        self.name = ""
        self.without = ""
        self._bench: asyncio.subprocess.Process | None = None
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._listener: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Process id of the bench program."""
        assert self._bench is not None, "the member is not up"
        return self._bench.pid

    async def up(self) -> None:
        """Start the bench program."""
        with self.log.open("ab") as log:
            self._bench = await asyncio.create_subprocess_exec(
                *unprivileged(),
                sys.executable,
                "-m",
                "tests.e2e.process.verbbench",
                "--without",
                self.without,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env=self.environment() | {"PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"},
            )
        self._listener = asyncio.create_task(self._listen(self._bench))

    async def down(self) -> None:
        """End the bench program, and its server at once."""
        if self._bench is None or self._bench.stdin is None:
            return
        self._bench.stdin.close()
        await asyncio.wait_for(self._bench.wait(), LIMIT)
        self._bench = None

    async def crash(self) -> None:
        """Kill bench program and server, as the end of a pod does."""
        if self._bench is not None and self._bench.returncode is None:
            self._bench.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self.kill_everything)
        if self._bench is not None:
            # The server held the other end of the bench's pipes.
            await asyncio.wait_for(self._bench.wait(), LIMIT)
            self._bench = None

    def begin(self, verb: str, *arguments: object) -> "asyncio.Future[Answer]":
        """Begin a verb."""
        assert self._bench is not None, "the member is not up"
        assert self._bench.stdin is not None, "its standard input is a pipe"
        self._number += 1
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = future
        self._bench.stdin.write(json.dumps([self._number, verb, *arguments]).encode() + b"\n")
        return future

    async def timed(self, verb: str, *arguments: object) -> Answer:
        """Do a verb and return its result and the seconds it took."""
        return await asyncio.wait_for(self.begin(verb, *arguments), LIMIT)

    async def do(self, verb: str, *arguments: object) -> Any:
        """Do a verb and return its result."""
        return (await self.timed(verb, *arguments)).result

    async def sql(self, *statements: str) -> str:
        """Run statements as the superuser."""
        return await asyncio.to_thread(self.superuser, *statements)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None, "its standard output is a pipe"
        while line := await process.stdout.readline():
            number, seconds, result, reason, message = json.loads(line)
            future = self._waiting.pop(number)
            if future.done():
                continue
            if reason:
                future.set_exception(VerbError(reason, message))
            else:
                future.set_result(Answer(result, seconds))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(VerbError("BenchEnded", "the bench program ended"))
        self._waiting.clear()


class Cohort:
    """Three members, born once; every test begins from a copy of that moment, with servers down.

    Attributes:
        members: a leads at the beginning, by term 1.
    """

    def __init__(self, instances: int = 3) -> None:
        self._shard = Shard(instances)
        self.folder = self._shard.folder
        self.members = [Member(agent.folder, agent.peer, self._shard.authority) for agent in self._shard.agents]
        self._kept = self.folder / "kept"
        self.system_id = ""

    async def birth(self) -> None:
        """Bootstrap the first member, clone the others, and keep a copy of all."""
        self._shard.mount()
        first, *others = self.members
        for member in self.members:
            await member.up()
        who = await first.do("bootstrap")
        first.name, self.system_id = who["member"], who["system"]
        for member in others:
            member.name = (await member.do("clone", first.peer.instance, self.system_id))["member"]
        await first.do("stop")
        for member in self.members:
            await member.down()
            await self._copy(member.data, self._kept / member.peer.instance)

    async def reset(self) -> None:
        """Put every member back to the moment of the copy; all bench programs are up, all servers down."""

        async def restore(member: Member) -> None:
            await member.crash()
            await self._copy(self._kept / member.peer.instance, member.data)
            await member.up()

        await asyncio.gather(*map(restore, self.members))

    async def close(self) -> None:
        """End everything and remove the folder."""
        for member in self.members:
            await member.crash()
        shutil.rmtree(self.folder)

    def rule(self, term: int, leader: Member, acks: int = 1, seq: int = 1) -> dict[str, Any]:
        """Return a rule of all members."""
        names = tuple(sorted(member.name for member in self.members))
        return dataclasses.asdict(Rule(term, seq, leader.name, names, acks))

    async def seat(self, term: int, leader: Member, *, acks: int = 0) -> None:
        """Promote a member whose server is down, or a standby."""
        await leader.do("swear", term)
        await leader.do("start_closed")
        await leader.do("promote", term, self.rule(term, leader, acks))

    async def line_up(self, term: int, leader: Member, *followers: Member) -> list[Answer]:
        """Have members follow a leader."""
        found = []
        for member in followers:
            await member.do("swear", term)
            if member.postmaster is None or not member.server_processes():
                await member.do("start_closed")
            found.append(await member.timed("follow", leader.name, term))
        return found

    @staticmethod
    async def _copy(source: Path, target: Path) -> None:
        def copy() -> None:
            if target.exists():
                shutil.rmtree(target)
            subprocess.run(["cp", "-a", str(source), str(target)], check=True, timeout=60.0)

        target.parent.mkdir(exist_ok=True)
        await asyncio.to_thread(copy)
