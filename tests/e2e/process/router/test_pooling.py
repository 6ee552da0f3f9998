"""Many clients on few server connections, none of which notices the others."""

import asyncio
import io
import pathlib
import signal
from collections.abc import Callable
from typing import TypeAlias

import asyncpg
import pytest

from tests.e2e.process.authority import Authority
from tests.e2e.process.router import front
from tests.e2e.process.router.front import Front, Server
from tests.e2e.process.router.sessions import connect, run

Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds, for as long as a loaded machine may take."""
    async with asyncio.timeout(front.LIMIT):
        while not holds():  # noqa: ASYNC110 - what is waited for rings no bell
            await asyncio.sleep(0.02)


async def test_transactions_share_connections_and_statements_simply_work(router: Front) -> None:
    """Eight clients with prepared statements on two server connections: each sees its own results."""
    clients = [await connect(router) for _ in range(8)]
    statements = [await client.prepare("SELECT $1::int + $2::int") for client in clients]
    for turn in range(20):
        answers = await asyncio.gather(*(each.fetchval(number, turn) for number, each in enumerate(statements)))
        assert [number + turn for number in range(8)] == answers
    backends = {await client.fetchval("SELECT pg_backend_pid()") for client in clients}
    assert len(backends) <= 2
    for client in clients:
        await client.close()


async def test_settings_follow_their_client(router: Front) -> None:
    """SET holds for the client that said it, on whatever connection; one that was rolled back does not."""
    one, two = await connect(router, application_name="one"), await connect(router, search_path="pg_catalog, public")
    await one.execute("SET work_mem = '1234kB'")
    await one.execute("BEGIN; SET LOCAL statement_timeout = 5000; COMMIT")
    await one.execute("BEGIN")
    await one.execute("SET lock_timeout = 77")
    await one.execute("ROLLBACK")
    for _ in range(5):
        found = await asyncio.gather(one.fetchval("SHOW work_mem"), two.fetchval("SHOW work_mem"))
        assert ["1234kB", "4MB"] == [*found]
    assert ["one", "0"] == [await one.fetchval(f"SHOW {name}") for name in ("application_name", "lock_timeout")]
    assert "pg_catalog, public" == await two.fetchval("SHOW search_path")
    await one.execute("RESET ALL")
    assert "4MB" == await one.fetchval("SHOW work_mem")
    await one.close()
    await two.close()


async def test_state_that_cannot_move_keeps_its_connection_and_leaves_nothing_behind(router: Front) -> None:
    """A temporary table stays where it is, and the next client does not find it."""
    one, two = await connect(router), await connect(router)
    await one.execute("CREATE TEMP TABLE mine AS SELECT 7 AS seven")
    for _ in range(5):
        assert 7 == await one.fetchval("SELECT seven FROM mine")
        assert await two.fetchval("SELECT to_regclass('mine')") is None
    await one.execute("SELECT pg_advisory_lock(4711)")
    await one.close()
    assert "SELECT 1" == await two.execute("SELECT pg_advisory_xact_lock(4711)")
    await two.close()


async def test_state_is_refused_where_the_setting_says_so(
    program: pathlib.Path, folder: pathlib.Path, authority: Authority, server: Server
) -> None:
    """With `held: Refuse` the statement fails with its name, and the session goes on."""
    with Front(program, folder, authority, server, limits={"held": "Refuse"}) as strict:
        session = await connect(strict)
        for _ in range(2):
            with pytest.raises(asyncpg.FeatureNotSupportedError, match="LISTEN"):
                await session.execute("LISTEN news")
        with pytest.raises(asyncpg.FeatureNotSupportedError, match="advisory lock"):
            await session.fetchval("SELECT pg_advisory_lock($1)", 1)
        assert 3 == await session.fetchval("SELECT $1::int", 3)
        await session.close()


async def test_errors_amid_prepared_statements_leave_the_session_usable(session: Session) -> None:
    """A statement that fails to prepare or to run takes nothing else with it."""
    with pytest.raises(asyncpg.UndefinedTableError):
        await session.prepare("SELECT * FROM no_such_table")
    divide = await session.prepare("SELECT 10 / $1::int")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await divide.fetchval(0)
    assert 5 == await divide.fetchval(2)
    async with session.transaction():
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with session.transaction():
                await divide.fetchval(0)
        assert 2 == await divide.fetchval(5)


async def test_rows_are_copied_both_ways(session: Session) -> None:
    """COPY takes more than any buffer of the router holds, in both directions; a bad row fails it and nothing else."""
    await session.execute("DROP TABLE IF EXISTS copied; CREATE TABLE copied (id int, word text)")
    rows = [(number, "x" * 400) for number in range(3000)]
    assert "COPY 3000" == await session.copy_records_to_table("copied", records=rows)
    back = bytearray()

    async def take(data: bytes) -> None:
        back.extend(data)

    await session.copy_from_query("SELECT word FROM copied", output=take)
    assert 3000 * 401 == len(back)
    with pytest.raises(asyncpg.DataError):
        await session.copy_to_table("copied", source=io.BytesIO(b"1\tone\nnot a number\ttwo\n"))
    assert 3000 == await session.fetchval("SELECT count(*) FROM copied")


async def test_a_long_value_passes(session: Session) -> None:
    """Eight megabytes go to the server and back."""
    word = "é" * (4 << 20)
    assert word == await session.fetchval("SELECT $1::text", word)


async def test_a_cancel_request_meets_its_own_statement(router: Front) -> None:
    """The statement that its client cancels ends; another client's runs on."""
    one, two = await connect(router), await connect(router)
    other = asyncio.create_task(two.fetchval("SELECT 2 FROM pg_sleep(2)"))
    with pytest.raises(TimeoutError):
        await one.execute("SELECT pg_sleep(600)", timeout=0.5)
    assert 1 == await one.fetchval("SELECT 1")
    assert 2 == await other
    await one.close()
    await two.close()


