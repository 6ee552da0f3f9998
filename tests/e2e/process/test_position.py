"""The position, read from a real server's log: only whole records of the timeline that wrote them count."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from covet.engines import timelines
from tests.e2e.process.agents import PROGRAMS, unprivileged
from tests.e2e.process.benches import Benches
from tests.e2e.process.servercalls import Caller


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def origin() -> AsyncIterator[Benches]:
    """Benches whose first one has made a database, and crashed amid its writes."""
    async with Benches() as made:
        await made.a.call("birth")
        await made.a.call("start_primary")
        await made.write(made.a)
        await made.a.call("stop_at_once")
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def a(origin: Benches) -> AsyncIterator[Caller]:
    """An instance over a copy of it."""
    async with Benches(origin) as fresh:
        yield fresh.a


def last_segment(bench: Caller, end: int) -> Path:
    """The segment that holds the last byte of a log of timeline 1."""
    number = (end - 1) // timelines.SEGMENT_BYTES
    return bench.wal / f"{1:08X}{number >> 8:08X}{number & 0xFF:08X}"


def overwrite(path: Path, offset: int, content: bytes) -> None:
    """Replace bytes of a file."""
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(content)


async def test_i2_a_position_is_the_same_before_and_after_a_restart(a: Caller) -> None:
    """Crashed, started and crashed again, the log ends where it did."""
    before = await a.call("position")
    assert 1 == before["term"]
    await a.call("start_closed")
    assert before == await a.call("position")
    await a.call("stop_at_once")
    assert before == await a.call("position")


async def test_i2_a_segment_that_is_used_again_adds_nothing(a: Caller) -> None:
    """The next segment's name over an older one's bytes, whole records all of them, is not log."""
    before = await a.call("position")
    path = last_segment(a, before["lsn"])
    following = path.with_name(f"{int(path.name, 16) + 1:024X}")
    following.write_bytes(path.read_bytes())
    following.chmod(0o644)
    assert before == await a.call("position")


async def test_i2_a_position_close_behind_the_start_of_a_segment_is_found(a: Caller) -> None:
    """The segment before ends in padding, in which there is no record to begin with."""
    await a.call("start_primary")
    await a.query("SELECT pg_switch_wal()::text")
    await a.query("CHECKPOINT")
    up = await a.call("position")
    assert up["lsn"] % (16 << 20) < 1 << 16
    await a.call("stop")
    down = await a.call("position")
    assert up["term"] == down["term"]
    assert up["lsn"] < down["lsn"] < up["lsn"] + (1 << 20)


async def test_i2_bytes_of_an_earlier_use_behind_the_end_add_nothing(a: Caller) -> None:
    """A record copied behind the last one does not point back to it."""
    before = await a.call("position")
    path, offset = last_segment(a, before["lsn"]), before["lsn"] % timelines.SEGMENT_BYTES
    overwrite(path, offset, path.read_bytes()[offset - 512 : offset])
    assert before == await a.call("position")


async def test_i2_a_torn_record_does_not_count(a: Caller) -> None:
    """Its checksum is wrong, so the log ends before it."""
    before = await a.call("position")
    overwrite(last_segment(a, before["lsn"]), before["lsn"] % timelines.SEGMENT_BYTES - 10, b"\xa5")
    after = await a.call("position")
    assert before["lsn"] - 256 < after["lsn"] < before["lsn"]


async def test_i8_bytes_before_a_fork_belong_to_the_parent(a: Caller) -> None:
    """The first segment of a timeline begins as a copy of its parent's; so far nothing of the timeline is there."""
    before = await a.call("position")
    parent = last_segment(a, before["lsn"])
    copy = parent.with_name(f"{7:08X}{parent.name[8:]}")
    # Half of it was received: less than the parent's file holds.
    copy.write_bytes(parent.read_bytes()[: timelines.SEGMENT_BYTES // 8].ljust(timelines.SEGMENT_BYTES, b"\0"))
    copy.chmod(0o644)
    history = a.wal / timelines.name(7)
    history.write_text(f"1\t{timelines.text_of(before['lsn'] + 4096)}\tno recovery target specified\n")
    history.chmod(0o644)
    assert before == await a.call("position")
    # And the start does not go by it either: it would read the copy, and end where that does.
    await a.call("start_closed")
    assert before == await a.call("position")
    assert not history.exists()


async def test_i2_a_log_that_ends_before_the_data_is_no_position(a: Caller) -> None:
    """Data files of a later log than the one that is there: such a member does not count."""
    for path in a.wal.glob("0*"):
        path.unlink()
    assert await a.call("position") is None


async def test_a_timeline_beyond_the_signed_integers_is_told_as_it_is(a: Caller) -> None:
    """The server counts timelines in 32 bits without a sign; SQL would show the upper half as negative numbers."""
    timeline = 0x80000001
    await a.call("start_primary")
    await a.call("stop")
    command = [*unprivileged(), str(PROGRAMS / "pg_resetwal"), "-l", f"{timeline:08X}0000000000000040", str(a.pgdata)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=30.0)
    await a.call("start_primary")
    await a.query("SELECT pg_switch_wal()::text")
    assert dict.fromkeys(("vitals", "log_end", "control"), timeline) == await a.call("timelines")
    up = await a.call("position")
    await a.call("stop")
    assert [timeline] * 2 == [up["term"], (await a.call("position"))["term"]]
