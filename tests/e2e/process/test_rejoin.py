"""Members that follow, fall off the line and come back, on real servers without an election."""

import asyncio
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from covet.engines import processes
from tests.e2e.process.agents import PROGRAMS
from tests.e2e.process.verbs import Answer, Cohort, Member, VerbError

LIMIT = 20.0
REWINDING = True


@pytest_asyncio.fixture(loop_scope="session")
async def cohort(born: Cohort) -> AsyncIterator[Cohort]:
    """The same three with `a` leading term 2, `b` and `c` streaming, and a table of one row."""
    await born.reset()
    a, b, c = born.members
    await born.seat(2, a)
    await born.line_up(2, a, b, c)
    await a.sql("CREATE TABLE t (n integer)", "INSERT INTO t VALUES (1)")
    await caught_up(a, b, c)
    yield born
    for member in born.members:
        print(f"--- {member.peer.instance}", member.log.read_text(errors="replace")[-6000:], sep="\n")  # noqa: T201 - pytest shows it with a failure


async def caught_up(leader: Member, *followers: Member) -> None:
    """Wait until followers have replayed the leader's log."""
    end = await leader.sql("SELECT pg_current_wal_flush_lsn()")
    for member in followers:
        await until(member, f"SELECT pg_last_wal_replay_lsn() >= '{end}'", "t")


async def until(member: Member, query: str, expected: str) -> None:
    """Wait until a query answers with a value."""
    deadline = time.monotonic() + LIMIT
    while (found := await member.sql(query)) != expected:
        assert time.monotonic() < deadline, f"{query} on {member.peer.instance} stays {found}"
        await asyncio.sleep(0.02)


async def fail_over(cohort: Cohort, term: int, leader: Member, *others: Member) -> None:
    """Kill nobody; fence these members and let one of them lead a new term, without followers yet."""
    for member in (leader, *others):
        await member.do("swear", term)
        await member.do("fence", term)
    await leader.do("promote", term, cohort.rule(term, leader, 0))


async def diverge(cohort: Cohort) -> tuple[Member, Member, Member]:
    """Let `a` commit rows that nobody received, then let `b` lead term 3; `a` is down, `c` waits."""
    a, b, c = cohort.members
    for member in (b, c):
        await member.do("fence", 3)
    await a.sql(
        "INSERT INTO t SELECT 666 FROM generate_series(1, 20000)",
        "CREATE TABLE lost AS SELECT 1 AS n FROM generate_series(1, 5000)",
    )
    await a.do("depose")
    await a.do("stop_at_once")
    await fail_over(cohort, 3, b, c)
    await b.sql("INSERT INTO t VALUES (3)", "CREATE TABLE kept AS SELECT 3 AS n FROM generate_series(1, 5000)")
    return a, b, c


async def test_an_up_standby_is_repointed_without_a_restart(cohort: Cohort) -> None:
    """A fenced standby streams from the next leader with the server process that it had."""
    _, b, c = cohort.members
    before = c.postmaster
    await fail_over(cohort, 3, b, c)
    answer = await c.timed("follow", b.name, 3)
    assert answer.result is True
    await b.sql("INSERT INTO t VALUES (3)")
    await caught_up(b, c)
    assert before == c.postmaster
    assert await c.sql("SELECT sum(n) FROM t") == "4"


async def test_a_standby_that_nobody_recruited_leaves_its_old_leader_when_it_follows_another(cohort: Cohort) -> None:
    """A member still streams from the old leader, which is alive: it ends that before it compares."""
    a, b, c = cohort.members
    await b.do("fence", 3)
    await b.do("promote", 3, cohort.rule(3, b, 0))
    await c.do("swear", 3)
    assert await c.do("follow", b.name, 3) is True
    await caught_up(b, c)
    assert await a.sql("SELECT count(*) FROM pg_stat_replication") == "0"


async def test_following_again_changes_nothing(cohort: Cohort) -> None:
    """The same order again is answered with yes, and the stream goes on."""
    a, b, _ = cohort.members
    receiver = await b.sql("SELECT pid FROM pg_stat_wal_receiver")
    assert await b.do("follow", a.name, 2) is True
    assert receiver == await b.sql("SELECT pid FROM pg_stat_wal_receiver")


