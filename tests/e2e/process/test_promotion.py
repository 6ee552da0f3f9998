"""Promotion on real servers: the timeline is the term, nobody writes before, nothing local is left behind."""

import asyncio
import os
import signal
import statistics

import asyncpg
import pytest

from covet.core.errors import CovetError
from covet.engines import processes, timelines, unled
from tests.e2e.process.benches import Benches
from tests.e2e.process.servercalls import Caller


def histories(bench: Caller) -> list[str]:
    """The history files of a data directory, sorted."""
    return sorted(path.name for path in bench.wal.glob("*.history"))


async def test_i8_two_candidates_at_one_fork_mint_their_own_timelines(benches: Benches) -> None:
    """Left to themselves both would call it 2, and a follower of one would pass for a follower of the other."""
    await benches.b.call("start_closed")
    await benches.c.call("start_closed")
    assert await benches.b.call("position") == await benches.c.call("position")
    await benches.b.call("promote", term=5, cohort="abc", acks=1)
    await benches.c.call("promote", term=7, cohort="abc", acks=1)
    assert {5, 7} == {(await bench.call("position"))["term"] for bench in (benches.b, benches.c)}
    assert timelines.read(benches.b.pgdata, 5) == timelines.read(benches.c.pgdata, 7)
    assert 1 == timelines.read(benches.b.pgdata, 5)[0].timeline


async def test_i8_a_follower_of_timeline_1_streams_from_a_leader_of_timeline_7(benches: Benches) -> None:
    """The terms between, which nobody led, reach it as files, and it goes on where the new timeline forked."""
    await benches.b.call("start_closed")
    await benches.c.call("start_closed")
    await benches.b.call("promote", term=7, cohort="bc", acks=1)
    await benches.b.call("admit", instance=benches.c.peer.instance)
    await benches.c.call("stream", leader=benches.b.peer.instance, term=7)
    end = await benches.write(benches.b)
    await benches.received(benches.c, end)
    assert {"term": 7, "lsn": end} == await benches.c.call("fence", term=8)
    # Neither a stop in order nor a crash makes it forget the way from 1 to 7.
    for stop in ("stop", "stop_at_once"):
        await benches.c.call(stop)
        await benches.c.call("start_closed")
        assert 7 == (await benches.c.call("position"))["term"]
    assert "1000" == await benches.c.query("SELECT count(*)::text FROM public.t")


async def test_i8_a_gap_among_the_unled_terms_does_not_hide_the_log_beyond(benches: Benches) -> None:
    """Without the files between 1 and 7 a server counts to 1 and stops before what it had acknowledged."""
    await benches.b.call("start_closed")
    await benches.b.call("promote", term=7, cohort="bc", acks=1)
    end = int(await benches.b.query("SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint"))
    await benches.b.call("stop_at_once")
    for term in range(2, 7):
        (benches.b.wal / timelines.name(term)).unlink()
    await benches.b.call("start_closed")
    position = await benches.b.call("position")
    assert 7 == position["term"]
    assert position["lsn"] >= end
    await benches.b.call("promote", term=9, cohort="bc", acks=1)
    assert [1, 7] == [ancestor.timeline for ancestor in timelines.read(benches.b.pgdata, 9)]


async def test_i7_files_of_a_promotion_that_failed_do_not_outlive_it(benches: Benches) -> None:
    """Killed before it minted anything, it starts as a follower of timeline 1 with no trace of the terms between."""
    await benches.b.call("start_closed")
    before = await benches.b.call("position")
    unled.fill(benches.b.pgdata, 6)
    benches.b.wal.joinpath(timelines.name(6)).write_text("1\t0/1500000\tno recovery target specified\n")
    await benches.b.call("stop_at_once")
    await benches.b.call("start_closed")
    assert [] == histories(benches.b)
    assert await benches.b.query("SELECT pg_is_in_recovery()")
    assert before == await benches.b.call("position")


async def test_i7_a_promotion_cut_off_anywhere_leaves_a_server_that_starts_as_a_follower(benches: Benches) -> None:
    """Whatever it had done: no server comes back read-write, and the term after is minted exactly."""
    await benches.b.call("start_closed")
    term = 3
    for step in range(8):
        await benches.b.call(
            "cancel", verb="promote", after=0.02 * step, arguments={"term": term, "cohort": "bc", "acks": 1}
        )
        benches.b.signal_server(signal.SIGKILL)
        await benches.b.call("stop_at_once")
        await benches.b.call("start_closed")
        assert await benches.b.query("SELECT pg_is_in_recovery()")
        position = await benches.b.call("position")
        assert position["term"] in {1, *range(3, term + 1, 3)}
        term += 3
    await benches.b.call("promote", term=term, cohort="bc", acks=1)
    assert term == (await benches.b.call("position"))["term"]


async def test_i7_a_former_leader_comes_back_as_a_follower(benches: Benches) -> None:
    """However it ended, its next start is closed, in recovery, and follows nobody."""
    await benches.b.call("start_closed")
    await benches.b.call("promote", term=2, cohort="b", acks=0)
    end = await benches.write(benches.b)
    await benches.b.call("stop_at_once")
    await benches.b.call("start_closed")
    assert await benches.b.query("SELECT pg_is_in_recovery()")
    assert "" == await benches.b.query("SHOW primary_conninfo")
    position = await benches.b.call("position")
    assert (2, True) == (position["term"], position["lsn"] >= end)
    assert not (await benches.b.call("state"))["gate"]


