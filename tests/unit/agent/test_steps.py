"""The order of the steps of fence and promotion, looked at from where each later step stands (I3, I7)."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from covet.agent import configuring, fencing, promoting
from covet.agent.instance import Instance
from covet.core import names
from covet.core.agentapi import Position, Rule
from covet.core.clock import Clock
from covet.engines import configuration, sessions
from covet.engines.configuration import Upstream
from covet.engines.server import Server
from covet.engines.sessions import Row, Session, SqlError, Vitals
from tests.unit.agent import instances

A, B = "s0-a-0123456789ab", "s0-b-0123456789ab"
RULE = Rule(5, 1, A, (A, B), 1)
CLIENTS = "scram-sha-256"


class Postmaster(Server):
    """A server of which only the process exists: its files are in force from a reload on.

    Args:
        inst: whose files it reads.
        pid: of the process that stands for it.
        reloaded: called at each reload.
    """

    def __init__(self, inst: Instance, pid: int, reloaded: Callable[[], None]) -> None:
        super().__init__(inst.settings.programs, inst.settings.pgdata, inst.settings.conf, inst.children.spawn, print)
        self._pid = pid
        self._reloaded = reloaded
        self._files = inst.settings.conf
        self.settings = self.access = ""

    @property
    def pid(self) -> int | None:
        """Process id."""
        return self._pid

    async def await_handlers(self, limit: float = 5.0) -> None:
        """It always has its handlers."""
        del limit

    def reload(self) -> None:
        """Read the files."""
        self.settings = self._files.joinpath("postgresql.conf").read_text()
        self.access = self._files.joinpath("pg_hba.conf").read_text()
        self._reloaded()


class Talk(Session):
    """A session on such a server.

    Args:
        server: what its settings are asked for.
        clients: process ids of the sessions that clients have.
    """

    def __init__(self, server: Postmaster, clients: set[int]) -> None:
        self._server = server
        self._clients = clients
        self.promoted: list[tuple[bool, int, bool]] = []
        self.checkpoints = 0

    @property
    def closed(self) -> bool:
        """It stays open."""
        return False

    async def close(self) -> None:
        """Nothing is held."""

    async def execute(self, statement: str, *values: object, limit: float = 5.0) -> None:
        """Take a checkpoint, or note at a promotion who is in and what setting is in force."""
        del values, limit
        self.checkpoints += statement == "CHECKPOINT"
        if "pg_promote" in statement:
            in_force = configuration.standby_names(RULE) in self._server.settings
            self.promoted.append((CLIENTS in self._server.access, len(self._clients), in_force))
            raise SqlError("Noted", "the test ends here")

    async def value(self, statement: str, *values: object, limit: float = 5.0) -> object:
        """Answer as a standby."""
        del limit
        if values == ("synchronous_standby_names",):
            return (
                configuration.standby_names(RULE) if configuration.standby_names(RULE) in self._server.settings else ""
            )
        if "pg_terminate_backend" in statement:
            ended = len(self._clients)
            self._clients.clear()
            return ended
        assert statement == "SELECT pg_is_in_recovery()"
        return True

    async def row(self, statement: str, *values: object, limit: float = 5.0) -> Row | None:
        """Say how far the replay is."""
        del values, limit
        assert "pg_last_wal_replay_lsn" in statement
        return {"lsn": 0x5000, "paused": False, "standby": False, "timeline": 1}

    async def rows(self, statement: str, *values: object, limit: float = 5.0) -> list[Row]:
        """Show every process that a client has; nobody streams."""
        del values, limit
        return [{"pid": pid} for pid in self._clients] if statement == "SELECT pid FROM pg_stat_activity" else []


class Served(Instance):
    """An instance whose sessions are all the same."""

    talk: Talk

    @contextlib.asynccontextmanager
    async def sql(self, *, synchronous: bool = False, database: str = "postgres") -> AsyncIterator[Session]:
        """Lend it."""
        del synchronous, database
        yield self.talk


@contextlib.contextmanager
def process(title: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that does nothing under a title."""
    with subprocess.Popen([title, "600"], executable="/bin/sleep") as running:
        try:
            yield running
        finally:
            running.kill()


def test_i3_a_fence_takes_its_steps_in_their_order(tmp_path: Path) -> None:
    """Credentials are gone before the reload, the receiver ends after it, and the position is read last."""
    seen: list[tuple[str, bool, bool, bool]] = []

    async def scenario(receiver: subprocess.Popen[bytes]) -> Position | None:
        inst = instances.make(tmp_path, Served)
        inst.clock, credentials = Clock(monotonic=lambda: 1000.0), inst.volume.credentials(1)
        credentials.mkdir(parents=True)
        inst.upstream = Upstream(inst.peer("shop-s0-b"), "role", A, names.slot(A), credentials)
        await configuring.apply(inst)

        def look(step: str) -> None:
            receiving = receiver.pid in fencing.receivers(os.getpid(), "shop-s0-a")
            seen.append((step, credentials.exists(), b"primary_slot_name = ''" not in conf.read_bytes(), receiving))

        class Asked(Talk):
            async def row(self, statement: str, *values: object, limit: float = 5.0) -> Row | None:
                look("position")
                return await super().row(statement, *values, limit=limit)

        conf = inst.settings.conf / "postgresql.conf"
        server = Postmaster(inst, os.getpid(), lambda: look("reload"))
        inst.server, inst.session = server, Asked(server, set())
        assert receiver.pid in fencing.receivers(os.getpid(), "shop-s0-a")
        assert conf.read_text().count(names.slot(A)) == 1
        return await fencing.fence(inst, 2)

    with process("postgres: shop-s0-a: walreceiver") as receiver:
        found = asyncio.run(scenario(receiver))
        assert -signal.SIGTERM == receiver.wait(10.0)
    assert Position(1, 0x5000) == found
    assert ("reload", False, False, True) == seen[0]
    assert ("position", False, False, False) == seen[-1]
    assert ["reload"] * (len(seen) - 1) + ["position"] == [step for step, *_ in seen]


def test_i7_clients_are_out_and_the_setting_is_in_force_before_a_promotion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session of before would write the moment the standby is none, and a commit would wait for nobody."""

    async def scenario(pid: int) -> Talk:
        inst = instances.make(tmp_path, Served)
        inst.clock = Clock(monotonic=lambda: 1000.0)
        inst.volume.pgdata.joinpath("pg_wal").mkdir(parents=True)
        inst.gate = inst.admitting = True
        server = Postmaster(inst, pid, lambda: None)
        inst.server = server
        await configuring.apply(inst)
        inst.talk = Talk(server, {1_000_001, 1_000_002})
        inst.vitals = Vitals(True, 0x5000, 1, None, None)  # noqa: FBT003  a standby
        inst.still = (5, Position(1, 0x5000))

        async def admits(*_: object) -> bool:
            return CLIENTS in server.access

        monkeypatch.setattr(sessions, "admits_clients", admits)  # it dials the server's port
        assert await admits()
        with pytest.raises(SqlError, match="the test ends here"):
            await promoting.promote(inst, 5, RULE, lambda: None)
        return inst.talk

    with process("postgres: shop-s0-a") as postmaster:
        talk = asyncio.run(scenario(postmaster.pid))
    assert [(False, 0, True)] == talk.promoted
    assert 1 == talk.checkpoints
