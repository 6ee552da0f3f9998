"""Who gets in: certificates, TLS, and the two access files."""

import asyncio
import dataclasses
import ssl
import struct
import time

import aiohttp
import asyncpg
import pytest

from covet.core import names
from covet.core.agentapi import ConfirmRequest, JoinRequest, Serving
from covet.core.errors import RefusedError, UnreachableError
from covet.peers.client import AgentClient
from tests.e2e.process.agents import Agent
from tests.e2e.process.authority import Authority, client_context, trusting_context
from tests.e2e.process.shard import OWNER, PASSWORD, Shard

REFUSED = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)


async def get(agent: Agent, path: str, tls: ssl.SSLContext) -> int:
    """Return the HTTP status of a GET."""
    url = f"https://{agent.peer.address}:{agent.peer.agent_port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, ssl=tls, timeout=aiohttp.ClientTimeout(5)) as answer,
    ):
        return answer.status


async def test_probes_need_no_certificate_and_everything_else_does(one: Shard) -> None:
    """Without a certificate the kubelet's probes answer; status, metrics and orders are forbidden."""
    bare = trusting_context(one.folder / "operator" / "ca.crt")
    statuses = {path: await get(one.leader, path, bare) for path in ("/livez", "/startupz", "/readyz")}
    assert {"/livez": 200, "/startupz": 200, "/readyz": 200} == statuses
    assert [403, 403] == [await get(one.leader, path, bare) for path in ("/v1/status", "/metrics")]
    async with AgentClient(bare) as client:
        with pytest.raises(RefusedError):
            await client.bootstrap(one.leader.peer, one.bootstrap_order())


async def test_readiness_is_open_for_what_the_role_serves() -> None:
    """A member that serves nobody yet is live and not ready."""
    async with Shard(1) as shard:
        await shard.bootstrap()
        bare = trusting_context(shard.folder / "operator" / "ca.crt")
        assert [200, 503] == [await get(shard.leader, path, bare) for path in ("/livez", "/readyz")]


async def test_a_subject_is_allowed_its_own_routes_only(three: Shard) -> None:
    """A member's certificate gives no orders, a stranger's asks nothing, and nobody joins as another."""
    follower, leader = three.followers[0], three.leader
    status = await three.status(leader)
    rule, member = status.rule, (await three.status(three.followers[1])).member
    assert rule is not None
    assert member is not None
    async with AgentClient(client_context(follower.tls)) as client:
        for order in (
            client.bootstrap(leader.peer, three.bootstrap_order()),
            client.put_spec(leader.peer, three.spec),
            client.join(leader.peer, JoinRequest(three.followers[1].peer.instance, member)),
            client.confirm(three.followers[1].peer, ConfirmRequest(rule, 0)),
        ):
            with pytest.raises(RefusedError):
                await order
    stranger = three.authority.issue(three.folder / "stranger", "shop-s1-a")
    async with AgentClient(client_context(stranger)) as client:
        with pytest.raises(RefusedError):
            await client.status(leader.peer)
    assert 200 == await get(leader, "/metrics", client_context(stranger))


async def test_another_authority_is_refused_everywhere(one: Shard) -> None:
    """A certificate of a foreign authority opens neither the API, nor the voter, nor replication."""
    foreign = Authority("foreign").issue(one.folder / "foreign", names.OPERATOR_COMMON_NAME, trust=one.authority.pem)
    peer, tls = one.leader.peer, client_context(foreign)
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
        label = f'{{instance="{agent.peer.instance}"}}'
        assert 1.0 > await metric(three, f"covet_voter_peer_age_seconds{label}")
        assert 1.0 > await metric(three, f"covet_voter_echo_age_seconds{label}")


async def metric(shard: Shard, name: str) -> float:
    """Return one sample of the leader's metrics."""
    peer = shard.leader.peer
    url = f"https://{peer.address}:{peer.agent_port}/metrics"
    tls = client_context(shard.folder / "operator")
    async with aiohttp.ClientSession() as session, session.get(url, ssl=tls) as answer:
        lines = (await answer.text()).splitlines()
    return float(next(line.rsplit(" ", 1)[1] for line in lines if line.startswith(name + " ")))


