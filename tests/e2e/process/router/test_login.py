"""Who comes in through the router, and what others hear."""

import asyncio
import contextlib
import pathlib
import subprocess
import urllib.request

import asyncpg
import pytest

from tests.e2e.process.authority import Authority
from tests.e2e.process.router.front import DATABASE, LIMIT, PASSWORD, USER, Front, Server
from tests.e2e.process.router.sessions import connect, run


async def test_a_client_gets_to_the_server_with_its_own_name(session: "asyncpg.Connection[asyncpg.Record]") -> None:
    """The router logs in to the server as the client, though it was never told the password."""
    assert [(USER, DATABASE, 1)] == await session.fetch("SELECT current_user::text, current_database()::text, 1")


@pytest.mark.parametrize(
    ("user", "password", "database", "state"),
    [
        (USER, "wrong", DATABASE, "28P01"),
        ("nobody", PASSWORD, DATABASE, "28P01"),
        ("nobody", PASSWORD, "nothing", "28P01"),
        (USER, PASSWORD, "nothing", "3D000"),
    ],
)
async def test_who_may_not_enter_hears_the_same_whatever_is_wrong(
    router: Front, user: str, password: str, database: str, state: str
) -> None:
    """Nobody learns which users exist; only who has proven himself hears about databases."""
    with pytest.raises(asyncpg.PostgresError) as refused:
        await connect(router, password, user, database)
    assert state == refused.value.sqlstate
    if state == "28P01":
        assert f'password authentication failed for user "{user}"' == str(refused.value)


def test_nothing_is_said_without_tls(router: Front) -> None:
    """A password is not even asked for on a connection that others can read."""
    done = run(router, "psql", "-c", "SELECT 1", sslmode="disable")
    assert 2 == done.returncode
    assert "over TLS only" in done.stderr


async def test_a_verifier_that_is_not_the_servers_is_named(
    program: pathlib.Path, folder: pathlib.Path, authority: Authority, server: Server, router: Front
) -> None:
    """The key that a client's login gives away opens servers with the same verifier only; the error says so."""
    await (await connect(router)).close()
    former = server.verifier
    server.psql(f"SET password_encryption = 'scram-sha-256'; ALTER ROLE {USER} PASSWORD '{PASSWORD}'")
    try:
        pool = {"max": 1, "holdSeconds": 1}
        with (
            Front(program, folder, authority, server, pool=pool) as other,
            pytest.raises(asyncpg.PostgresError) as refused,
        ):
            await connect(other)
        assert "08001" == refused.value.sqlstate
        assert "another verifier" in str(refused.value)
    finally:
        server.psql(f"ALTER ROLE {USER} PASSWORD '{former}'")


async def connect_once_there_is_room(router: Front) -> "asyncpg.Connection[asyncpg.Record]":
    """Return a session as soon as a place among the clients is free."""
    while True:
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            return await connect(router)


async def test_limits_on_clients_are_said(
    program: pathlib.Path, folder: pathlib.Path, authority: Authority, server: Server
) -> None:
    """One client too many hears so, and a place that comes free is taken again."""
    users = [{"name": USER, "verifier": server.verifier, "clients": 1}]
    with Front(program, folder, authority, server, users=users) as limited:
        first = await connect(limited)
        with pytest.raises(asyncpg.TooManyConnectionsError, match="user app may have 1"):
            await connect(limited)
        await first.close()
        async with asyncio.timeout(LIMIT):
            second = await connect_once_there_is_room(limited)
        assert 1 == await second.fetchval("SELECT 1")
        await second.close()


def test_a_configuration_that_cannot_be_used_is_refused_with_its_place(
    program: pathlib.Path, folder: pathlib.Path
) -> None:
    """The router does not start on a guess."""
    path = folder / "router.json"
    path.write_text('{"version": 1, "cluster": {"name": "shop", "uid": "u", "colour": "red"}}')
    done = subprocess.run([program, "--config", path], capture_output=True, text=True, timeout=60, check=False)
    assert 1 == done.returncode
    assert "router.json" in done.stderr
    assert "unknown field `colour`" in done.stderr


def test_what_monitoring_sees(router: Front, server: Server) -> None:
    """Metrics, health and SHOW COVET say what goes on, and no secret."""
    assert 0 == run(router, "psql", "-c", "SELECT 1").returncode
    with urllib.request.urlopen(f"http://127.0.0.1:{router.admin}/metrics", timeout=60) as answer:
        page = answer.read().decode()
    assert page.endswith("# EOF\n")
    assert 'covet_router_pool_servers{database="shop",user="app",shard="s0",role="primary"}' in page
    assert 'covet_router_writable{shard="s0"} 1' in page
    done = run(router, "psql", "-Atc", "SHOW COVET SHARDS")
    assert f"s0|s0-a|127.0.0.1:{server.port}|primary|0" == done.stdout.strip()
    assert not [word for word in (PASSWORD, "SCRAM-SHA-256$") if word in router.log() + page]
