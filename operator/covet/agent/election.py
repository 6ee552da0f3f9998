"""What the election core knows here: the member, the events that wait for it, and what it decided last.

The driver moves it, the executor carries out what it wants; everybody else reads it or puts an event.
"""

import asyncio
import collections
import contextlib
import dataclasses
import random
from typing import Final

from covet.core.agentapi import Rule
from covet.core.clock import Clock
from covet.core.errors import RefusedError
from covet.planner.election.effects import Note
from covet.planner.election.events import Event, Tick
from covet.planner.election.state import Agent, Member, Reign, Stage
from covet.planner.election.watch import Elect, Leader, Report, Role

BUSY_SECONDS: Final = 0.05
"""Between two ticks while the member leads, asks or says farewell: the core counts in these."""
STEADY_SECONDS: Final = 0.2
"""On a leader with nothing under way: a fifth of its read lease, which every report of the voter renews."""
QUIET_SECONDS: Final = 0.5
NOTES: Final = 16
"""How many of the last decisions are kept for whoever asks why."""

Word = Event | Leader | Elect | Report


@dataclasses.dataclass(frozen=True)
class Asked:
    """An order whose giver waits for what the core says to it."""

    event: Event
    answer: "asyncio.Future[tuple[Note, ...]]"


@dataclasses.dataclass(frozen=True)
class Service:
    """What a leader lets clients do, by the core's last word."""

    reads: bool = False
    writes: bool = False


CLOSED: Final = Service()


class Election:
    """The member and its queue.

    Attributes:
        member: both halves, None before the volume holds a finished database; the voter half is a copy of what
            the voter process last said.
        begun: there is a member.
        admitted: set whenever clients were let in; whoever publishes it clears it.
        service: what clients may do by the core's last word.
        notes: (wall clock seconds, note) of the last decisions, oldest first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queue: asyncio.Queue[Word | Asked] = asyncio.Queue()
        self._ticked_at = clock.monotonic()
        self.begun = asyncio.Event()
        self.admitted = asyncio.Event()
        self.member: Member | None = None
        self.service = CLOSED
        self.notes: collections.deque[tuple[float, Note]] = collections.deque(maxlen=NOTES)

    # ------------------------------------------------------------ what others read

    @property
    def agent(self) -> Agent | None:
        """The agent half, None before there is one."""
        return self.member.agent if self.member is not None else None

    @property
    def role(self) -> Role | None:
        """The role of the agent half."""
        return self.agent.role if self.agent is not None else None

    @property
    def reign(self) -> Reign | None:
        """The term that this member leads or is about to, None while it does not."""
        return self.agent.reign if self.agent is not None else None

    @property
    def leads(self) -> bool:
        """True once the member leads and was opened by its rule."""
        return self.role in {Role.LEADER, Role.READ_FENCED}

    @property
    def seated(self) -> bool:
        """True once the row of the term was confirmed by enough followers."""
        return self.leads and self.reign is not None and self.reign.seated

    @property
    def follows(self) -> int:
        """The term whose leader the server's settings name, 0 for nobody."""
        return self.agent.follows if self.agent is not None and self.role is Role.FOLLOWER else 0

    @property
    def target(self) -> str | None:
        """Member name of the leader that is followed or about to be."""
        agent = self.agent
        return agent.target.leader if agent is not None and agent.target is not None else None

    @property
    def rule(self) -> Rule | None:
        """The rule in force as far as it is known here: of the own reign, else the newest confirmed."""
        if self.reign is not None:
            return self.reign.rule
        return self.agent.saved.rule if self.agent is not None else None

    # ------------------------------------------------------------ events

    def begin(self, member: Member) -> None:
        """Take up the member that this volume is."""
        self.member = member
        self.begun.set()

    def put(self, event: Word) -> None:
        """Tell the core; before there is a member nobody listens."""
        if self.member is not None:
            self._queue.put_nowait(event)

    async def order(self, event: Event, limit: float = 2.0) -> tuple[Note, ...]:
        """Give an order and return what the core says to it.

        Raises:
            RefusedError: there is no member, or it did not come to this in time.
        """
        if self.member is None:
            raise RefusedError("NotBorn", "This volume holds no finished database.")
        asked = Asked(event, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(asked)
        try:
            return await asyncio.wait_for(asked.answer, limit)
        except TimeoutError as error:
            raise RefusedError("Busy", "The election did not come to the order in time; repeat it.") from error

    async def next(self) -> Word | Asked:
        """Return the next event; time itself is one."""
        due = self._ticked_at + self._pace()
        if (left := due - self._clock.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self._queue.get(), left)
        self._ticked_at = self._clock.monotonic()
        return Tick(random.randrange(1000))

    def forget(self) -> None:
        """End the member: its volume becomes another's."""
        self.member, self.service = None, CLOSED
        self.begun.clear()
        while not self._queue.empty():
            left = self._queue.get_nowait()
            if isinstance(left, Asked) and not left.answer.done():
                left.answer.set_exception(RefusedError("NotBorn", "This volume is being made anew."))

    def _pace(self) -> float:
        """Return the seconds between two ticks: the core counts in them only while something is under way."""
        agent = self.agent
        if agent is None:
            return QUIET_SECONDS
        reign = agent.reign
        if reign is None:
            return BUSY_SECONDS if agent.candidacy is not None or agent.parting is not None else QUIET_SECONDS
        if agent.role is not Role.LEADER or agent.task is not None or reign.stage is not Stage.DONE:
            return BUSY_SECONDS
        return STEADY_SECONDS
