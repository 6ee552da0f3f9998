"""The election core's effects, carried out: one on the server at a time, and each ticket answered once.

Whatever begins on the server first ends what is still under way there, so that nothing of the old happens
after the new: `Stop` overtakes everything, and `Fence` overtakes `Follow`.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from covet.agent import durable, fencing, following, handing, joining, promoting, rejoining, ruling, running
from covet.agent.election import CLOSED, Service
from covet.agent.instance import Instance
from covet.core.agentapi import Position
from covet.core.errors import CovetError
from covet.planner.election import effects
from covet.planner.election.effects import Effect
from covet.planner.election.events import Done, Persisted, Progressed, ServerDied
from covet.planner.election.state import Agent
from covet.planner.election.watch import Role

LOG: Final = logging.getLogger("covet.election")

RETRY_SECONDS: Final = 0.5
"""Pause before a promise that the volume did not take is written again, and before a fence that failed is repeated."""

PATIENCE: Final = 1.0
"""How long a promise waits for a start; a server that comes up in time tells its position faster."""
PACE: Final = 0.05
"""Between two looks whether a start has to give way."""

_UP: Final = frozenset({"Start", "Follow", "Rejoin"})
"""Effects that leave a server that runs."""

Work = Callable[[int], Awaitable[Done]]


class Executor:
    """What is under way for the core.

    Args:
        inst: the agent.
    """

    def __init__(self, inst: Instance) -> None:
        self._inst = inst
        self._server: asyncio.Task[None] | None = None
        self._admission: asyncio.Task[None] | None = None
        self._others: set[asyncio.Task[None]] = set()
        self._on_sessions: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def busy(self) -> bool:
        """True while something is done to the server."""
        return self._server is not None and not self._server.done()

    def perform(self, effect: Effect) -> None:
        """Begin an effect; its answer comes as an event."""
        match effect:
            case effects.Send(to, message):
                self._inst.voting.send(to, message)
            case effects.Persist():
                self._beside(self._persist(effect))
            case effects.Serve(reads, writes):
                self._inst.election.service = Service(reads, writes)
                self._inst.wake.set()
            case effects.Note():
                LOG.info("%s", effect.message, extra={"fields": {"reason": effect.reason}})
                self._inst.election.notes.append((time.time(), effect))
                self._inst.chronicle.note(effect, self._inst.clock.wall())
            case effects.WriteRow() | effects.AwaitRow() | effects.ApplySetting():
                self._on_session(self._answer(effect.ticket, self._row(effect), type(effect).__name__))
            case effects.Start() if self._inst.stopping.is_set():
                LOG.debug("The agent stops; its server is not started again.")
            case _:
                self._overtake(effect.ticket, self._on_server(effect), type(effect).__name__)

    def admit(self, work: Callable[[], Awaitable[None]]) -> None:
        """Begin to let clients in or out, unless that or something on the server is under way."""
        if self.busy or self._stopping or (self._admission is not None and not self._admission.done()):
            return
        self._admission = self._start(_complaining(self._inst, work()), "admission")

    async def halt(self) -> None:
        """End everything under way; nothing of it happens afterwards."""
        self._stopping = True
        tasks = [t for t in (self._server, self._admission, *self._others) if t is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._server = self._admission = None
        self._stopping = False

    # ------------------------------------------------------------ tasks

    def _start(self, work: "asyncio._CoroutineLike[None]", name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._others.discard(task)
        self._on_sessions.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._inst.defect = error
            self._inst.stopping.set()
            self._inst.wake.set()

    def _beside(self, work: "asyncio._CoroutineLike[None]") -> asyncio.Task[None]:
        task = self._start(work, "election-beside")
        self._others.add(task)
        return task

    def _on_session(self, work: "asyncio._CoroutineLike[None]") -> None:
        """Do something on a session of the server, which ends when the server is to stop."""
        self._on_sessions.add(self._beside(work))

    def _overtake(self, ticket: int, work: Work, name: str) -> None:
        if self._stopping:
            return
        sessions = self._on_sessions if name == effects.Stop.__name__ else ()
        before = [task for task in (self._server, self._admission, *sessions) if task is not None and not task.done()]
        self._server = self._start(self._after(before, ticket, work, name), "election-server")

    async def _after(self, before: list[asyncio.Task[None]], ticket: int, work: Work, name: str) -> None:
        await _end(before)
        await self._answer(ticket, work, name)

    async def _answer(self, ticket: int, work: Work, name: str) -> None:
        begun = self._inst.clock.monotonic()
        try:
            done = await work(ticket)
        except (CovetError, OSError, TimeoutError) as error:
            reason = error.reason if isinstance(error, CovetError) else type(error).__name__
            LOG.warning("%s", error, extra={"fields": {"reason": reason}})
            self._inst.trouble = error if isinstance(error, CovetError) else durable.failure(error)
            done = Done(ticket, ok=False)
        else:
            self._inst.trouble = None if done.ok else self._inst.trouble
        milliseconds = (self._inst.clock.monotonic() - begun) * 1000
        LOG.info("%s %s in %.0f ms.", name, "done" if done.ok else "failed", milliseconds)
        self._inst.election.put(done)
        if done.ok and name in _UP and self._inst.server.pid is None:
            # It died before this was answered: told of that first, the core would take it for running for ever.
            self._inst.election.put(ServerDied())

    # ------------------------------------------------------------ the effects

    async def _persist(self, effect: effects.Persist) -> None:
        """Write promise.json; a volume that refuses is asked until it takes it, and nothing goes on before."""
        while True:
            try:
                await self._inst.remember_promise(effect.sworn)
            except (CovetError, OSError) as error:
                LOG.error("The promise is not on the volume yet: %s", error)  # noqa: TRY400  the sentence says it
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._inst.election.put(Persisted(effect.sworn))
                return

    def _row(self, effect: effects.WriteRow | effects.AwaitRow | effects.ApplySetting) -> Work:
        inst = self._inst

        async def work(ticket: int) -> Done:
            match effect:
                case effects.WriteRow():
                    return Done(ticket, ok=True, lsn=await ruling.write_row(inst, effect.rule))
                case effects.AwaitRow():
                    await following.await_row(inst, effect.rule, effect.lsn)
                case effects.ApplySetting():
                    await ruling.apply_setting(inst, effect.rule)
            return Done(ticket, ok=True)

        return work

    def _on_server(self, effect: Effect) -> Work:
        inst = self._inst
        if isinstance(effect, effects.Promote | effects.HandOff):
            inst.election.service = CLOSED

        async def work(ticket: int) -> Done:
            match effect:
                case effects.Start():
                    await self._start_closed()
                case effects.Stop():
                    await running.stop_at_once(inst)
                case effects.Fence(_, term):
                    return Done(ticket, ok=True, position=await self._fence(term))
                case effects.Promote(_, term, rule):
                    await promoting.promote(inst, term, rule, lambda: inst.election.put(Progressed()))
                    self._on_session(_complaining(inst, keep_slots(inst)))
                case effects.Follow(_, leader, term):
                    followed = await following.follow(inst, leader, term)
                    return Done(ticket, ok=followed, reason="" if followed else "Diverged")
                case effects.Rejoin(_, leader, term):
                    return await self._rejoin(ticket, leader, term)
                case effects.HandOff(_, to, term):
                    return await self._hand_off(ticket, to, term)
            return Done(ticket, ok=True)

        return work

    async def _start_closed(self) -> None:
        """Start the server once it may be; a long recovery goes on by itself if this gives way.

        Raises:
            CovetError: it could not be started, or a promise waits for its fence, which needs no server.
        """
        inst = self._inst
        while not inst.back_off.ready(inst.clock.monotonic()):
            self._give_way()
            await asyncio.sleep(PACE)
        starting = asyncio.create_task(running.start_closed(inst), name="start")
        try:
            await asyncio.wait([starting], timeout=PATIENCE)
            while not starting.done():
                self._give_way()
                await asyncio.wait([starting], timeout=PACE)
            await starting
        finally:
            await _end([starting])

    def _give_way(self) -> None:
        if _fence_waits(self._inst.election.agent):
            raise CovetError("StartDeferred", "A candidate waits for a promise; the server is started afterwards.")

    async def _fence(self, term: int) -> Position | None:
        """Fence until it is done: a member that may still receive log has nothing to answer (I3)."""
        while True:
            try:
                return await fencing.fence(self._inst, term)
            except (CovetError, OSError) as error:
                self._inst.trouble = error if isinstance(error, CovetError) else durable.failure(error)
                LOG.warning("Not fenced for term %s yet: %s", term, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _rejoin(self, ticket: int, leader: str, term: int) -> Done:
        """Rewind; where that cannot succeed, have the volume cloned anew, as a new member."""
        inst = self._inst
        try:
            await rejoining.rejoin(inst, leader, term)
        except rejoining.RewindImpossibleError as error:
            LOG.warning("%s The volume is cloned anew.", error.message, extra={"fields": {"reason": error.reason}})
            inst.remake = leader
            inst.wake.set()
            return Done(ticket, ok=False)
        return Done(ticket, ok=True)

    async def _hand_off(self, ticket: int, to: str, term: int) -> Done:
        try:
            return Done(ticket, ok=await handing.hand_off(self._inst, to, term))
        except handing.HandOffBrokenError as error:
            LOG.warning("%s", error.message, extra={"fields": {"reason": error.reason}})
            return Done(ticket, ok=False, reason="Stopped")


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks and return once all are over; whoever is cancelled meanwhile waits for that all the same."""
    for task in tasks:
        task.cancel()
    cancelled = False
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


def _fence_waits(agent: Agent | None) -> bool:
    """Tell whether a promise is on the disk and its answer is not given yet."""
    if agent is None or agent.saved.promise < agent.sworn.promise:
        return False
    if agent.candidacy is not None:
        return agent.config.me not in agent.candidacy.answers
    return agent.role is Role.RECRUITED and agent.recruiter != "" and agent.answer is None


async def keep_slots(inst: Instance) -> None:
    """Make the slots of all other members, so that the log they need stays."""
    rule = inst.election.rule
    if rule is not None:
        await joining.make_slots(inst, [member for member in rule.cohort if member != rule.leader])


async def _complaining(inst: Instance, work: Awaitable[None]) -> None:
    """Do something whose failure is said, and whose next turn comes by itself."""
    try:
        await work
    except (CovetError, OSError, TimeoutError) as error:
        LOG.warning("%s", error)
        inst.complaint = error if isinstance(error, CovetError) else durable.failure(error)