async def test_a_leader_that_does_not_answer_is_no_word_of_divergence(cohort: Cohort) -> None:
    """Nothing is concluded from silence."""
    _, b, c = cohort.members
    await fail_over(cohort, 3, b, c)
    await b.crash()
    with pytest.raises(VerbError) as caught:
        await c.do("follow", b.name, 3)
    assert "AgentUnreachable" == caught.value.reason


async def test_i8_log_past_the_fork_that_is_not_replayed_counts(cohort: Cohort) -> None:
    """A follower received more than the new leader and replayed none of it; it does not follow."""
    a, b, c = cohort.members
    await b.do("fence", 3)
    await c.sql("SELECT pg_wal_replay_pause()")
    await until(c, "SELECT pg_get_wal_replay_pause_state()", "paused")
    await a.sql("INSERT INTO t VALUES (666)")
    end = await a.sql("SELECT pg_current_wal_flush_lsn()")
    await until(c, f"SELECT pg_last_wal_receive_lsn() >= '{end}'", "t")
    await a.crash()
    await fail_over(cohort, 3, b, c)
    assert await c.do("follow", b.name, 3) is False
    assert await c.sql("SELECT count(*) FROM pg_stat_wal_receiver") == "0"
    await c.sql("SELECT pg_wal_replay_resume()")
    assert await c.do("follow", b.name, 3) is False


async def test_a_history_of_another_line_does_not_lead_a_follower_astray(cohort: Cohort) -> None:
    """A file of a candidate that came to nothing is removed, with a restart, before the leader is followed."""
    _, b, c = cohort.members
    for member in (b, c):
        await member.do("fence", 5)
    strange = c.pgdata / "pg_wal" / "00000004.history"
    strange.write_text("2\t0/1000000\tnobody\n")
    await fail_over(cohort, 5, b, c)
    assert await c.do("follow", b.name, 5) is True
    await b.sql("INSERT INTO t VALUES (3)")
    await caught_up(b, c)
    assert "1000000" not in strange.read_text()
    assert "5" == await c.sql("SELECT received_tli FROM pg_stat_wal_receiver")


async def test_a_row_is_awaited_until_it_is_flushed_from_the_terms_leader(cohort: Cohort) -> None:
    """The answer comes with the log, and never for a term that is not followed."""
    a, b, _ = cohort.members
    await a.sql("INSERT INTO t VALUES (2)")
    lsn = int(await a.sql("SELECT pg_current_wal_flush_lsn() - '0/0'"))
    await b.do("await_row", cohort.rule(2, a), lsn)
    waiting = b.begin("await_row", cohort.rule(2, a), lsn + 100)
    await asyncio.wait([waiting], timeout=0.2)
    assert not waiting.done()
    await a.sql("INSERT INTO t VALUES (2)")
    assert (await asyncio.wait_for(waiting, LIMIT)).result is None
    with pytest.raises(VerbError) as caught:
        await b.do("await_row", cohort.rule(3, a), lsn)
    assert "NotFollowing" == caught.value.reason


async def test_i8_a_former_leader_discards_what_no_leader_had(cohort: Cohort) -> None:
    """Its rows are gone, nobody saw them after, the rest is the leader's, and the bytes are counted."""
    a, b, c = await diverge(cohort)
    await a.do("swear", 3)
    await a.do("start_closed")
    assert await a.do("follow", b.name, 3) is False
    await a.do("swear", 3, REWINDING)
    await a.do("rejoin", b.name, 3)
    # Back in line, whole, and without a word of the discarded rows before it follows.
    assert "0" == await a.sql("SELECT count(*) FROM t WHERE n = 666")
    assert "" == await a.sql("SELECT to_regclass('lost')")
    assert await a.do("follow", b.name, 3) is True
    assert await c.do("follow", b.name, 3) is True
    await b.sql("INSERT INTO t VALUES (4)")
    await caught_up(b, a, c)
    assert await b.sql("SELECT sum(n) FROM t") == await a.sql("SELECT sum(n) FROM t") == "8"
    assert await a.sql("SELECT count(*) FROM kept") == "5000"
    assert await a.do("metric", "covet_agent_discarded_bytes_total") > 1000
    assert not (a.data / "agent" / "rewind.json").exists()


