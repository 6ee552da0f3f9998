"""A seal on the application's database, on real servers: nothing is made under it, and what is there is found."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from covet.core.agentorders import Inside, MapOrder, SealOrder
from covet.core.errors import RefusedError
from tests.e2e.process.shard import DATABASE, Shard

SEAL = SealOrder(7)
REFUSED = asyncpg.LockNotAvailableError


@contextlib.asynccontextmanager
async def sealed(shard: Shard, order: SealOrder = SEAL) -> AsyncIterator[None]:
    """Seal a shard for as long as this lasts."""
    await shard.client.seal(shard.leader.peer, order)
    try:
        yield
    finally:
        await shard.client.unseal(shard.leader.peer)


async def inside(shard: Shard) -> Inside:
    """Return what the leader says of the database."""
    return await shard.client.inside(shard.leader.peer)


async def refused(shard: Shard, order: SealOrder = SEAL) -> str:
    """Return why a shard is not sealed; afterwards a table can be made."""
    with pytest.raises(RefusedError) as error:
        await shard.client.seal(shard.leader.peer, order)
    assert (await inside(shard)).sealed is None
    return f"{error.value.reason}: {error.value.message}"


async def test_nothing_is_made_under_a_seal(one: Shard) -> None:
    """Whatever makes a relation is refused with a word about why; reading, dropping and the agent's own go on."""
    await one.execute("CREATE VIEW v AS SELECT 1 AS a")
    session = await one.connect()
    async with sealed(one):
        for statement in (
            "CREATE TABLE t (a integer)",
            "CREATE TABLE t AS SELECT 1 AS a",
            "SELECT 1 AS a INTO t",
            "CREATE MATERIALIZED VIEW t AS SELECT 1 AS a",
            "CREATE SEQUENCE t",
            "CREATE SCHEMA s CREATE TABLE t (a integer)",
            "DO $$ BEGIN CREATE TABLE t (a integer); END $$",
            "SET search_path = s, pg_catalog; CREATE TABLE t (a integer)",
        ):
            with pytest.raises(REFUSED, match="Covet changes the shards"):
                await session.execute(statement)
        for statement in ("ALTER EVENT TRIGGER covet_sealed DISABLE", "DROP EVENT TRIGGER covet_sealed"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await session.execute(statement)
        assert 1 == await session.fetchval("SELECT a FROM v")
        await session.execute("DROP VIEW v")
        assert Inside(sealed=7) == await inside(one)
        assert 7 == (await one.status(one.leader)).sealed
        await one.client.seal(one.leader.peer, SEAL)  # an order that is repeated changes nothing
    await session.execute("RESET search_path; CREATE TABLE t (a integer); DROP TABLE t")
    assert (Inside(), None) == (await inside(one), (await one.status(one.leader)).sealed)
    await session.close()


@pytest.mark.parametrize(
    ("statement", "undo", "found"),
    [
        ("CREATE TABLE t (a integer)", "DROP TABLE t", "table public.t"),
        ('CREATE TABLE "T 1" (a integer) PARTITION BY HASH (a)', 'DROP TABLE "T 1"', 'table public."T 1"'),
        ("CREATE MATERIALIZED VIEW m AS SELECT 1 AS a", "DROP MATERIALIZED VIEW m", "materialized view public.m"),
        ("CREATE SEQUENCE q", "DROP SEQUENCE q", "sequence public.q"),
        ("SELECT lo_create(4711)", "SELECT lo_unlink(4711)", "large object 4711"),
    ],
)
async def test_what_is_there_is_found_and_named(one: Shard, statement: str, undo: str, found: str) -> None:
    """Each of these keeps a shard from being sealed, and is said before anybody tries."""
    await one.execute(statement)
    assert (found,) == (await inside(one)).holdings
    assert f"ShardNotEmpty: The database holds {found}." == await refused(one)
    await one.execute("CREATE VIEW v AS SELECT 1 AS a; DROP VIEW v")
    await one.execute(undo)
    assert () == (await inside(one)).holdings


async def test_definitions_and_temporary_tables_are_no_data(one: Shard) -> None:
    """A schema, a function, a type and what goes with its session move no keys."""
    session = await one.connect()
    await session.execute(
        "CREATE SCHEMA s; CREATE TYPE s.t AS (a integer); CREATE TEMP TABLE mine (a integer);"
        " CREATE FUNCTION s.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'"
    )
    try:
        async with sealed(one):
            assert () == (await inside(one)).holdings
    finally:
        await session.execute("DROP SCHEMA s CASCADE")
        await session.close()


async def test_a_table_that_is_not_committed_is_waited_for(one: Shard) -> None:
    """No look finds it, and yet it comes: the seal holds until its transaction is over, and then finds it."""
    session = await one.connect()
    await session.execute("BEGIN; CREATE TABLE t (a integer)")
    order = asyncio.create_task(refused(one))
    async with asyncio.timeout(30.0):
        while not order.done() and (await inside(one)).sealed is None:  # noqa: ASYNC110  another process has no event
            await asyncio.sleep(0.02)
    await session.execute("COMMIT")
    await session.close()
    answer = await order
    if answer.startswith("TransactionOpen"):  # the machine was too slow for one order
        answer = await refused(one)
    assert "ShardNotEmpty: The database holds table public.t." == answer


async def test_a_transaction_that_does_not_end_is_named(one: Shard) -> None:
    """The seal is taken off again: nobody is kept from anything by somebody who forgot to commit."""
    session = await one.connect()
    await session.execute("BEGIN; SELECT 1")
    pid = session.get_server_pid()
    assert f"session {pid} has had a transaction open" in await refused(one)
    assert f"session {pid} of app has a transaction open" == (await inside(one)).busy
    await session.close()


async def test_a_shard_that_leaves_lets_nobody_in(one: Shard) -> None:
    """Its sessions end, large objects included nothing can be put in, and a change that is given up opens it again."""
    session = await one.connect()
    one.leader.superuser(f"ALTER DATABASE {DATABASE} CONNECTION LIMIT 17")
    async with sealed(one, SealOrder(7, leaves=True)):
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await session.execute("SELECT 1")
        session.terminate()
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await one.connect()
        assert Inside(sealed=7, shut=True) == await inside(one)
    assert 17 == await one.value("SELECT datconnlimit FROM pg_database WHERE datname = $1", DATABASE)
    one.leader.superuser(f"ALTER DATABASE {DATABASE} CONNECTION LIMIT -1")
    assert 1 == await one.value("SELECT 1")


async def test_a_map_that_moves_keys_is_stored_under_its_seal_alone() -> None:
    """A seal that was lost is put on again first, and a table that came meanwhile keeps the map as it is."""
    async with Shard(1) as alone:  # other tests look for the first map
        await alone.birth()
        order = MapOrder(2, "{}", SealOrder(2))
        await alone.execute("CREATE TABLE t (a integer)")
        with pytest.raises(RefusedError, match="holds table public"):
            await alone.client.put_map(alone.leader.peer, order)
        assert 1 == int(alone.leader.superuser("SELECT epoch FROM covet.map"))
        await alone.execute("DROP TABLE t")
        await alone.client.put_map(alone.leader.peer, order)
        assert (2, 2) == ((await alone.status(alone.leader)).map_epoch, (await inside(alone)).sealed)
        await alone.client.unseal(alone.leader.peer)
        await alone.execute("CREATE TABLE t (a integer)")
        await alone.client.put_map(alone.leader.peer, order)  # repeated, it asks for nothing any more
        assert ("table public.t",) == (await inside(alone)).holdings


async def test_the_next_leader_is_sealed_too(three: Shard) -> None:
    """A seal was acknowledged before it counts: a switchover takes it along, and unsealing works there."""
    await three.client.seal(three.leader.peer, SEAL)
    try:
        await three.switch_over(three.followers[0])
        assert Inside(sealed=7) == await inside(three)
        session: Any = await three.connect()
        with pytest.raises(REFUSED):
            await session.execute("CREATE TABLE t (a integer)")
        await session.close()
    finally:
        await three.client.unseal(three.leader.peer)
    await three.execute("CREATE TABLE t (a integer)")
