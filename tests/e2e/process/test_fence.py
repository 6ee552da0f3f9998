"""The fence: once it answered, a follower acknowledges nothing to the leader that it followed."""

import asyncio
import contextlib
import os
import signal
import statistics

import pytest

from covet.agent import fencing
from covet.core.errors import CovetError
from tests.e2e.process.benches import Benches


async def test_i3_a_fenced_follower_receives_nothing_more(benches: Benches) -> None:
    """What the leader writes after the fence does not reach the follower; what it wrote before is in the position."""
    await benches.lead(benches.b)
    end = await benches.write(benches.a)
    await benches.received(benches.b, end)
    position = await benches.b.call("fence", term=2)
    assert {"term": 1, "lsn": end} == position
    later = await benches.write(benches.a)
    assert later > end
    assert "0" == await benches.a.query("SELECT count(*)::text FROM pg_stat_replication")
    assert position == await benches.b.call("position")
    assert not benches.b.credentials.joinpath("1").exists()


async def test_i3_a_receiver_that_is_forked_late_cannot_log_in(benches: Benches) -> None:
    """A server that never heard of the new settings goes on dialling, and is refused for want of a certificate."""
    await benches.lead(benches.b)
    pid = (await benches.b.call("state"))["pid"]
    await asyncio.to_thread(fencing.remove_credentials, benches.b.credentials, 2)
    (receiver,) = fencing.receivers(pid, benches.b.peer.instance)
    os.kill(receiver, signal.SIGTERM)
    seen: set[int] = set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(3.0):
            while len(seen) < 2:
                seen.update(fencing.receivers(pid, benches.b.peer.instance))
                await asyncio.sleep(0.001)
    assert seen - {receiver}
    assert "0" == await benches.a.query("SELECT count(*)::text FROM pg_stat_replication")
    end = await benches.write(benches.a)
    position = await benches.b.call("fence", term=2)
    assert position["lsn"] < end
    assert () == fencing.receivers(pid, benches.b.peer.instance)


async def test_i3_a_follower_with_paused_replay_is_fenced_like_any_other(benches: Benches) -> None:
    """Its position counts what it received and did not replay."""
    await benches.lead(benches.b)
    await benches.b.query("SELECT pg_wal_replay_pause()")
    end = await benches.write(benches.a)
    await benches.received(benches.b, end)
    assert {"term": 1, "lsn": end} == await benches.b.call("fence", term=2)
    await benches.write(benches.a)
    assert {"term": 1, "lsn": end} == await benches.b.call("position")


async def test_i3_a_fence_of_a_stopped_server_reads_the_same_position(benches: Benches) -> None:
    """Down, killed or up: the log says the same, and nobody is started for it."""
    await benches.lead(benches.b)
    end = await benches.write(benches.a)
    await benches.received(benches.b, end)
    await benches.b.call("stop_at_once")
    assert {"term": 1, "lsn": end} == await benches.b.call("fence", term=2)
    assert (await benches.b.call("state"))["pid"] is None
    await benches.b.call("start_closed")
    assert {"term": 1, "lsn": end} == await benches.b.call("fence", term=3)


async def test_i3_a_fence_that_was_cut_off_can_be_repeated(benches: Benches) -> None:
    """Cancelled anywhere, the next one brings it to its end."""
    await benches.lead(benches.b)
    end = await benches.write(benches.a)
    await benches.received(benches.b, end)
    for step in range(6):
        await benches.b.call("cancel", verb="fence", after=step * 0.004, arguments={"term": 2})
    assert {"term": 1, "lsn": end} == await benches.b.call("fence", term=2)
    assert not (await benches.b.call("state"))["upstream"]


async def test_i3_a_fence_says_so_when_a_receiver_does_not_end(benches: Benches) -> None:
    """A receiver that cannot be ended keeps the member from answering; once it can, the fence goes through."""
    await benches.lead(benches.b)
    (receiver,) = fencing.receivers((await benches.b.call("state"))["pid"], benches.b.peer.instance)
    os.kill(receiver, signal.SIGSTOP)
    with pytest.raises(CovetError) as refused:
        await benches.b.call("fence", term=2)
    os.kill(receiver, signal.SIGCONT)
    assert "ReceiverRemains" == refused.value.reason
    assert await benches.b.call("fence", term=2) is not None


async def test_i3_a_fence_ends_a_server_that_an_earlier_agent_left(benches: Benches) -> None:
    """An agent that was killed leaves its server streaming: the next one's fence finds it by its folder."""
    await benches.lead(benches.b)
    end = await benches.write(benches.a)
    await benches.received(benches.b, end)
    benches.b.kill()
    assert {"term": 1, "lsn": end} == await benches.b.call("fence", term=2)
    assert "0" == await benches.a.query("SELECT count(*)::text FROM pg_stat_replication")


async def test_i3_a_fence_during_a_start_does_not_end_the_server(benches: Benches) -> None:
    """Before a postmaster has its handlers, the signal to reload would kill it; the fence waits for them."""
    for step in range(8):
        await benches.b.call("cancel", verb="start_closed", after=0.02 * step, arguments={})
        pid = (await benches.b.call("state"))["pid"]
        assert await benches.b.call("fence", term=2) is not None
        assert pid == (await benches.b.call("state"))["pid"]
        await benches.b.call("stop_at_once")


async def test_a_fence_takes_less_than_its_share_of_a_failover(benches: Benches) -> None:
    """A tenth of a second, while the leader writes."""
    await benches.lead(benches.b)
    taken = []
    for term in range(2, 7):
        await benches.write(benches.a)
        taken.append((await benches.b.time("fence", term=term))[1])
        await benches.b.call("stream", leader=benches.a.peer.instance, term=term)
    assert statistics.median(taken) < 200.0
