"""The verbs that need no other agent, one at a time, over copies of one database.

The program of this module holds an instance without election, API and voter, and does what lines of JSON tell it;
it runs as the user that PostgreSQL accepts. `Caller` is the test's end of it. A line is `{"call": NAME, ...}` with
the arguments of a method of `Verbs`; the answer is `{"value": ..., "ms": ...}` or `{"reason": ..., "message": ...}`.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from covet.agent import access, configuring, fencing, logs, positions, promoting, ruling, running
from covet.agent.children import Children, adopt_orphans
from covet.agent.instance import Instance
from covet.agent.settings import read_settings
from covet.agent.volume import CLONE, Identity
from covet.core import names
from covet.core.agentapi import Peer, Rule, ShardSpec
from covet.core.clock import Clock
from covet.core.errors import CovetError
from covet.engines import processes, programs, schema, sessions, slots, wal
from covet.engines.configuration import Upstream
from covet.peers import codec
from covet.planner.election.rules import Sworn
from tests.e2e.process import lapses
from tests.e2e.process.agents import PROGRAMS, ROOT, give, unprivileged
from tests.e2e.process.authority import Authority

LIMIT = 90.0
"""Seconds that a call may take before its test fails."""


def member_of(instance: str) -> str:
    """Return the member that an instance's volume is: here always the same."""
    letter = instance.rsplit("-", 1)[1]
    return names.member("s0", letter, f"00000000-0000-4000-8000-00000000000{ord(letter) - ord('a')}")


class Verbs:
    """What can be called.

    Args:
        inst: the instance, over a folder that may be empty.
    """

    def __init__(self, inst: Instance) -> None:
        self._inst = inst
        instance = inst.settings.instance
        inst.identity = Identity("-", member_of(instance), instance, "c", "s", CLONE, born=True)
        inst.sworn = Sworn(1)

    async def birth(self) -> None:
        """Make a database with the roles and slots of all members, and stop it in order."""
        inst = self._inst
        await programs.initialise(PROGRAMS, inst.volume.pgdata, inst.children.spawn)
        await self.start_primary()
        async with inst.sql() as session:
            await schema.create(session)
            await session.execute("CREATE TABLE public.t (a integer)")
        for peer in inst.spec.peers:
            await self.admit(peer.instance)
        await running.stop(inst)

    async def start_primary(self) -> None:
        """Start the server read-write, as at birth."""
        await running.start(self._inst, primary=True)
        await running.await_ready(self._inst, 30.0)

    async def start_closed(self) -> None:
        """Start a closed follower of nobody."""
        await running.start_closed(self._inst)

    async def stop(self) -> None:
        """Stop fast."""
        await running.stop(self._inst)

    async def stop_at_once(self) -> None:
        """Stop immediately."""
        await running.stop_at_once(self._inst)

    async def cancel(self, verb: str, after: float, arguments: dict[str, Any]) -> bool:
        """Begin a call, cancel it after some seconds, and tell whether it was cut off."""
        task = asyncio.create_task(getattr(self, verb)(**arguments))
        await asyncio.sleep(after)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
            return False
        return True

    async def fence(self, term: int) -> dict[str, int] | None:
        """Fence for a term."""
        found = await fencing.fence(self._inst, term)
        return dataclasses.asdict(found) if found else None

    async def position(self) -> dict[str, int] | None:
        """Read the position."""
        found = await positions.read(self._inst)
        return dataclasses.asdict(found) if found else None

    async def promote(self, term: int, cohort: str, acks: int) -> int:
        """Promote under the rule of a cohort given by its letters; how often something moved is the answer."""
        moved = 0

        def progressed() -> None:
            nonlocal moved
            moved += 1

        inst = self._inst
        members = tuple(member_of(f"shop-s0-{letter}") for letter in cohort)
        rule = Rule(term, 1, member_of(inst.settings.instance), members, acks)
        await promoting.promote(inst, term, rule, progressed)
        return moved

    async def stream(self, leader: str, term: int) -> None:
        """Stream from a leader without asking anybody, and return once it does."""
        await self.point(leader, term, self._inst.settings.instance)
        async with asyncio.timeout(30.0):
            while not await self._streams():  # noqa: ASYNC110  a view has no event
                await asyncio.sleep(0.02)

    async def point(self, leader: str, term: int, named: str) -> None:
        """Have the server stream from a leader in the name, and by the slot, of an instance's member."""
        inst = self._inst
        member = member_of(named)
        credentials = inst.volume.credentials(term)
        await asyncio.to_thread(inst.certificates.copy_to, credentials)
        role, slot = inst.role(inst.settings.instance), names.slot(member)
        inst.upstream = Upstream(inst.peer(leader), role, member, slot, credentials)
        await configuring.apply(inst)

    async def _streams(self) -> bool:
        async with self._inst.sql() as session:
            return (await sessions.read_vitals(session)).streaming

    async def sql(self, statement: str) -> Any:
        """Return the first value of a statement over the agent's own session."""
        async with self._inst.sql() as session:
            found = await session.value(statement, limit=30.0)
        return found if found is None or isinstance(found, bool | int | float) else str(found)

    async def timelines(self) -> dict[str, int | None]:
        """Return the timeline of a primary as each question answers it."""
        async with self._inst.sql() as session:
            end = await wal.log_end(session)
            return {
                "vitals": (await sessions.read_vitals(session)).term,
                "log_end": end.term if end else None,
                "control": await wal.control_timeline(session),
            }

    async def commit(self, limit: float) -> None:
        """Commit a row that followers have to acknowledge within some seconds."""
        async with self._inst.sql(synchronous=True) as session:
            await session.execute("INSERT INTO public.t VALUES (1)", limit=limit)

    async def admit(self, instance: str) -> None:
        """Make a member's role and slot: a promoted server has its own slots only."""
        inst = self._inst
        member = member_of(instance)
        prefix = f"covet_{inst.spec.shard}_{inst.letters(instance)}_"
        async with inst.sql() as session:
            await slots.admit(session, inst.role(instance), member, names.slot(member), prefix)

    async def apply_setting(self, cohort: str, acks: int) -> None:
        """Bring the setting of a rule into force whose cohort is given by its letters."""
        me = member_of(self._inst.settings.instance)
        members = tuple(member_of(f"shop-s0-{letter}") for letter in cohort)
        await ruling.apply_setting(self._inst, Rule(1, 1, me, members, acks))

    async def open(self) -> None:
        """Let clients in."""
        await access.open_to_clients(self._inst)

    async def state(self) -> dict[str, Any]:
        """Return what the agent thinks of its server."""
        inst = self._inst
        return {
            "pid": inst.server.pid,
            "stop_wanted": inst.stop_wanted,
            "upstream": inst.upstream is not None,
            "gate": inst.gate,
            "last_exit": inst.last_exit,
        }


