"""What only a real server shows: each safeguard keeps a promise that is broken as soon as it is taken away."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from covet.agent import fencing
from covet.core.errors import CovetError
from covet.engines import processes
from tests.e2e.process.benches import Benches
from tests.e2e.process.lapses import LAPSES
from tests.e2e.process.servercalls import member_of


async def credentials_go(benches: Benches) -> bool:
    """Tell whether a fenced follower has nothing left to log in to its former leader with."""
    await benches.lead(benches.b)
    await benches.b.call("fence", term=2)
    return not benches.b.credentials.joinpath("1").exists()


async def clients_go(benches: Benches) -> bool:
    """Tell whether a session of the standby cannot write once the standby is promoted."""
    client = await benches.reader_of_b()
    try:
        await benches.b.call("promote", term=3, cohort="b", acks=0)
        await client.execute("CREATE TEMP TABLE x ()")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return True
    finally:
        client.terminate()
    return False


async def stale_streams_go(benches: Benches) -> bool:
    """Tell whether nothing streams in a member's name any more once the leader admits it anew."""
    await benches.a.call("start_primary")
    # The server itself would end a stream that stands still for seconds; here nobody but the safeguard may.
    await benches.a.query("ALTER SYSTEM SET wal_sender_timeout = 0")
    await benches.a.query("SELECT pg_reload_conf()")
    async with asyncio.timeout(30.0):
        while await benches.a.query("SHOW wal_sender_timeout") != "0":  # noqa: ASYNC110  a setting has no event
            await asyncio.sleep(0.02)
    await benches.b.call("start_closed")
    await benches.b.call("stream", leader=benches.a.peer.instance, term=1)
    (receiver,) = fencing.receivers((await benches.b.call("state"))["pid"], benches.b.peer.instance)
    os.kill(receiver, signal.SIGSTOP)
    try:
        await benches.a.call("admit", instance=benches.b.peer.instance)
        return bool(await benches.a.query("SELECT count(*)::text FROM pg_stat_replication") == "0")
    finally:
        os.kill(receiver, signal.SIGCONT)


async def orphans_go(benches: Benches) -> bool:
    """Tell whether a fence ends the server that a killed agent left streaming."""
    await benches.lead(benches.b)
    benches.b.kill()
    await benches.b.call("fence", term=2)
    return not processes.of_folder(benches.b.pgdata)


async def terms_are_timelines(benches: Benches) -> bool:
    """Tell whether two candidates at one fork mint timelines of their own; a wrong one is refused afterwards."""
    minted = []
    for bench, term in ((benches.b, 5), (benches.c, 7)):
        await bench.call("start_closed")
        with contextlib.suppress(CovetError):
            await bench.call("promote", term=term, cohort="abc", acks=1)
        minted.append((await bench.call("position"))["term"])
    return minted == [5, 7]


async def receivers_go(benches: Benches) -> bool:
    """Tell whether a follower whose replay stands still receives nothing more once it is fenced."""
    await benches.lead(benches.b)
    await benches.b.query("SELECT pg_wal_replay_pause()")
    await benches.received(benches.b, await benches.write(benches.a))
    async with asyncio.timeout(30.0):
        while await benches.b.query("SELECT pg_get_wal_replay_pause_state()") != "paused":  # noqa: ASYNC110  no event
            await asyncio.sleep(0.02)
    await benches.b.call("fence", term=2)
    return not fencing.receivers((await benches.b.call("state"))["pid"], benches.b.peer.instance)


async def position_is_the_logs(benches: Benches) -> bool:
    """Tell whether a member that was started anew still knows how much log it has."""
    await benches.lead(benches.b)
    end = await benches.write(benches.a)
    await benches.received(benches.b, end)
    await benches.b.call("stop_at_once")
    await benches.b.call("start_closed")
    return bool((await benches.b.call("position"))["lsn"] >= end)


async def settings_are_everywhere(benches: Benches) -> bool:
    """Tell whether no walsender counts for a setting that does not name its member, once that is said to be in force.

    The one of `c` stands still and cannot hear of the change; that it cannot be ended either is said, by an error.
    """
    await benches.lead(benches.b, benches.c)
    await benches.a.call("apply_setting", cohort="abc", acks=1)
    streams = f"FROM pg_stat_replication WHERE application_name = '{member_of(benches.c.peer.instance)}'"
    async with asyncio.timeout(30.0):
        while (walsender := await benches.a.query(f"SELECT pid {streams} AND state = 'streaming'")) is None:  # noqa: ASYNC110  a view has no event
            await asyncio.sleep(0.02)
    os.kill(walsender, signal.SIGSTOP)
    try:
        await benches.a.call("apply_setting", cohort="ab", acks=1)
        return bool(await benches.a.query(f"SELECT count(*) {streams} AND sync_state <> 'async'") == 0)
    except CovetError as error:
        if error.reason != "WalsendersRemain":
            raise
        return True
    finally:
        os.kill(walsender, signal.SIGCONT)


async def one_streams_in_a_name(benches: Benches) -> bool:
    """Tell whether a second server in a member's name is refused while the first one streams."""
    streams = f"FROM pg_stat_replication WHERE application_name = '{member_of(benches.b.peer.instance)}'"
    await benches.lead(benches.b)
    await benches.c.call("start_closed")
    await benches.c.call("point", leader=benches.a.peer.instance, term=1, named=benches.b.peer.instance)
    async with asyncio.timeout(30.0):
        while await benches.a.query(f"SELECT count(*) {streams} AND state = 'streaming'") < 2:
            if "is active for PID" in await asyncio.to_thread(benches.c.log.read_text, errors="replace"):
                return True
            await asyncio.sleep(0.02)
    return False


async def stays_down(benches: Benches) -> bool:
    """Tell whether a primary of which one process was killed ends, instead of coming back read-write by itself."""
    await benches.a.call("start_primary")
    writer = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer'"
    killed = await benches.a.query(writer)
    os.kill(int(killed), signal.SIGKILL)
    async with asyncio.timeout(30.0):
        while (await benches.a.call("state"))["pid"] is not None:
            with contextlib.suppress(CovetError):
                if await benches.a.query(writer) not in {killed, None}:
                    return False
            await asyncio.sleep(0.02)
    return True


SCENARIOS: dict[str, Callable[[Benches], Awaitable[bool]]] = {
    "credentials-removed": credentials_go,
    "clients-shut-out": clients_go,
    "stale-walsender-ended": stale_streams_go,
    "orphans-reaped": orphans_go,
    "placeholders-written": terms_are_timelines,
    "receiver-ended": receivers_go,
    "position-from-log": position_is_the_logs,
    "walsenders-restarted": settings_are_everywhere,
    "slot-exclusive": one_streams_in_a_name,
    "restart-off": stays_down,
}


@pytest.mark.parametrize("kept", [True, False], ids=["with", "without"])
@pytest.mark.parametrize("safeguard", LAPSES)
async def test_a_safeguard_keeps_a_promise_that_is_broken_without_it(
    benches: Benches, safeguard: str, *, kept: bool
) -> None:
    """The promise stands with the safeguard and falls without it, all else alike."""
    for bench in benches.all:
        bench.without = "" if kept else safeguard
    assert kept is await SCENARIOS[safeguard](benches)