async def test_a_client_waits_in_line_and_not_for_ever(
    program: pathlib.Path, folder: pathlib.Path, authority: Authority, server: Server
) -> None:
    """With all connections taken a client waits, and hears the reason when the wait ends."""
    with Front(program, folder, authority, server, pool={"max": 1, "waitSeconds": 1}) as narrow:
        one, two = await connect(narrow), await connect(narrow)
        await one.execute("BEGIN")
        with pytest.raises(asyncpg.PostgresError, match=r"no server connection came free within 1 s; raise pool\.max"):
            await two.fetchval("SELECT 2")
        await one.execute("COMMIT")
        three = await connect(narrow)
        assert 3 == await three.fetchval("SELECT 3")
        for session in (one, three):
            await session.close()


async def test_a_router_that_is_told_to_stop_lets_transactions_end(
    program: pathlib.Path, folder: pathlib.Path, authority: Authority, server: Server
) -> None:
    """SIGTERM: idle clients hear it at once, an open transaction commits, then the router is gone."""
    with Front(program, folder, authority, server, limits={"drainSeconds": 60}) as leaving:
        idle, busy = await connect(leaving), await connect(leaving)
        await busy.execute("BEGIN")
        leaving.process.send_signal(signal.SIGTERM)
        await eventually(idle.is_closed)
        assert 1 == await busy.fetchval("SELECT 1")
        await busy.execute("COMMIT")
        assert 0 == await asyncio.to_thread(leaving.process.wait, front.LIMIT)


async def test_a_server_that_comes_back_is_used_again(
    program: pathlib.Path, folder: pathlib.Path, authority: Authority
) -> None:
    """Statements that were not sent wait for the server; one that was on its way gets 08007, and is not repeated."""
    own = Server(folder, authority)
    own.start()
    with Front(program, folder, authority, own) as patient:
        waiting, lost = await connect(patient), await connect(patient)
        on_its_way = asyncio.create_task(lost.fetchval("SELECT 1 FROM pg_sleep(600)"))
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        await eventually(lambda: own.psql(asleep) == "1")
        await asyncio.to_thread(own.stop, "immediate")
        with pytest.raises(asyncpg.PostgresError, match="it may have been carried out or not"):
            await on_its_way
        held = asyncio.create_task(waiting.fetchval("SELECT 5"))
        await asyncio.to_thread(own.start)
        assert 5 == await held
        await waiting.close()
    own.stop()


def test_psql_and_pgbench_in_three_protocols(router: Front) -> None:
    """Debian's clients: a script with transactions, and a bench whose statements all succeed."""
    statements = ("CREATE TABLE spoken (id int)", "BEGIN", "INSERT INTO spoken VALUES (1)", "ROLLBACK", "TABLE spoken")
    script = "".join(f"{statement};\n" for statement in statements)
    done = run(router, "psql", "-XAtq", given=script)
    assert ("", "") == (done.stdout, done.stderr)
    made = run(router, "pgbench", "-i", "-q", "-s", "1")
    assert 0 == made.returncode, made.stderr
    for protocol in ("simple", "extended", "prepared"):
        done = run(router, "pgbench", "-n", "-M", protocol, "-c", "4", "-j", "4", "-t", "25")
        assert "processed: 100/100" in done.stdout, done.stderr
        assert "failed transactions: 0" in done.stdout
