"""The agent's ear for its voter: what is late, outdated or too much is not heard."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from covet.agent import packets, voting
from covet.agent.children import Children
from covet.agent.voting import MAX_WORDS, Voting, Words
from covet.core.agentapi import Rule
from covet.core.clock import Clock
from covet.core.errors import UnreachableError
from covet.planner.election import messages, voter, watch
from covet.planner.election.events import Received
from covet.planner.election.messages import Recruit
from covet.planner.election.watch import Config, Elect, Leader, Report, Role, View

ME = "s0-a-111111111111"
QUIET = View(Role.FOLLOWER, 1, promise=1, rules=(Rule(1, 1, "b", (ME, "b", "c"), 1),))


class Process:
    """A voter's process that only ends when it is killed."""

    pid = 1
    returncode: int | None = None

    def __init__(self) -> None:
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """Wait for the kill."""
        await self._ended.wait()
        return -9

    def kill(self) -> None:
        """End."""
        self.returncode = -9
        self._ended.set()


class Spawner(Children):
    """Starts no process, and keeps the voter's end of the line for the test.

    Attributes:
        line: that end.
        process: what was started.
    """

    line: socket.socket
    process: Process

    async def spawn(
        self,
        *argv: str,
        stdout: int | None = None,
        stderr: int | None = None,
        folder: Path | None = None,
        descriptors: tuple[int, ...] = (),
    ) -> asyncio.subprocess.Process:
        """Take the descriptor that a voter would have got."""
        assert (None, None, None, str(descriptors[0])) == (stdout, stderr, folder, argv[-1])
        self.line = socket.socket(fileno=os.dup(descriptors[0]))
        self.line.settimeout(2.0)
        self.process = Process()
        return cast("asyncio.subprocess.Process", self.process)


class Ear:
    """An agent's side, with the test as its voter; the clock stands still unless it is set."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.spawner = Spawner()
        self.voting = Voting(self.spawner, Clock(monotonic=lambda: self.now))

    def say(self, **packet: Any) -> None:
        """Speak as the voter, at once unless `at` says when."""
        self.spawner.line.send(packets.encode({"at": int(self.now * 1000), **packet}))

    async def tell(self, view: View) -> watch.Watch:
        """Tell a view, and answer it as the voter does."""
        telling = asyncio.create_task(self.voting.tell(view))
        packet = json.loads(await asyncio.to_thread(self.spawner.line.recv, packets.MAX_PACKET))
        number, config, told = packets.unpack_view(packet)
        state, _ = voter.told(watch.started(config, View(Role.BOOT, 0), 0), told, 0)
        self.say(facts=packets.pack_facts(state), seen=number)
        return await telling

    async def words(self) -> list[object]:
        """Return everything that is heard up to a mark."""
        self.say(got=messages.encode(Recruit("mark", 0)).decode())
        heard: list[object] = []
        async with asyncio.timeout(2.0):
            while (word := await self.voting.words.get()) != Received(Recruit("mark", 0)):
                heard.append(word)
        return heard


@pytest_asyncio.fixture
async def ear() -> AsyncIterator[Ear]:
    """An agent's side that has a member."""
    made = Ear()
    await made.voting.start()
    made.voting.enrol(Config(ME))
    yield made
    made.spawner.process.kill()
    await made.voting.stop()
    made.spawner.line.close()


async def test_a_view_is_told_once_the_voter_has_it(ear: Ear) -> None:
    """The facts that come back are under the view that was told."""
    facts = await ear.tell(QUIET)
    assert (QUIET, ME, 0) == (facts.view, facts.config.me, facts.started)
    assert facts == ear.voting.watch


async def test_a_voter_that_does_not_answer_is_an_error(ear: Ear) -> None:
    """Nobody waits for ever, and nobody takes silence for an answer."""
    with pytest.raises(UnreachableError):
        await ear.voting.tell(QUIET)


async def test_a_voter_that_ends_fails_who_waits_for_it(ear: Ear) -> None:
    """The promise under way stays unwritten, at once."""
    telling = asyncio.create_task(ear.voting.tell(QUIET))
    await asyncio.to_thread(ear.spawner.line.recv, packets.MAX_PACKET)
    ear.spawner.process.kill()
    with pytest.raises(UnreachableError) as error:
        await asyncio.wait_for(telling, 0.5)
    assert "VoterMissing" == error.value.reason


async def test_a_voter_that_hangs_is_killed_and_fails_who_waits_for_it(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It spoke, and then no more: nobody waits for it for ever, and the agent hears that it is gone."""
    monkeypatch.setattr(voting, "TELL_SECONDS", 30.0)
    monkeypatch.setattr(voting, "SILENT_SECONDS", 1.0)
    ear.say(heard={}, dropped=0)
    with pytest.raises(UnreachableError, match="ended"):
        await asyncio.wait_for(ear.voting.tell(QUIET), 20.0)
    assert ear.voting.ended.is_set()


async def test_words_that_waited_for_a_second_are_not_heard(ear: Ear) -> None:
    """An agent that slept does not act on what was true before."""
    await ear.tell(QUIET)
    leader = Leader("b", 1, promoted=True, rewind=False)
    late, early = 998_999, 999_001
    ear.say(leader=leader, at=late)
    ear.say(elect=1, seen=1, at=late)
    ear.say(got=messages.encode(Recruit("b", 9)).decode(), at=late)
    ear.say(leader=leader, at=early)
    assert [leader] == await ear.words()


@pytest.mark.parametrize(
    ("after", "heard"),
    [
        (View(Role.RECRUITED, 2, promise=2, rules=QUIET.rules), []),
        (View(Role.FOLLOWER, 1, promise=1, rules=QUIET.rules, following=True), [Elect(1)]),
    ],
    ids=["promised-another", "the-same-still"],
)
async def test_an_election_counts_only_for_who_won_it(ear: Ear, after: View, heard: list[Elect]) -> None:
    """It was won under a view; if the agent promised or became something else since, it is over."""
    await ear.tell(QUIET)
    telling = asyncio.create_task(ear.voting.tell(after))
    await asyncio.to_thread(ear.spawner.line.recv, packets.MAX_PACKET)
    ear.say(elect=1, seen=1)
    assert heard == await ear.words()
    telling.cancel()


async def test_facts_of_a_former_member_are_forgotten(ear: Ear) -> None:
    """A volume that was cloned anew is a new member: nothing that the old one echoed is its own."""
    await ear.tell(QUIET)
    ear.voting.enrol(Config("s0-a-222222222222"))
    assert ear.voting.watch is None


async def test_words_nobody_takes_are_bounded() -> None:
    """The oldest go, and of reports in a row the newest stays."""
    words = Words()
    words.put(Elect(0))
    for end in range(MAX_WORDS):
        words.put(Report(end, {}, {}, frozenset()))
    assert [Elect(0), Report(MAX_WORDS - 1, {}, {}, frozenset())] == [await words.get(), await words.get()]
    for promise in range(2 * MAX_WORDS):
        words.put(Elect(promise))
    assert Elect(MAX_WORDS) == await words.get()