class Caller:
    """The test's end: an instance's folder and the program over it.

    Args:
        folder: everything of this instance lies below it.
        peer: its name, address and ports.
        spec: of the shard.
        authority: signs its certificate.

    Attributes:
        without: the safeguard that a program started from now on leaves out, one of `lapses`; empty for none.
    """

    def __init__(self, folder: Path, peer: Peer, spec: ShardSpec, authority: Authority) -> None:
        self.peer = peer
        self.folder = folder
        self.data = folder / "data"
        self.pgdata = self.data / "pgdata"
        self.wal = self.pgdata / "pg_wal"
        self.credentials = self.data / "agent" / "cred"
        self.log = folder / "log"
        self.without = ""
        self._process: subprocess.Popen[str] | None = None
        self._ended: list[subprocess.Popen[str]] = []
        for path in (folder, self.data, folder / "run", self.data / "agent"):
            path.mkdir(parents=True, exist_ok=True)
            give(path)
        authority.issue(folder / "tls", peer.instance, (peer.address,))
        (folder / "spec.json").write_bytes(codec.encode(spec))

    def __enter__(self) -> Self:
        return self

    def start(self) -> None:
        """Start the program; the first call does."""
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}",
            "COVET_INSTANCE": self.peer.instance,
            "COVET_SPEC": str(self.folder / "spec.json"),
            "COVET_TLS": str(self.folder / "tls"),
            "COVET_DATA": str(self.data),
            "COVET_RUN": str(self.folder / "run"),
            "COVET_LISTEN": self.peer.address,
            "COVET_PG_BIN": str(PROGRAMS),
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*unprivileged(), sys.executable, "-m", "tests.e2e.process.servercalls", "--without", self.without],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                text=True,
            )

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()
        self.signal_server(signal.SIGCONT)
        self.signal_server(signal.SIGQUIT)
        deadline = time.monotonic() + 3.0
        while processes.of_folder(self.pgdata) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.signal_server(signal.SIGKILL)
        for process in self._ended:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def kill(self) -> None:
        """Kill the program; its server is orphaned."""
        assert self._process is not None, "the program was not started"
        self._process.kill()
        self._process.wait(10.0)
        # Its server may hold the pipes open, so they are closed when that has ended too.
        self._ended.append(self._process)
        self._process = None

    def signal_server(self, number: signal.Signals) -> None:
        """Signal every process of the server."""
        for pid in processes.of_folder(self.pgdata):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    async def call(self, name: str, **arguments: object) -> Any:
        """Call a verb and return its answer.

        Raises:
            CovetError: the verb did.
        """
        return (await self.time(name, **arguments))[0]

    async def time(self, name: str, **arguments: object) -> tuple[Any, float]:
        """Call a verb and return its answer and the milliseconds it took.

        Raises:
            CovetError: the verb did.
        """
        if self._process is None:
            self.start()
        process = self._process
        assert process is not None, "it was started just now"
        assert process.stdin is not None, "its input is a pipe"
        assert process.stdout is not None, "its output is a pipe"
        process.stdin.write(json.dumps({"call": name} | arguments) + "\n")
        process.stdin.flush()
        line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), LIMIT)
        assert line, f"the program ended: {self.log.read_text(errors='replace')[-3000:]}"
        answer = json.loads(line)
        if "reason" in answer:
            raise CovetError(answer["reason"], answer["message"])
        return answer["value"], answer["ms"]

    async def query(self, statement: str) -> Any:
        """Return the first value of a statement."""
        return await self.call("sql", statement=statement)

    def take_database(self, source: Path) -> None:
        """Put a copy of a stopped server's data directory in the place of this one's."""
        shutil.rmtree(self.pgdata, ignore_errors=True)
        subprocess.run(["cp", "-a", source, self.pgdata], check=True)


async def serve() -> None:
    """Do what the lines of standard input say until it ends."""
    settings = read_settings()
    logs.configure("text", settings.instance)
    inst = Instance(settings, codec.decode(settings.spec.read_bytes(), ShardSpec), Clock(), Children())
    adopt_orphans(asyncio.get_running_loop(), inst.children)
    verbs = Verbs(inst)
    while line := await asyncio.to_thread(sys.stdin.readline):
        request = json.loads(line)
        began = time.monotonic()
        try:
            value = await getattr(verbs, request.pop("call"))(**request)
            answer = {"value": value, "ms": (time.monotonic() - began) * 1000.0}
        except Exception as error:  # noqa: BLE001  whatever it is, the test has to see it
            reason = error.reason if isinstance(error, CovetError) else type(error).__name__
            answer = {"reason": reason, "message": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[2]:
        lapses.take_away(sys.argv[2])
    asyncio.run(serve())
