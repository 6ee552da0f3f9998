"""Who gets in: certificates, subjects, TLS."""

import asyncio
import ssl
import struct

import aiohttp
import asyncpg
import pytest

from covet.core import names
from covet.core.agentorders import JoinRequest, PromoteOrder, SwitchoverOrder
from covet.core.errors import RefusedError, UnreachableError
from covet.peers.client import AgentClient
from tests.e2e.process.agents import Agent
from tests.e2e.process.authority import Authority, client_context, trusting_context
from tests.e2e.process.shard import DATABASE, OWNER, PASSWORD, Shard

REFUSED = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)


async def get(agent: Agent, path: str, tls: ssl.SSLContext) -> int:
    """Return the HTTP status of a GET."""
    url = f"https://{agent.peer.address}:{agent.peer.agent_port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, ssl=tls, timeout=aiohttp.ClientTimeout(5)) as answer,
    ):
        return answer.status


async def test_probes_need_no_certificate_and_everything_else_does(three: Shard) -> None:
    """Without a certificate the kubelet's probes answer; status, metrics and orders are forbidden."""
    bare = trusting_context(three.folder / "operator" / "ca.crt")
    statuses = {path: await get(three.leader, path, bare) for path in ("/livez", "/startupz", "/readyz")}
    assert {"/livez": 200, "/startupz": 200, "/readyz": 200} == statuses
    assert [403, 403] == [await get(three.leader, path, bare) for path in ("/v1/status", "/metrics")]
    async with AgentClient(bare) as client:
        with pytest.raises(RefusedError):
            await client.bootstrap(three.leader.peer, three.bootstrap_order())


async def test_a_subject_is_allowed_its_own_routes_only(three: Shard) -> None:
    """A member's certificate gives no orders, a stranger's asks nothing, and nobody joins as another."""
    follower, leader = three.followers[0], three.leader
    member = (await three.status(three.followers[1])).member
    assert member is not None
    async with AgentClient(client_context(follower.tls)) as client:
        for order in (
            client.bootstrap(leader.peer, three.bootstrap_order()),
            client.put_spec(leader.peer, three.spec),
            client.join(leader.peer, JoinRequest(three.followers[1].peer.instance, member)),
            client.switchover(leader.peer, SwitchoverOrder(follower.peer.instance)),
            client.promote(follower.peer, PromoteOrder(accept_loss=True)),
        ):
            with pytest.raises(RefusedError):
                await order
    stranger = three.authority.issue(three.folder / "stranger", "shop-s1-a")
    async with AgentClient(client_context(stranger)) as client:
        with pytest.raises(RefusedError):
            await client.status(leader.peer)
    assert 200 == await get(leader, "/metrics", client_context(stranger))


async def test_another_authority_is_refused_everywhere(three: Shard) -> None:
    """A certificate of a foreign authority opens neither the API, nor the voter, nor replication."""
    foreign = Authority("foreign").issue(
        three.folder / "foreign", names.OPERATOR_COMMON_NAME, trust=three.authority.pem
    )
    peer, tls = three.leader.peer, client_context(foreign)
    async with AgentClient(tls) as client:
        with pytest.raises(UnreachableError):
            await client.status(peer)
    tls.check_hostname = False
    assert b"" == await talk(peer.address, peer.voter_port, tls, b"x")
    with pytest.raises(REFUSED):
        await asyncpg.connect(host=peer.address, port=peer.sql_port, user="covet_s0_a", ssl=tls, database="postgres")


async def talk(address: str, port: int, tls: ssl.SSLContext | None, message: bytes) -> bytes:
    """Send bytes and return what comes back until the other side closes."""
    try:
        async with asyncio.timeout(8.0):
            reader, writer = await asyncio.open_connection(address, port, ssl=tls)
            writer.write(message)
            await writer.drain()
            answer = await reader.read(4096)
            writer.close()
    except (OSError, ssl.SSLError):
        return b""
    return answer


