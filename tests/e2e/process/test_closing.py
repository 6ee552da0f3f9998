"""Letting clients in and shutting them out, under clients that never stop trying."""

import asyncio
import dataclasses
import time

import asyncpg
import pytest

from covet.core.agentapi import Serving
from tests.e2e.process.agents import Agent
from tests.e2e.process.authority import trusting_context
from tests.e2e.process.shard import PASSWORD, Shard
from tests.e2e.process.test_access import REFUSED, get


async def test_readiness_is_open_for_what_the_role_serves() -> None:
    """A member that serves nobody yet is live and not ready."""
    async with Shard(1) as shard:
        await shard.bootstrap()
        bare = trusting_context(shard.folder / "operator" / "ca.crt")
        assert [200, 503] == [await get(shard.leader, path, bare) for path in ("/livez", "/readyz")]


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

    Answers come as fast as the machine gives them: tests wait for them.

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

    async def answered_since(self, moment: float) -> bool:
        """Wait until a question was answered that was asked after a moment; False if none is within 20 s."""
        deadline = time.monotonic() + 20.0
        while not any(asked > moment for asked, _ in self.answers):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    async def _connect_often(self) -> None:
        while True:
            if not await self._visit(questions=1):
                self.refusals += 1
            await asyncio.sleep(0.005)

    async def _stay(self) -> None:
        while True:
            await self._visit(questions=1_000_000)
            await asyncio.sleep(0.02)

    async def _visit(self, questions: int) -> bool:
        """Connect and ask; False if it was refused or cut off."""
        try:
            connection = await self.shard.connect(self.agent, timeout=2.0)
        except (*REFUSED, asyncpg.InternalClientError):
            return False
        try:
            for _ in range(questions):
                await self._ask(connection)
                await asyncio.sleep(0.005)
        except (*REFUSED, asyncpg.InternalClientError):
            return False
        finally:
            connection.terminate()
        return True

    async def _ask(self, connection: asyncpg.Connection) -> None:
        began = time.monotonic()
        await connection.fetchval("SELECT 1", timeout=2.0)
        self.answers.append((began, time.monotonic()))


async def test_closing_and_opening_under_clients_that_never_stop(three: Shard) -> None:
    """From the moment a replica says it is closed no question is answered, until it says it is open."""
    follower = three.followers[0]
    async with Hammer(three, follower) as hammer:
        assert await hammer.answered_since(0.0)
        others = [agent for agent in three.agents if agent is not follower]
        for agent in others:
            agent.kill_everything()
        await three.wait(follower, lambda s: s.serving is Serving.CLOSED)
        closed_at = time.monotonic()
        await asyncio.sleep(1.5)
        assert [] == [answer for answer in hammer.answers if answer[0] > closed_at]
        assert hammer.refusals > 0
        for agent in others:
            agent.start()
        await three.wait(follower, lambda s: s.serving is not Serving.CLOSED)
        opened_at = time.monotonic()
        assert await hammer.answered_since(opened_at)


async def test_nobody_gets_in_before_the_order_to_open() -> None:
    """While a shard is born clients that try all the time get no answer; after the order they do."""
    async with Shard(1) as shard, Hammer(shard, shard.leader) as hammer:
        await shard.bootstrap()
        await shard.put_database()
        await asyncio.sleep(0.5)
        assert [] == hammer.answers
        await shard.open()
        await shard.wait_serving()
        assert await hammer.answered_since(0.0)
