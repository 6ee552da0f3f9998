"""Passwords and keys stay where they belong: nothing that others may read holds one."""

import asyncio
import contextlib
import secrets
from pathlib import Path

import asyncpg
import pytest

from covet.core.agentapi import Login
from covet.core.agentorders import LoginOrder, RetireOrder
from covet.engines import processes
from covet.peers import codec
from tests.e2e.process.agents import Agent
from tests.e2e.process.authority import Authority, client_context
from tests.e2e.process.shard import DATABASE, OWNER, PASSWORD, Shard, verifier

REFUSED = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)


def family(pid: int) -> set[int]:
    """Return a process and every one below it."""
    return {pid}.union(*(family(child) for child in processes.children(pid)))


def told(agent: Agent) -> dict[str, bytes]:
    """Return what others may read of an agent: arguments and environment of its processes, and its log."""
    found = {"log": agent.log.read_bytes()}
    for pid in family(agent.pid) | set(agent.server_processes()):
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                found[f"{pid} {name}"] = Path(f"/proc/{pid}/{name}").read_bytes()
    return found


def key_of(path: Path) -> str:
    """Return a line of a private key that stands in no other."""
    return path.read_text().splitlines()[1]


async def test_no_password_and_no_key_is_told(three: Shard) -> None:
    """Neither log, arguments, environment nor status hold what somebody could log in with, whatever went wrong."""
    password, wrong = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    stored = verifier(password)
    await three.client.put_login(three.leader.peer, LoginOrder(OWNER, "app_a", stored))
    session = await three.connect(user="app_a", password=password)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await three.connect(user="app_a", password=wrong)
    with pytest.raises(asyncpg.PostgresError):
        await session.execute("SELECT no_such_column")
    hidden = [password, wrong, PASSWORD, stored, stored.rsplit("$", 1)[1], "PRIVATE KEY"]
    hidden += [key_of(agent.tls / "tls.key") for agent in three.agents]
    for agent in three.agents:
        places = told(agent)
        places["status"] = codec.encode(await three.status(agent))
        assert len(places) > 8
        assert [] == [(place, what[:8]) for place, text in places.items() for what in hidden if what.encode() in text]
    await session.close()
    await three.wait(three.leader, lambda told: Login("app_a", allowed=True, used=False) in (told.logins or ()))
    await three.client.retire_login(three.leader.peer, RetireOrder(DATABASE, OWNER, "app_a"))


async def test_keys_on_a_volume_are_the_agent_s_alone(three: Shard) -> None:
    """Every file with a private key is readable by its owner only, and no password stands outside the database."""

    def found() -> tuple[list[Path], list[Path], int]:
        keys, texts, count = [], [], 0
        for agent in three.agents:
            for path in agent.data.rglob("*"):
                if agent.pgdata in path.parents or not path.is_file() or path.stat().st_size > 1 << 20:
                    continue
                content = path.read_bytes()
                count += b"PRIVATE KEY" in content
                if b"PRIVATE KEY" in content and path.stat().st_mode & 0o077:
                    keys.append(path)
                if b"SCRAM-SHA-256$" in content or PASSWORD.encode() in content:
                    texts.append(path)
        return keys, texts, count

    readable, texts, count = await asyncio.to_thread(found)
    assert ([], []) == (readable, texts)
    assert count >= len(three.agents)


async def test_every_way_in_without_its_proof_is_refused(three: Shard) -> None:
    """No TLS, a foreign certificate, a wrong password, no certificate: neither clients nor replication get in."""
    peer = three.leader.peer
    foreign = client_context(
        Authority("foreign").issue(three.folder / "intruder", "shop-s0-b", trust=three.authority.pem)
    )
    common = {"host": peer.address, "port": peer.sql_port, "timeout": 10.0}
    owner = {"user": OWNER, "password": PASSWORD, "database": DATABASE}
    member = {"user": "covet_s0_b", "database": "postgres"}
    streams = {"server_settings": {"replication": "true"}}
    ways = (
        owner | {"ssl": False},
        owner | {"ssl": foreign},
        owner | {"ssl": three.trust, "password": "wrong"},
        owner | {"ssl": three.trust, "password": ""},
        owner | {"ssl": three.trust} | streams,
        member | {"ssl": False} | streams,
        member | {"ssl": foreign} | streams,
        member | {"ssl": three.trust} | streams,
        member | {"ssl": three.trust, "password": PASSWORD} | streams,
    )
    for way in ways:
        with pytest.raises(REFUSED):
            await asyncpg.connect(**common, **way)
    session = await asyncpg.connect(**common, **owner, ssl=three.trust)
    await session.close()
