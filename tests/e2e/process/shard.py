"""A whole shard as local processes, and the part of the operator that gives orders to it."""

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import hmac
import os
import secrets
import shutil
import socket
import ssl
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import asyncpg

from covet.core import names
from covet.core.agentapi import AgentStatus, Durability, MemberState, Peer, Rule, Serving, ShardSpec
from covet.core.agentorders import (
    BootstrapOrder,
    CloneOrder,
    CohortOrder,
    DatabaseOrder,
    MapOrder,
    OpenOrder,
    SwitchoverOrder,
)
from covet.core.errors import RefusedError, UnreachableError
from covet.peers.client import AgentClient
from covet.planner import quorum
from tests.e2e.process.agents import Agent, give
from tests.e2e.process.authority import Authority, client_context, trusting_context

CLUSTER = "shop"
DATABASE, OWNER, PASSWORD = "app", "app", "correct horse battery staple"
LIMIT = 60.0
"""Seconds that anything may take before a test fails."""


class Shard:
    """A shard of n instances on 127.0.1.1, 127.0.1.2, ... with an authority of its own.

    Args:
        instances: how many.
        durability: as the user would ask for.
        parameters: the user's server settings.
        slot_bytes: bound of the log that slots keep.
    """

    def __init__(
        self,
        instances: int,
        durability: Durability = Durability.QUORUM,
        parameters: dict[str, str] | None = None,
        slot_bytes: int = 1 << 30,
    ) -> None:
        base = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a folder of our own below it
        self.folder = Path(tempfile.mkdtemp(prefix="covet-", dir=base))
        self.folder.chmod(0o755)
        give(self.folder)
        self.authority = Authority()
        self.spec = dataclasses.replace(
            loopback_spec(instances),
            durability=durability,
            parameters=parameters or {},
            max_slot_wal_keep_bytes=slot_bytes,
        )
        self.agents = [Agent(self.folder / peer.instance, peer, self.authority) for peer in self.spec.peers]
        self.leader = self.agents[0]
        operator = self.authority.issue(self.folder / "operator", names.OPERATOR_COMMON_NAME)
        self.client = AgentClient(client_context(operator), 8.0)
        self.trust: ssl.SSLContext = trusting_context(operator / "ca.crt")

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        self.mount()
        for agent in self.agents:
            agent.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.show_logs()
        await self.close()

    async def close(self) -> None:
        """End every process and remove the folder."""
        await self.client.close()
        for agent in self.agents:
            await asyncio.to_thread(agent.end)
        shutil.rmtree(self.folder)

    def show_logs(self) -> None:
        """Print the end of every agent's log; pytest shows it with a failure, and a bench does not want it."""
        if "PYTEST_CURRENT_TEST" not in os.environ:
            return
        for agent in self.agents:
            tail = agent.log.read_text(errors="replace").splitlines()[-60:] if agent.log.exists() else []
            print(f"--- {agent.peer.instance}", *tail, sep="\n")  # noqa: T201 - what pytest shows of a failed test

    async def heal(self) -> bool:
        """Undo what a test did to processes and settings; True if the shard then serves and takes a write."""
        self.mount()
        for agent in self.agents:
            agent.thaw_server()
            if agent.exit_code is not None:
                agent.start()
        try:
            if self.spec.parameters:
                await self.publish(parameters={})
            await self.wait_serving()
            for agent in self.agents:
                await self.wait(agent, lambda s: s.applied_generation == self.spec.generation, 10)
            await self.switch_over(self.agents[0])
            await self.put_database()
            await self.execute("DROP TABLE IF EXISTS t, w")
        except (AssertionError, OSError, asyncpg.PostgresError, RefusedError):
            return False
        return True

    @property
    def followers(self) -> list[Agent]:
        """All but the leader as it was last found."""
        return [agent for agent in self.agents if agent is not self.leader]

    async def find_leader(self, limit: float = LIMIT) -> Agent:
        """Wait until one agent leads and takes writes, and remember it."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            for agent in self.agents:
                with contextlib.suppress(UnreachableError, RefusedError):
                    if (await self.status(agent)).serving is Serving.READ_WRITE:
                        self.leader = agent
                        return agent
            await asyncio.sleep(0.02)
        raise AssertionError(f"nobody takes writes within {limit:.0f} s")

    # -------------------------------------------------------- what an operator does

    def mount(self) -> None:
        """Write the spec to where every agent reads it."""
        for agent in self.agents:
            agent.mount_spec(self.spec)

    async def publish(self, **changes: Any) -> None:
        """Change the spec, mount it and hand it to every agent that answers."""
        self.spec = dataclasses.replace(self.spec, **{"generation": self.spec.generation + 1, **changes})
        self.mount()
        for agent in self.agents:
            try:
                await self.client.put_spec(agent.peer, self.spec)
            except UnreachableError:
                continue

    async def status(self, agent: Agent) -> AgentStatus:
        """Return an agent's status."""
        return await self.client.status(agent.peer)

    async def bootstrap(self, agent: Agent | None = None) -> AgentStatus:
        """Order the bootstrap and wait for the leader."""
        agent = agent or self.leader
        await self.order(lambda: self.client.bootstrap(agent.peer, self.bootstrap_order()))
        return await self.wait(agent, lambda s: s.state is MemberState.LEADER)

    def bootstrap_order(self) -> BootstrapOrder:
        """Return the order that starts this shard."""
        return BootstrapOrder(self.spec.cluster_uid, self.spec.shard_uid)

    async def clone(self, *agents: Agent) -> None:
        """Order clones, all at once, and wait until every one streams."""
        system_id = (await self.status(self.leader)).system_id
        assert system_id is not None, "the leader has no system id"
        for agent in agents:
            order = CloneOrder(self.leader.peer.instance, system_id)
            await self.order(lambda peer=agent.peer, order=order: self.client.clone(peer, order))  # type: ignore[misc]  # a lambda's defaults are not inferred
        for agent in agents:
            await self.wait(agent, lambda s: s.state is MemberState.FOLLOWER and s.streaming)

    async def grow(self, instances: int | None = None, acks: int | None = None) -> Rule:
        """Ask the leader for steps until the cohort and W are as wanted; W is the durability's if it is not given."""
        wanted = [agent.peer.instance for agent in self.agents[: instances or len(self.agents)]]
        acks = quorum.acks_for(len(wanted), self.spec.durability) if acks is None else acks
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                rule = await self.client.cohort(self.leader.peer, CohortOrder(tuple(wanted), acks))
            except (RefusedError, UnreachableError):
                assert time.monotonic() < deadline, "the cohort does not grow"
                await asyncio.sleep(0.1)
                continue
            if len(rule.cohort) == len(wanted) and rule.acks == acks:
                return rule

    async def put_database(self, password: str = PASSWORD) -> None:
        """Order the application's database and owner."""
        await self.client.put_database(self.leader.peer, DatabaseOrder(DATABASE, OWNER, verifier(password)))

    async def open(self) -> None:
        """Record that clients may enter, and order the leader to open."""
        await self.publish(opened=True)
        await self.client.open(self.leader.peer, OpenOrder(self.spec.shard_uid))

    async def birth(self) -> None:
        """Do everything from empty volumes to a shard that serves reads and writes."""
        await self.bootstrap()
        if self.followers:
            await self.clone(*self.followers)
        await self.grow()
        await self.put_database()
        await self.client.put_map(self.leader.peer, MapOrder(1, '{"epoch":1}'))
        await self.open()
        await self.wait_serving()

    async def switch_over(self, to: Agent) -> None:
        """Have an agent lead, by the operator's order, and wait until everybody serves."""
        deadline = time.monotonic() + LIMIT
        while self.leader is not to:
            assert time.monotonic() < deadline, f"{to.peer.instance} does not come to lead"
            with contextlib.suppress(RefusedError, UnreachableError):
                await self.client.switchover(self.leader.peer, SwitchoverOrder(to.peer.instance))
            await self.wait(to, lambda s: s.serving is not Serving.CLOSED)
            await self.find_leader()
        await self.wait_serving()

    async def order(self, call: Callable[[], Awaitable[AgentStatus]]) -> AgentStatus:
        """Give an order until the agent answers at all."""
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                return await call()
            except UnreachableError:
                assert time.monotonic() < deadline, "the agent does not answer"
                await asyncio.sleep(0.05)

    # -------------------------------------------------------- waiting and SQL

    async def wait(self, agent: Agent, told: Callable[[AgentStatus], bool], limit: float = LIMIT) -> AgentStatus:
        """Return an agent's status once it tells what is waited for."""
        deadline = time.monotonic() + limit
        last: object = None
        while time.monotonic() < deadline:
            try:
                status = await self.status(agent)
            except UnreachableError as error:
                last = error
            else:
                if told(status):
                    return status
                last = status
            await asyncio.sleep(0.05)
        raise AssertionError(f"{agent.peer.instance} did not get there within {limit:.0f} s: {last}")

    async def wait_serving(self) -> None:
        """Find the leader that takes writes, and wait until every follower takes reads."""
        await self.find_leader()
        for agent in self.followers:
            await self.wait(agent, lambda s: s.serving is Serving.READ_ONLY)

    async def connect(self, agent: Agent | None = None, **changes: Any) -> Any:
        """Return a session of the application, over verified TLS."""
        peer = (agent or self.leader).peer
        options = {
            "host": peer.address,
            "port": peer.sql_port,
            "user": OWNER,
            "password": PASSWORD,
            "database": DATABASE,
            "ssl": self.trust,
            "timeout": 5.0,
        }
        return await asyncpg.connect(**options | changes)

    async def execute(self, statement: str, *values: object, agent: Agent | None = None) -> None:
        """Run one statement in a session of its own."""
        connection = await self.connect(agent)
        try:
            await connection.execute(statement, *values, timeout=10.0)
        finally:
            await connection.close(timeout=2.0)

    async def value(self, query: str, *values: object, agent: Agent | None = None) -> Any:
        """Return one value from a session of its own; a replica that is just shut is waited for."""
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                connection = await self.connect(agent)
                break
            except asyncpg.InvalidAuthorizationSpecificationError:
                if agent in {None, self.leader} or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.1)
        try:
            return await connection.fetchval(query, *values, timeout=10.0)
        finally:
            await connection.close(timeout=2.0)