async def test_i8_a_leader_whose_reign_ended_before_its_first_checkpoint_is_rewound(cohort: Cohort) -> None:
    """Its control file still names the timeline before its own; it comes back without a clone all the same."""
    a, b, c = cohort.members
    await a.sql(
        "CREATE TABLE big AS SELECT n, repeat('x', 500) AS text FROM generate_series(1, 60000) AS n", "CHECKPOINT"
    )
    await caught_up(a, b, c)
    await a.do("stop_at_once")
    await fail_over(cohort, 3, b, c)  # the checkpoint after a promotion takes its time: there is much to write
    await b.sql("INSERT INTO t SELECT 666 FROM generate_series(1, 2000)")
    await b.do("depose")
    await b.do("stop_at_once")
    control = await asyncio.to_thread(subprocess.check_output, [PROGRAMS / "pg_controldata", b.pgdata], text=True)
    assert re.search(r"Latest checkpoint's TimeLineID: +[12]\n", control)
    await fail_over(cohort, 4, c)
    former = (await b.do("who"))["member"]
    await b.do("swear", 4, REWINDING)
    await b.do("rejoin", c.name, 4)
    assert former == (await b.do("who"))["member"]
    assert await b.do("follow", c.name, 4) is True
    await c.sql("INSERT INTO t VALUES (4)")
    await caught_up(c, b)
    assert "0" == await b.sql("SELECT count(*) FROM t WHERE n = 666")
    assert "60000" == await b.sql("SELECT count(*) FROM big")


async def test_i8_a_rewind_that_was_killed_is_repeated_from_what_was_saved(cohort: Cohort) -> None:
    """Killed at several moments with agent and server, it ends in the same state; nothing diverged comes back."""
    a, b, _ = await diverge(cohort)
    await b.sql("CREATE TABLE big AS SELECT n, repeat('x', 500) AS text FROM generate_series(1, 60000) AS n")
    await a.do("swear", 3, REWINDING)
    killed = 0
    for moment in ("rewind.json", "pg_rewind", "finished"):
        running = a.begin("rejoin", b.name, 3)
        if await reached(a, moment, running):
            killed += 1
            await a.crash()
            await a.up()
        await asyncio.wait([running], timeout=LIMIT)
        running.exception()
    await a.do("rejoin", b.name, 3)
    assert killed >= 2
    assert await a.do("follow", b.name, 3) is True
    await caught_up(b, a)
    assert await a.sql("SELECT count(*) FROM t WHERE n = 666") == "0"
    assert await b.sql("SELECT sum(n) FROM t") == await a.sql("SELECT sum(n) FROM t")
    assert await a.sql("SELECT count(*) FROM big") == "60000"


async def reached(member: Member, moment: str, running: asyncio.Future[Answer]) -> bool:
    """Wait until a rejoin got to a moment; False if it was over before."""
    deadline = time.monotonic() + LIMIT
    while not running.done():
        assert time.monotonic() < deadline, f"the rejoin does not come to {moment}"
        if moment == "rewind.json" and (member.data / "agent" / "rewind.json").exists():
            return True
        if moment == "pg_rewind" and (member.data / "agent" / "rewind.json").exists():
            rewinding = [p for p in processes.of_folder(member.pgdata) if b"pg_rewind" in processes.command(p)]
            if rewinding:
                await asyncio.sleep(0.03)
                return True
        if moment == "finished" and '"rewound":true' in mark(member):
            return True
        await asyncio.sleep(0.001)
    return False


def mark(member: Member) -> str:
    """Return the mark of a rewind, empty without one."""
    try:
        return (member.data / "agent" / "rewind.json").read_text()
    except FileNotFoundError:
        return ""


async def test_i8_a_member_that_cannot_be_rewound_becomes_a_new_one(cohort: Cohort) -> None:
    """Its log is gone where the two were the same: rewinding is refused, a clone under a new name follows."""
    a, b, c = await diverge(cohort)
    for segment in sorted((a.pgdata / "pg_wal").glob("0000000?0000000000000*")):
        segment.unlink()
    await a.do("swear", 3, REWINDING)
    with pytest.raises(VerbError, match=r"RewindImpossibleError|PositionUnknown|ServerDied"):
        await a.do("rejoin", b.name, 3)
    former = a.name
    with pytest.raises(VerbError) as caught:
        await a.do("reclone", b.name)  # the only copy beside the leader's would go
    assert "TooFewCopies" == caught.value.reason
    assert (a.pgdata / "PG_VERSION").exists()
    assert await c.do("follow", b.name, 3) is True
    await caught_up(b, c)
    await a.do("reclone", b.name)
    with pytest.raises(VerbError) as caught:
        await c.do("reclone", b.name)
    assert "LeaveGiven" == caught.value.reason
    who = await a.do("who")
    assert former != who["member"]
    await a.do("start_closed")
    assert await a.do("follow", b.name, 3) is True
    await caught_up(b, a)
    assert await a.sql("SELECT count(*) FROM t WHERE n = 666") == "0"
    slots = await b.sql("SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE 's0_a%'")
    assert slots == who["member"].replace("-", "_")