async def test_i2_a_candidate_replays_all_that_it_received(benches: Benches) -> None:
    """Paused replay goes on before the promotion; every row that was acknowledged is there afterwards."""
    await benches.lead(benches.b)
    await benches.b.query("SELECT pg_wal_replay_pause()")
    end = await benches.write(benches.a, 5000)
    await benches.received(benches.b, end)
    await benches.b.call("fence", term=2)
    moved = await benches.b.call("promote", term=2, cohort="abc", acks=1)
    assert moved >= 4
    assert "5000" == await benches.b.query("SELECT count(*)::text FROM public.t")
    assert end <= timelines.read(benches.b.pgdata, 2)[-1].lsn


async def test_i3_clients_of_the_standby_are_out_before_it_is_promoted(benches: Benches) -> None:
    """A session that read from the standby is ended, and no new one comes in until somebody opens."""
    client = await benches.reader_of_b()
    assert 1 == await client.fetchval("SELECT 1")
    await benches.b.call("promote", term=3, cohort="b", acks=0)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await client.execute("CREATE TEMP TABLE x ()")
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await benches.connect(benches.b)
    assert not (await benches.b.call("state"))["gate"]


async def test_i2_the_first_commit_of_a_term_waits_for_followers(benches: Benches) -> None:
    """The rule's setting is in force in every session before the first write can come."""
    await benches.b.call("start_closed")
    await benches.b.call("promote", term=2, cohort="abc", acks=1)
    assert 3 == (await benches.b.query("SHOW synchronous_standby_names")).count("s0-")
    with pytest.raises(CovetError) as refused:
        await benches.b.call("commit", limit=1.0)
    assert refused.value.reason in {"CommitUnacknowledged", "StatementTooSlow"}
    # Only for want of followers: with one that streams, the same commit goes through.
    await benches.b.call("admit", instance=benches.c.peer.instance)
    await benches.c.call("start_closed")
    await benches.c.call("stream", leader=benches.b.peer.instance, term=2)
    await benches.b.call("commit", limit=5.0)
    assert "2" == await benches.b.query("SELECT count(*)::text FROM public.t")


async def test_i1_a_timeline_that_is_there_already_is_not_made_again(benches: Benches) -> None:
    """A term below what the log has seen is refused before anything happens."""
    await benches.b.call("start_closed")
    await benches.b.call("promote", term=4, cohort="b", acks=0)
    await benches.b.call("stop_at_once")
    await benches.b.call("start_closed")
    with pytest.raises(CovetError) as refused:
        await benches.b.call("promote", term=4, cohort="b", acks=0)
    assert "TimelineTaken" == refused.value.reason
    assert await benches.b.query("SELECT pg_is_in_recovery()")


async def test_a_repeated_promotion_finds_that_it_is_done(benches: Benches) -> None:
    """The same order again verifies, and promotes nobody."""
    await benches.b.call("start_closed")
    await benches.b.call("promote", term=2, cohort="bc", acks=1)
    await benches.b.call("promote", term=2, cohort="bc", acks=1)
    assert ["00000002.history"] == histories(benches.b)
    with pytest.raises(CovetError) as refused:
        await benches.b.call("promote", term=3, cohort="bc", acks=1)
    assert "TimelineForeign" == refused.value.reason


async def test_i3_nothing_of_a_server_stopped_at_once_is_left(benches: Benches) -> None:
    """Frozen, orphaned or busy: no process of the data directory remains, and the end is no crash."""
    await benches.lead(benches.b)
    benches.b.signal_server(signal.SIGSTOP)
    await benches.b.call("stop_at_once")
    assert () == processes.of_folder(benches.b.pgdata)
    os.kill((await benches.a.call("state"))["pid"], signal.SIGKILL)
    await benches.a.call("stop_at_once")
    assert () == processes.of_folder(benches.a.pgdata)
    assert (await benches.a.call("state"))["stop_wanted"]
    await benches.a.call("stop_at_once")
    assert (await benches.a.call("state"))["pid"] is None


async def test_a_start_that_cannot_be_says_so(benches: Benches) -> None:
    """A server that dies while it starts is reported, not waited for."""
    (benches.b.pgdata / "global" / "pg_control").unlink()
    with pytest.raises(CovetError) as refused:
        await benches.b.call("start_closed")
    assert refused.value.reason in {"ProgramFailed", "ControlFileUnreadable"}


async def test_promotion_and_stop_keep_to_their_share_of_a_failover(benches: Benches) -> None:
    """Half a second for an idle server's promotion, a tenth for its end."""
    await benches.b.call("start_closed")
    promoted, stopped = [], []
    for term in range(2, 6):
        promoted.append((await benches.b.time("promote", term=term, cohort="bc", acks=1))[1])
        stopped.append((await benches.b.time("stop_at_once"))[1])
        await benches.b.call("start_closed")
    assert (True, True) == (statistics.median(promoted) < 1000.0, statistics.median(stopped) < 300.0)


async def test_i3_a_stop_during_a_start_leaves_nothing(benches: Benches) -> None:
    """A start that is cancelled at any moment has no server afterwards, once the stop returned."""
    for step in range(8):
        await benches.b.call("cancel", verb="start_closed", after=0.015 * step, arguments={})
        await benches.b.call("stop_at_once")
        await asyncio.sleep(0.05)
        assert () == processes.of_folder(benches.b.pgdata)
