"""What a shard makes of its surroundings: certificates that ended, a volume without room, clients that ask for less."""

import asyncio
import os
import ssl

import pytest

from covet.core.agentapi import MemberState, Serving
from tests.e2e.process.agents import give
from tests.e2e.process.shard import Shard
from tests.e2e.process.test_faults import Writer
from tests.e2e.process.test_volumes import fill, small_volume


async def test_a_member_whose_certificate_ended_is_kept_out_until_it_has_a_new_one(three: Shard) -> None:
    """Nobody takes its word and it leads nobody astray; a renewed certificate is taken up without a restart."""
    outcast = three.followers[0]
    peer = outcast.peer
    outcast.kill_everything()
    three.authority.issue(outcast.tls, peer.instance, (peer.address,), expired=True)
    outcast.start()
    async with Writer(three) as writer:
        async with asyncio.timeout(20.0):
            while (ended := await shown(three, peer.address, peer.agent_port)) is None:  # noqa: ASYNC110  no event
                await asyncio.sleep(0.1)
        assert "certificate has expired" in ended
        await writer.more(20)
        leader = await three.find_leader()
        member = peer.instance.removeprefix(f"{three.spec.cluster}-")
        states = {link.state for link in (await three.status(leader)).followers if link.member.startswith(f"{member}-")}
        assert {"absent"} == states
        assert leader is not outcast
        three.authority.issue(outcast.tls, peer.instance, (peer.address,))
        await three.wait(outcast, lambda s: s.streaming and s.serving is Serving.READ_ONLY, 60.0)
    await writer.check()


async def shown(shard: Shard, address: str, port: int) -> str | None:
    """Return why the certificate that a port shows is not accepted, empty if it is, None while nobody listens."""
    try:
        _, writing = await asyncio.wait_for(asyncio.open_connection(address, port, ssl=shard.trust), 5.0)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError:
        return None
    writing.close()
    return ""


async def test_a_client_that_lowers_synchronous_commit_chooses_for_itself_alone(three: Shard) -> None:
    """Its commits wait for nobody, and a failover may lose them; everybody else's wait as before."""
    await three.execute("CREATE TABLE t (a int)")
    careless, careful = await three.connect(), await three.connect()
    await careless.execute("SET synchronous_commit = local")
    for agent in three.followers:
        agent.freeze_server()
    try:
        await careless.execute("INSERT INTO t VALUES (1)", timeout=10.0)
        waiting = asyncio.create_task(careful.execute("INSERT INTO t VALUES (2)"))
        done, _ = await asyncio.wait([waiting], timeout=1.0)
        assert set() == done
    finally:
        for agent in three.followers:
            agent.thaw_server()
    await asyncio.wait_for(waiting, 15.0)
    assert 2 == await three.value("SELECT count(*) FROM t")
    for connection in (careless, careful):
        await connection.close(timeout=5.0)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
async def test_a_member_without_room_votes_and_does_not_lead() -> None:
    """Its promise still fits on its full volume, so the others elect one of theirs; with room again it follows."""
    async with Shard(3) as shard:
        former, full, _ = shard.agents
        for agent in shard.agents:
            agent.kill_everything()
        with small_volume(full):
            for agent in shard.agents:
                agent.start()
            await shard.birth()
            term = (await shard.status(full)).promise
            ballast = await asyncio.to_thread(fill, full.data)
            await shard.wait(full, lambda s: s.state is MemberState.FOLLOWER)
            await asyncio.sleep(2.5)  # it looks for room every two seconds
            former.kill_everything()
            await shard.wait(full, lambda s: s.promise > term)
            former.start()
            leader = await shard.find_leader(60.0)
            assert leader is not full
            await shard.execute("CREATE TABLE t (a int)")
            ballast.unlink()
            await shard.wait(full, lambda s: s.serving is Serving.READ_ONLY and s.streaming, 60.0)


async def test_a_member_that_cannot_read_its_promise_abstains_and_says_so(three: Shard) -> None:
    """Nobody is elected by its silence: the shard waits for a member whose promise is known, and goes on with it."""
    former, witness, damaged = three.leader, *three.followers
    damaged.kill_everything()
    promise = damaged.data / "agent" / "promise.json"
    whole = promise.read_bytes()
    promise.write_bytes(whole[: len(whole) // 2])
    damaged.start()
    status = await three.wait(damaged, lambda s: s.state is MemberState.REFUSED)
    assert ("StateCorrupt", Serving.CLOSED, ()) == (status.reason, status.serving, damaged.server_processes())
    assert "promise.json" in status.message
    former.kill_everything()
    await three.wait(witness, lambda s: s.state is not MemberState.FOLLOWER or not s.streaming)
    for _ in range(15):  # longer than an election takes
        assert Serving.READ_WRITE is not (await three.status(witness)).serving
        await asyncio.sleep(0.2)
    former.start()
    assert damaged is not await three.find_leader()
    await three.execute("CREATE TABLE t (a int)")
    damaged.kill_everything()
    promise.write_bytes(whole)
    give(promise)
    damaged.start()
    await three.wait(damaged, lambda s: s.streaming and s.serving is Serving.READ_ONLY)
