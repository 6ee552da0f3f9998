"""Moves the agent half of the election core: one event, one step, its effects; the voter hears of it first."""

import asyncio
import dataclasses
import logging
from typing import Final

from covet.agent import following
from covet.agent.election import Asked, Word
from covet.agent.executor import Executor
from covet.agent.instance import Instance
from covet.core.errors import CovetError
from covet.planner.election import events, machine
from covet.planner.election.effects import Note
from covet.planner.election.state import Agent, Member, Out, Server
from covet.planner.election.timers import FOREVER
from covet.planner.election.watch import QUIET, Config, Elect, Leader, Report, Role, View

LOG: Final = logging.getLogger("covet.election")

UNKNOWN: Final = "0" * 12
"""Incarnation of an instance whose member is not known yet: it serves as an address only."""


class Driver:
    """The one place that steps the core.

    Args:
        inst: the agent.
    """

    def __init__(self, inst: Instance) -> None:
        self._inst = inst
        self._told: View | None = None
        self._cramped = False
        self.executor = Executor(inst)

    async def run(self) -> None:
        """Step for as long as the agent lives."""
        inst = self._inst
        listener = asyncio.create_task(self._listen(), name="election-words")
        try:
            while True:
                await inst.election.begun.wait()
                word = await inst.election.next()
                if inst.election.member is not None:
                    await self._take(word)
        finally:
            listener.cancel()

    def begin(self) -> None:
        """Make the member that this volume is; not while a promise of before is on its way to the disk."""
        inst = self._inst
        if inst.identity is None or inst.sworn is None or inst.remembering:
            return
        inst.setting_rule = inst.sworn.rule
        self._told = None
        config = Config(inst.identity.member)
        inst.voting.enrol(config)
        peers = self._peers()
        inst.election.begin(machine.start(config, inst.sworn, peers, self._now()))
        inst.election.put(events.Peers(peers))  # the first event: it lets the core ask for what it needs

    async def end(self) -> None:
        """Forget the member; nothing of it happens afterwards."""
        member = self._inst.election.member
        self._inst.election.forget()
        self._inst.greeting.end()
        await self.executor.halt()
        if member is not None:
            await self._mute(member)

    async def _mute(self, member: Member) -> None:
        """Let the voter neither lead, nor vote, nor ask: it would hold up the others for a member that is no more."""
        view = machine.describe(member.agent, None, self._now())
        view = dataclasses.replace(view, role=Role.BOOT, term=0, flags=0, votes=False, following=False)
        try:
            await self._inst.voting.tell(view)
        except (CovetError, TimeoutError) as error:
            LOG.warning("The voter was not told that its member is gone: %s", error)
        else:
            self._told = view

    async def _listen(self) -> None:
        while True:
            self._inst.election.put(await self._inst.voting.words.get())

    async def _take(self, word: Word | Asked) -> None:
        if isinstance(word, Asked) and word.answer.done():
            return  # whoever gave the order was told that nobody came to it
        event = word.event if isinstance(word, Asked) else word
        notes = await self._step(event)
        if isinstance(word, Asked) and not word.answer.done():
            word.answer.set_result(notes)

    async def _step(self, event: Word) -> tuple[Note, ...]:
        """Step once; the voter knows of a new promise before it goes to the disk."""
        inst, out, now = self._inst, Out(), self._now()
        member = inst.election.member
        if member is None:
            return ()
        member = Member(member.agent, inst.voting.watch or member.watch)
        before = member.agent
        if isinstance(event, Leader | Elect):
            member = machine.hear(member, event, now, out)
            self._greet(event, member.agent)
        elif isinstance(event, events.Tick | Report):
            member = self._count_peers(machine.turn(member, now, out), now, out)
        else:
            member = machine.act(member, event, now, out)
        member, view = machine.conclude(member, before, now, out)
        view = self._stand(member, view, now)
        inst.election.member = member
        if view is not None and view != self._told:
            await self._tell(view, member)
            if inst.election.member is not member:
                return ()  # it was ended meanwhile: what it wanted may not happen to a volume that is another's
        # The voter's answer brought its newest facts: why the reign before ended stands in them.
        seen = Member(member.agent, inst.voting.watch or member.watch)
        inst.chronicle.step(before, seen, now, opened=inst.shard_opened)
        if member.agent.role is not before.role:
            LOG.info("%s, term %s.", member.agent.role, member.agent.term)
            inst.wake.set()
        for effect in out:
            self.executor.perform(effect)
        inst.news.set()
        return tuple(effect for effect in out if isinstance(effect, Note))

    def _greet(self, word: Leader | Elect, agent: Agent) -> None:
        """Ask a leader that is being promoted where it will stand, if this member's server is up to follow it then."""
        recruited = agent.role is Role.RECRUITED and agent.server is Server.STANDBY
        if isinstance(word, Leader) and not word.promoted and recruited and word.term == agent.sworn.promise:
            following.greet(self._inst, word.name, word.term)

    def _stand(self, member: Member, view: View | None, now: int) -> View | None:
        """Keep a member whose volume is full or ill from asking for an election; it says yes to others all the same."""
        cramped = self._inst.cramped or self._inst.ill != ""
        if view is None and cramped != self._cramped and member.agent.reign is None:
            view = machine.describe(member.agent, None, now)
        if view is None or not cramped or view.role not in QUIET:
            self._cramped = cramped if view is not None else self._cramped
            return view
        self._cramped = True
        return dataclasses.replace(view, retry_at=FOREVER)

    async def _tell(self, view: View, member: Member) -> None:
        """Tell the voter until it has seen it: an echo of the old term may not follow a promise on the disk."""
        inst = self._inst
        while not inst.voting.ended.is_set() and inst.election.member is member:
            try:
                await inst.voting.tell(view)
            except (CovetError, TimeoutError) as error:
                LOG.warning("The voter does not answer: %s", error)
            else:
                self._told = view if inst.election.member is member else self._told
                return

    def _count_peers(self, member: Member, now: int, out: Out) -> Member:
        peers = self._peers()
        return member if peers == member.agent.peers else machine.act(member, events.Peers(peers), now, out)

    def _peers(self) -> tuple[str, ...]:
        """Return a member of every instance: of the rule, else as last heard, else a name to address it by."""
        inst = self._inst
        rule = inst.election.rule or inst.rule
        cohort = {inst.instance_of(member): member for member in rule.cohort} if rule is not None else {}
        names = []
        for peer in inst.spec.peers:
            heard = inst.voting.heard.get(peer.instance, {}).get("member")
            address = f"{peer.instance.removeprefix(f'{inst.spec.cluster}-')}-{UNKNOWN}"
            names.append(cohort.get(peer.instance) or heard or address)
        return tuple(sorted(names))

    def _now(self) -> int:
        return int(self._inst.clock.monotonic() * 1000)