async def test_sql_wants_tls_and_a_password(one: Shard) -> None:
    """No plain text, no wrong password, no superuser, no member's role: none of them gets a session."""
    tls = client_context(one.leader.tls)
    tls.check_hostname = False
    for changes in (
        {"ssl": False},
        {"password": "wrong"},
        {"user": "covet"},
        {"user": "covet", "ssl": tls},
        {"user": "covet_members", "ssl": tls},
    ):
        with pytest.raises(REFUSED):
            await one.connect(**changes)


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
    with pytest.raises(REFUSED):  # the member's own certificate opens replication and no database
        await asyncpg.connect(**common, user="covet_s0_b", ssl=own)


async def test_the_owner_can_change_neither_rule_nor_map(one: Shard) -> None:
    """The application's owner reads rule and map and changes neither."""
    connection = await one.connect(database="postgres")
    assert 1 == await connection.fetchval("SELECT epoch FROM covet.map")
    for statement in ("UPDATE covet.map SET epoch = 9", "DELETE FROM covet.rule", "DROP SCHEMA covet CASCADE"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_the_verifier_never_reaches_a_log(one: Shard) -> None:
    """The database order can be repeated, takes up a new password, and leaves no verifier in the most talkative log."""
    await one.publish(parameters={"log_statement": "all", "log_min_duration_statement": "0"})
    async with asyncio.timeout(10.0):
        while await one.value("SHOW log_statement") != "all":  # noqa: ASYNC110  a setting has no event
            await asyncio.sleep(0.1)
    changed = PASSWORD + "!"
    await one.put_database(changed)
    await one.put_database(changed)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await one.connect()
    await (await one.connect(password=changed)).close()
    log = await asyncio.to_thread(one.leader.log.read_bytes)
    assert b"SHOW log_statement" in log
    assert b"SCRAM-SHA-256$" not in log


@dataclasses.dataclass
class Hammer:
    """Clients that connect and ask all the time; remembers when an answer to a question was got.

    Args:
        answers: (moment before the question, moment of the answer), monotonic seconds.
    """

    shard: Shard
    agent: Agent
    answers: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    refusals: int = 0

    async def __aenter__(self) -> "Hammer":  # noqa: PYI034  not meant to be subclassed
        self._tasks = [asyncio.create_task(self._connect_often()) for _ in range(4)]
        self._tasks.append(asyncio.create_task(self._stay()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect_often(self) -> None:
        while True:
            try:
                connection = await self.shard.connect(self.agent, timeout=2.0)
                await self._ask(connection)
                await connection.close(timeout=1.0)
            except (*REFUSED, asyncpg.InternalClientError):
                self.refusals += 1
                await asyncio.sleep(0.005)

    async def _stay(self) -> None:
        while True:
            try:
                connection = await self.shard.connect(self.agent, timeout=2.0)
                while True:
                    await self._ask(connection)
                    await asyncio.sleep(0.005)
            except (*REFUSED, asyncpg.InternalClientError):
                await asyncio.sleep(0.02)

    async def _ask(self, connection: asyncpg.Connection) -> None:
        began = time.monotonic()
        await connection.fetchval("SELECT 1", timeout=2.0)
        self.answers.append((began, time.monotonic()))


async def test_closing_and_opening_under_clients_that_never_stop(three: Shard) -> None:
    """From the moment a replica says it is closed no question is answered, until it says it is open."""
    follower = three.followers[0]
    async with Hammer(three, follower) as hammer:
        await asyncio.sleep(0.5)
        three.leader.kill_everything()
        await three.wait(follower, lambda s: s.serving is Serving.CLOSED)
        closed_at = time.monotonic()
        await asyncio.sleep(1.5)
        assert [] == [answer for answer in hammer.answers if answer[0] > closed_at]
        assert hammer.refusals > 0
        assert any(answer[1] < closed_at for answer in hammer.answers)
        three.leader.start()
        await three.wait(follower, lambda s: s.serving is Serving.READ_ONLY)
        opened_at = time.monotonic()
        await asyncio.sleep(0.5)
        assert any(answer[0] > opened_at for answer in hammer.answers)


async def test_nobody_gets_in_before_the_order_to_open() -> None:
    """While a shard is born clients that try all the time get no answer; after the order they do."""
    async with Shard(1) as shard, Hammer(shard, shard.leader) as hammer:
        await shard.bootstrap()
        await shard.put_database()
        await asyncio.sleep(0.5)
        assert [] == hammer.answers
        await shard.open()
        await shard.wait_serving()
        await asyncio.sleep(0.5)
        assert [] != hammer.answers
