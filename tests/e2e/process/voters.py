"""Voters without agents: real processes and certificates, told what to be through the line of an agent."""

import asyncio
import contextlib
import dataclasses
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from covet.agent import voter
from covet.agent.children import Children
from covet.agent.settings import Settings
from covet.agent.voting import Voting, Word
from covet.core.agentapi import Peer, Rule, ShardSpec
from covet.core.clock import Clock
from covet.planner.election import messages
from covet.planner.election.watch import Config, Role, View, Watch
from tests.e2e.process.authority import Authority
from tests.e2e.process.shard import loopback_spec

LEADS = messages.OPEN | messages.PROMOTED
PROBE = 0.1
W = TypeVar("W", bound=Word)


def member(letter: str, digit: str = "1") -> str:
    """Return the member name of an instance's volume."""
    return f"s0-{letter}-{digit * 12}"


class Seat:
    """One voter and the part of its agent that these tests play.

    Attributes:
        said: what the voter said, with the monotonic second it was heard.
    """

    def __init__(self, folder: Path, peer: Peer, spec: ShardSpec) -> None:
        self.peer = peer
        self.name = member(peer.instance[-1])
        self.settings = Settings(peer.instance, folder, folder / "tls", folder, folder, peer.address, folder, "text")
        self._spec = spec
        self.voting = Voting(Children(), Clock())
        self.said: list[tuple[float, Word]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.probes = False

    async def start(self) -> None:
        """Start the voter and tell it its peers, as an agent does before it looked at its volume."""
        await self.voting.start()
        self.configure(self._spec)
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._probe())]
        await until(lambda: bool(self.voting.heard), 20.0)

    def configure(self, spec: ShardSpec) -> None:
        """Tell the peers of a spec."""
        addresses = {peer.address: (peer.address,) for peer in spec.peers}
        self.voting.configure(self.settings, "1", spec, addresses)

    async def tell(self, **changes: object) -> Watch:
        """Enrol the member and tell a view: a follower of nobody, but for the changes."""
        self.voting.enrol(Config(self.name))
        plain = View(Role.FOLLOWER, voter.milliseconds(), peers=tuple(member(p.instance[-1]) for p in self._spec.peers))
        return await self.voting.tell(dataclasses.replace(plain, **changes))  # type: ignore[arg-type]  # of a View

    def kill(self) -> None:
        """Kill the voter; its host stays up."""
        os.kill(self.pid, signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Process id of the voter."""
        assert self.voting.pid is not None, "the voter was not started"
        return self.voting.pid

    @property
    def facts(self) -> Watch:
        """What the voter last told of itself."""
        assert self.voting.watch is not None, "the voter took no view yet"
        return self.voting.watch

    def words(self, kind: type[W]) -> list[W]:
        """Return what was said of one kind."""
        return [word for _, word in self.said if isinstance(word, kind)]

    async def close(self) -> None:
        """End the voter."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)
        await self.voting.stop()

    async def _listen(self) -> None:
        while True:
            word = await self.voting.words.get()
            self.said.append((time.monotonic(), word))

    async def _probe(self) -> None:
        while True:
            if self.probes:
                self.voting.probed()
            await asyncio.sleep(PROBE)


class Voters:
    """Three voters of one shard on loopback.

    Args:
        folder: their certificates lie below it.
    """

    def __init__(self, folder: Path) -> None:
        self.authority = Authority()
        self.spec = dataclasses.replace(loopback_spec(3), opened=True)
        self.rule = Rule(1, 1, member("a"), tuple(member(letter) for letter in "abc"), 1)
        self.seats: list[Seat] = []
        for peer in self.spec.peers:
            self.authority.issue(folder / peer.instance / "tls", peer.instance, (peer.address,))
            self.seats.append(Seat(folder / peer.instance, peer, self.spec))

    async def __aenter__(self) -> Self:
        """Start them and wait until each has a line to each."""
        for seat in self.seats:
            await seat.start()
        await until(lambda: all(self.linked(seat, other) for seat in self.seats for other in self.seats), 20.0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them."""
        for seat in self.seats:
            await seat.close()

    def linked(self, seat: Seat, other: Seat) -> bool:
        """Tell whether a voter has a line to another, or is it."""
        return seat is other or seat.voting.linked(other.peer.instance)

    async def reign(self) -> tuple[Seat, Seat, Seat]:
        """Make the first one the leader of term 1, open, and the others its followers."""
        leader, *followers = self.seats
        for seat in followers:
            await seat.tell(promise=1, seq=1, rules=(self.rule,), following=True)
        leader.probes = True
        await leader.tell(role=Role.LEADER, promise=1, term=1, seq=1, rules=(self.rule,), flags=LEADS)
        await until(lambda: len(leader.facts.pulse.following) == 2)
        return leader, followers[0], followers[1]


async def until(holds: Callable[[], bool], limit: float = 5.0) -> float:
    """Wait until something holds, and return the seconds that took.

    Raises:
        TimeoutError: it never did.
    """
    began = time.monotonic()
    async with asyncio.timeout(limit):
        while not holds():  # noqa: ASYNC110  what is awaited lies in another process
            await asyncio.sleep(0.005)
    return time.monotonic() - began
