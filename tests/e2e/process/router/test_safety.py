"""What a client may not do through a router, for an acknowledged commit would not be safe any more."""

import pathlib
from collections.abc import Iterator

import asyncpg
import pytest

from tests.e2e.process.authority import Authority
from tests.e2e.process.router.front import USER, Front, Server
from tests.e2e.process.router.sessions import connect

LOWERING = (
    "SET synchronous_commit TO off",
    "SET LOCAL synchronous_commit = 'local'",
    "SELECT 1; SET SESSION synchronous_commit = remote_write",
    "SELECT set_config('synchronous_commit', 'off', true)",
    "SET client_min_messages = error",
    f"ALTER ROLE {USER} SET synchronous_commit = off",
    "DO $$ BEGIN SET LOCAL synchronous_commit = off; END $$",
    "SET standard_conforming_strings = off",
)


@pytest.fixture
def lowered(server: Server) -> Iterator[None]:
    """The role has other settings on the server, as its superuser may say."""
    for setting in ("synchronous_commit = off", "client_min_messages = error", "standard_conforming_strings = off"):
        server.psql(f"ALTER ROLE {USER} SET {setting}")
    yield
    server.psql(f"ALTER ROLE {USER} RESET ALL")


@pytest.mark.parametrize("sql", LOWERING)
async def test_a_commit_cannot_be_made_unsafe(router: Front, sql: str) -> None:
    """Refused by the setting's name, in either protocol; the session goes on with what it had."""
    session = await connect(router)
    with pytest.raises(asyncpg.FeatureNotSupportedError, match="before it is safe"):
        await session.execute(sql)
    if ";" not in sql:
        with pytest.raises(asyncpg.FeatureNotSupportedError, match="before it is safe"):
            await session.fetch(sql)
    assert 2 == await session.fetchval("SELECT $1::int + 1", 1)
    shown = [await session.fetchval(f"SHOW {name}") for name in ("synchronous_commit", "client_min_messages")]
    assert ["on", "notice"] == shown
    await session.close()


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
async def test_what_is_refused_fails_its_transaction(router: Front, *, extended: bool) -> None:
    """Nothing that a COMMIT afterwards would keep: the server failed the transaction too (R8)."""
    session = await connect(router)
    await session.execute("CREATE TABLE IF NOT EXISTS refused (n int); TRUNCATE refused")
    await session.execute("BEGIN")
    await session.execute("INSERT INTO refused VALUES (1)")
    with pytest.raises(asyncpg.FeatureNotSupportedError, match="synchronous_commit"):
        await (session.fetch if extended else session.execute)("SET LOCAL synchronous_commit TO off")
    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await session.execute("INSERT INTO refused VALUES (2)")
    assert "ROLLBACK" == await session.execute("COMMIT")
    assert 0 == await session.fetchval("SELECT count(*) FROM refused")
    await session.close()


@pytest.mark.parametrize(
    "settings",
    [{"synchronous_commit": "off"}, {"options": "-c client_min_messages=panic"}, {"options": "--synchronous-commit=0"}],
)
async def test_nobody_logs_in_with_such_a_setting(router: Front, settings: dict[str, str]) -> None:
    """Refused at login, in the same words."""
    with pytest.raises(asyncpg.FeatureNotSupportedError, match="before it is safe"):
        await connect(router, **settings)


async def test_safe_values_pass(router: Front) -> None:
    """A client may ask for more than the default, and take it back."""
    session = await connect(router, options="-c synchronous_commit=remote_apply -c client_min_messages=warning")
    assert "remote_apply" == await session.fetchval("SHOW synchronous_commit")
    assert "warning" == await session.fetchval("SHOW client_min_messages")
    await session.execute("SET synchronous_commit TO on")
    assert "on" == await session.fetchval("SHOW synchronous_commit")
    await session.close()


@pytest.mark.usefixtures("lowered")
async def test_what_a_role_has_on_the_server_counts_for_nothing(
    program: pathlib.Path, folder: pathlib.Path, authority: Authority, server: Server
) -> None:
    """ALTER ROLE by a superuser does not lower what comes through a router, nor does RESET bring it back."""
    with Front(program, folder, authority, server) as router:
        session = await connect(router)
        for reset in ("RESET synchronous_commit", "RESET ALL", "DISCARD ALL"):
            await session.execute(reset)
            names = ("synchronous_commit", "client_min_messages", "standard_conforming_strings")
            assert ["on", "notice", "on"] == [await session.fetchval(f"SHOW {name} -- {reset}") for name in names]
        await session.close()