async def test_a_hand_over_leaves_no_log_that_the_successor_lacks(cohort: Cohort) -> None:
    """The former leader follows the next one without a rewind, and every row is there."""
    a, b, _ = cohort.members
    await a.do("open")
    answer = await a.timed("hand_off", b.name, 2)
    assert answer.result is True
    assert () == a.server_processes()
    await a.do("depose")
    await fail_over(cohort, 3, b)
    await a.do("swear", 3)
    await a.do("start_closed")
    assert await a.do("follow", b.name, 3) is True
    await caught_up(b, a)
    assert await a.sql("SELECT sum(n) FROM t") == "1"


async def test_a_hand_over_to_a_member_that_does_not_stream_stops_nothing(cohort: Cohort) -> None:
    """Nothing was stopped, so clients may be let in again."""
    a, b, _ = cohort.members
    await a.do("open")
    await b.do("fence", 3)
    assert await a.do("hand_off", b.name, 2) is False
    assert await a.do("admits") is True


async def test_a_hand_over_does_not_wait_for_a_third_member(cohort: Cohort) -> None:
    """It is frozen: the stop would wait for what it never says, so its stream ends first."""
    a, b, c = cohort.members
    await a.sql("INSERT INTO t VALUES (2)")
    await caught_up(a, b)
    for pid in c.server_processes():
        processes.send(pid, signal.SIGSTOP)
    await a.sql("SELECT pg_switch_wal()")
    await jammed(a, c)
    assert await a.do("hand_off", b.name, 2) is True
    assert () == a.server_processes()


async def jammed(a: Member, c: Member) -> None:
    """Wait until the connection to a follower that stands still takes no more of the log."""
    before, sent = "", "-"
    async with asyncio.timeout(30.0):
        while before != sent:
            await asyncio.sleep(0.3)
            before = sent
            sent = await a.sql(f"SELECT sent_lsn FROM pg_stat_replication WHERE application_name = '{c.name}'")  # noqa: S608  a member's name
    assert "t" == await a.sql(f"SELECT '{sent}' < pg_current_wal_flush_lsn()")


@pytest.mark.parametrize("part", ["server", "agent"])
async def test_a_hand_over_to_a_member_that_stands_still_stops_nothing(cohort: Cohort, part: str) -> None:
    """Whether its server or its agent answers no more: the leader goes on serving as if nothing was."""
    a, b, _ = cohort.members
    await a.do("open")
    pids = b.server_processes() if part == "server" else [b.pid]
    for pid in pids:
        processes.send(pid, signal.SIGSTOP)
    assert await a.do("hand_off", b.name, 2) is False
    assert await a.do("admits") is True


async def test_followers_keep_the_log_that_others_need_after_a_failover(cohort: Cohort) -> None:
    """A slot for each other member, advanced no further than the member is and the last checkpoint."""
    a, b, c = cohort.members
    await b.do("advance_slots", {a.name: 1 << 40, c.name: None})
    slots = await b.sql("SELECT slot_name FROM pg_replication_slots ORDER BY 1")
    assert sorted(name.replace("-", "_") for name in (a.name, c.name)) == slots.split("\n")
    kept = await b.sql("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name LIKE 's0_c%'")
    await a.sql("CHECKPOINT", "SELECT pg_switch_wal()", "INSERT INTO t VALUES (2)", "CHECKPOINT")
    await caught_up(a, b)
    await b.sql("CHECKPOINT")
    await b.do("advance_slots", {a.name: 1 << 40, c.name: None})
    assert kept == await b.sql("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name LIKE 's0_c%'")
    assert "t" == await b.sql(
        "SELECT restart_lsn = redo_lsn FROM pg_replication_slots, pg_control_checkpoint() WHERE slot_name LIKE 's0_a%'"
    )
    await b.do("advance_slots", {a.name: 1 << 40})
    assert "1" == await b.sql("SELECT count(*) FROM pg_replication_slots")