async def test_the_voter_drops_and_counts_nonsense(three: Shard) -> None:
    """No TLS, no certificate, no peer, or no message: dropped; the heartbeats of the others go on."""
    peer = three.leader.peer
    bare = trusting_context(three.folder / "operator" / "ca.crt")
    operator, follower = client_context(three.folder / "operator"), client_context(three.followers[0].tls)
    before = await metric(three, "covet_voter_dropped_total")
    assert b"" == await talk(peer.address, peer.voter_port, None, b"GET / HTTP/1.1\r\n\r\n")
    assert b"" == await talk(peer.address, peer.voter_port, bare, b"x")
    assert b"" == await talk(peer.address, peer.voter_port, operator, b"x")
    for body in (b"not json", b"[1]", b'{"v":1,"k":"beat","m":"x","t":-1,"s":0,"n":0,"f":0,"p":0}'):
        assert b"" == await talk(peer.address, peer.voter_port, follower, struct.pack(">H", len(body)) + body)
    assert b"" == await talk(peer.address, peer.voter_port, follower, b"\xff\xff" + bytes(65535))
    await asyncio.sleep(0.8)
    assert 6 <= await metric(three, "covet_voter_dropped_total") - before
    for agent in three.followers:
        label = f'peer="{agent.peer.instance}"'
        assert 1.0 > await metric(three, "covet_voter_peer_age_seconds", label)
        assert 1.0 > await metric(three, "covet_voter_echo_age_seconds", label)


async def metric(shard: Shard, name: str, label: str = "") -> float:
    """Return the first sample of the leader's metrics with a name, and with a label if one is given."""
    peer = shard.leader.peer
    url = f"https://{peer.address}:{peer.agent_port}/metrics"
    tls = client_context(shard.folder / "operator")
    async with aiohttp.ClientSession() as session, session.get(url, ssl=tls) as answer:
        lines = (await answer.text()).splitlines()
    return float(next(line.rsplit(" ", 1)[1] for line in lines if line.startswith(name + "{") and label in line))


async def test_sql_wants_tls_and_a_password(three: Shard) -> None:
    """No plain text, no wrong password, no superuser, no member's role: none of them gets a session."""
    tls = client_context(three.leader.tls)
    tls.check_hostname = False
    for changes in (
        {"ssl": False},
        {"password": "wrong"},
        {"user": "covet"},
        {"user": "covet", "ssl": tls},
        {"user": "covet_members", "ssl": tls},
    ):
        with pytest.raises(REFUSED):
            await three.connect(**changes)


async def test_replication_wants_the_members_certificate(three: Shard) -> None:
    """The replication protocol is closed to passwords, to no certificate and to another member's."""
    peer = three.leader.peer
    own, other = client_context(three.followers[0].tls), client_context(three.followers[1].tls)
    bare = three.trust
    common = {"host": peer.address, "port": peer.sql_port, "database": "postgres", "timeout": 5.0}
    asks = {"server_settings": {"replication": "true"}}
    for user, tls in (("covet_s0_b", bare), ("covet_s0_b", other), (OWNER, bare)):
        with pytest.raises(REFUSED):
            await asyncpg.connect(**common, **asks, user=user, password=PASSWORD, ssl=tls)
    with pytest.raises(REFUSED):  # the own certificate opens replication and what a rewind reads, no data of clients
        await asyncpg.connect(**common | {"database": DATABASE}, user="covet_s0_b", ssl=own)
    session = await asyncpg.connect(**common, user="covet_s0_b", ssl=own)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await session.execute("UPDATE covet.rule SET acks = 0")
    await session.close()


async def test_the_owner_can_change_neither_rule_nor_map(three: Shard) -> None:
    """The application's owner reads rule and map and changes neither."""
    connection = await three.connect(database="postgres")
    epoch = await connection.fetchval("SELECT epoch FROM covet.map")
    for statement in ("UPDATE covet.map SET epoch = 9", "DELETE FROM covet.rule", "DROP SCHEMA covet CASCADE"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    assert epoch == await connection.fetchval("SELECT epoch FROM covet.map")
    await connection.close()


async def test_every_member_has_a_name_role_and_slot_of_its_own(three: Shard) -> None:
    """The leader's followers stream each under its member name, through its own slot."""
    statuses = [await three.status(agent) for agent in three.agents]
    leader = statuses[0]
    assert sorted(s.member or "" for s in statuses[1:]) == [link.member for link in leader.followers]
    assert [True, True] == [link.synchronous and link.state == "streaming" for link in leader.followers]
    rule = leader.rule
    assert rule is not None
    names = ", ".join(f'"{member}"' for member in rule.cohort)
    assert f"ANY 1 ({names})" == await three.value("SELECT current_setting('synchronous_standby_names')")
    slots = await three.value("SELECT count(*) FROM pg_replication_slots WHERE active AND slot_type = 'physical'")
    assert 2 == slots