def loopback_spec(instances: int) -> ShardSpec:
    """Return the spec of a new shard whose instances listen on loopback addresses of their own, on free ports."""
    addresses = [f"127.0.1.{index + 1}" for index in range(instances)]
    ports = free_ports(addresses)
    peers = tuple(
        Peer(names.instance(CLUSTER, "s0", names.letter(index)), address, *ports)
        for index, address in enumerate(addresses)
    )
    return ShardSpec(
        generation=1,
        cluster=CLUSTER,
        cluster_uid=str(uuid.uuid4()),
        namespace="default",
        shard="s0",
        shard_uid=str(uuid.uuid4()),
        engine_version="15",
        bootstrapped_by=peers[0].instance,
        opened=False,
        durability=Durability.QUORUM,
        peers=peers,
    )


def free_ports(addresses: list[str]) -> tuple[int, int, int]:
    """Return three ports that are free on every address: agent, voter, SQL.

    Test runners side by side have ranges of their own: nobody holds these ports until the agents start.
    """
    runner = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    found: list[int] = []
    while len(found) < 3:
        port = 20000 + 3000 * (runner % 4) + secrets.randbelow(3000)
        if port not in found and all(is_free(address, port) for address in addresses):
            found.append(port)
    return found[0], found[1], found[2]


def is_free(address: str, port: int) -> bool:
    """Tell whether nobody listens there."""
    with socket.socket() as sock:
        try:
            sock.bind((address, port))
        except OSError:
            return False
    return True


def verifier(password: str) -> str:
    """Return the SCRAM-SHA-256 verifier of a password, as RFC 5803 and PostgreSQL write it."""
    salt, rounds = secrets.token_bytes(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${rounds}:{text[0]}${text[1]}:{text[2]}"
