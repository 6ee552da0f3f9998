"""One simulated instance: a process that drives the core, a disk, and a server. The executor's twin."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from covet.core.agentapi import Position
from covet.planner.election import effects, events, machine
from covet.planner.election.messages import Recruited
from covet.planner.election.rules import Sworn
from covet.planner.election.state import Member
from covet.planner.election.watch import Config
from covet.testing.election.server import Server, Upstream

if TYPE_CHECKING:
    from covet.testing.election.world import World


class Node:
    """An instance of the schedule.

    Args:
        world: time, network, the other nodes and the oracle.
        name: member name; a new volume gets a new one.
        rate: how fast its clock runs, about 1.
    """

    def __init__(self, world: "World", name: str, rate: float) -> None:
        self.world = world
        self.name = name
        self.rate = rate
        self.offset = world.random.randrange(10**6)
        self.disk = Sworn(0)
        self.server = Server()
        self.config = Config(name, world.timers, world.guards)
        self.member: Member | None = None
        self.process = 0
        self.paused_until = -1.0
        self.frozen_until = -1.0
        self.slow_disk_until = -1.0
        self.job = 0
        self.backlog: list[events.Event] = []
        self.seen_log = 0
        self.lost = False
        self.jitter = 0
        self.handlers: dict[type, Callable[..., None]] = {
            effects.Send: self._send,
            effects.Persist: self._persist,
            effects.Start: self._start,
            effects.Stop: self._stop,
            effects.Fence: self._fence,
            effects.Promote: self._promote,
            effects.Follow: self._follow,
            effects.Rejoin: self._rejoin,
            effects.WriteRow: self._write_row,
            effects.AwaitRow: self._await_row,
            effects.ApplySetting: self._apply_setting,
            effects.HandOff: self._hand_off,
            effects.Serve: self._serve,
            effects.Note: self._note,
        }

    def clock(self) -> int:
        """Return the own monotonic clock, in milliseconds."""
        return int(self.offset + self.world.time.now * self.rate)

    @property
    def alive(self) -> bool:
        """Tell whether the agent's process runs, paused or not."""
        return self.member is not None

    def boot(self) -> None:
        """Start the process on the volume as it is."""
        self.process += 1
        self.job += 1
        self.backlog = []
        self.server.stop()
        self.member = machine.start(self.config, self.disk, self.world.names(), self.clock())
        self.jitter = self.world.random.randrange(1000)
        self.world.time.after(self.world.random.uniform(0, 50), self._tick, self.process)
        self.world.time.after(self.world.random.uniform(0, 250), self._look, self.process)

    def kill(self) -> None:
        """End the process and its server at once; what was not on the disk is gone."""
        self.process += 1
        self.job += 1
        self.member = None
        self.server.stop()
        self.paused_until = self.frozen_until = -1.0

    def give(self, event: events.Event) -> None:
        """Hand the core an event; a paused process gets it when it goes on."""
        if self.member is None:
            return
        world = self.world
        if world.time.now < self.paused_until:
            self.backlog.append(event)
            return
        self.member, wanted = machine.step(self.member, event, self.clock())
        for effect in wanted:
            self.handlers[type(effect)](effect)

    def resume(self) -> None:
        """Go on after a pause with everything that queued up."""
        waiting, self.backlog = self.backlog, []
        for event in waiting:
            self.give(event)

    def _later(self, delay: float, action: Callable[..., None], *values: object) -> None:
        """Finish an effect after a while, unless the process died; not while it is paused."""
        self.world.time.after(delay, self._run, self.process, action, values)

    def _run(self, process: int, action: Callable[..., None], values: tuple[object, ...]) -> None:
        if process != self.process:
            return
        pause = max(self.paused_until, self.frozen_until)
        if self.world.time.now < pause:
            self.world.time.at(pause, self._run, process, action, values)
            return
        action(*values)

    def _tick(self, process: int) -> None:
        if process != self.process:
            return
        now = self.world.time.now
        if now >= self.paused_until:
            self.give(events.Tick(self.jitter))
        self.world.time.at(max(now + 50, self.paused_until), self._tick, process)

    def _look(self, process: int) -> None:
        """What the agent observes by itself, four times a second."""
        if process != self.process:
            return
        now, server = self.world.time.now, self.server
        self.jitter = self.world.random.randrange(1000)
        if now >= self.paused_until and now >= self.frozen_until and server.up:
            if server.primary:
                self.give(events.Probed())
                self.give(events.WalSenders(*self.world.senders(self)))
            elif len(server.log) > self.seen_log:
                self.give(events.Advanced())
            self.seen_log = len(server.log)
        self.world.time.at(max(now + 250, self.paused_until), self._look, process)

    # Effects ---------------------------------------------------------------------------------

    def _send(self, effect: effects.Send) -> None:
        message = effect.message
        if type(message) is Recruited and message.yes:
            self.world.check_answer(self, message)
        self.world.send(self.name, effect.to, message)

    def _note(self, effect: effects.Note) -> None:
        if self.world.trace is not None:
            self.world.log(self.name, f"{effect.reason}: {effect.message}")

    def _persist(self, effect: effects.Persist) -> None:
        now = self.world.time.now
        slow = self.world.random.uniform(0, 400) if now < self.slow_disk_until else self.world.random.uniform(0.5, 4)
        self._later(slow, self._persisted, effect.sworn)

    def _persisted(self, sworn: Sworn) -> None:
        self.disk = sworn
        self.give(events.Persisted(sworn))

    def _job(self, delay: float, action: Callable[..., None], *values: object) -> None:
        """Finish an effect on the server, unless a later one overtook it."""
        self.job += 1
        self._later(delay, self._run_job, self.job, action, values)

    def _run_job(self, job: int, action: Callable[..., None], values: tuple[object, ...]) -> None:
        if job == self.job:
            action(*values)

    def _start(self, effect: effects.Start) -> None:
        self._job(self.world.random.uniform(20, 150), self._started, effect)

    def _started(self, effect: effects.Start) -> None:
        self.server.start()
        self.give(events.Done(effect.ticket, ok=True))

    def _stop(self, effect: effects.Stop) -> None:
        self.world.log(self.name, "stops")
        self.server.writes_open = self.server.reads_open = False
        self._job(self.world.random.uniform(5, 60), self._stopped, effect)

    def _stopped(self, effect: effects.Stop) -> None:
        self.server.stop()
        self.give(events.Done(effect.ticket, ok=True))

    def _fence(self, effect: effects.Fence) -> None:
        self._job(self.world.random.uniform(2, 40), self._fenced, effect)

    def _fenced(self, effect: effects.Fence) -> None:
        server = self.server
        if self.world.guards.fence_answers:
            server.upstream = None
        end = len(server.log)
        term = server.log[-1][0] if server.log else 0
        if not self.world.keeps("position_of_last_byte"):
            term = self.disk.rule.term if self.disk.rule else 0
        self.give(events.Done(effect.ticket, ok=True, position=Position(term, end)))

    def _promote(self, effect: effects.Promote) -> None:
        self._job(self.world.random.uniform(20, 120), self._promoted, effect)

    def _promoted(self, effect: effects.Promote) -> None:
        server, world = self.server, self.world
        if not server.up:
            self.give(events.Done(effect.ticket, ok=False))
            return
        last = server.log[-1][0] if server.log else 0
        world.oracle.promote(effect.term, self.name, server.log)
        server.timeline = effect.term if world.keeps("timeline_is_term") else last + 1
        server.primary, server.term, server.setting = True, effect.term, effect.rule
        server.upstream, server.flushed, server.pending = None, {}, []
        server.log.append((server.timeline, world.number()))
        server.visible = len(server.log)
        world.log(self.name, f"leads term {effect.term} from {last}/{len(server.log) - 1}")
        self.give(events.Done(effect.ticket, ok=True))

    def _follow(self, effect: effects.Follow) -> None:
        self._job(self.world.random.uniform(3, 30), self._followed, effect)

    def _followed(self, effect: effects.Follow) -> None:
        leader = self.world.leader_server(self, effect.leader, effect.term)
        if leader is None or not self.server.up:
            self.give(events.Done(effect.ticket, ok=False))
            return
        if self.server.diverged(leader) and self.world.guards.lineage:
            self.give(events.Done(effect.ticket, ok=False, reason="Diverged"))
            return
        self.server.upstream = Upstream(effect.leader, leader.life, effect.term)
        self.world.ship(effect.leader, self.name)
        self.give(events.Done(effect.ticket, ok=True))

    def _rejoin(self, effect: effects.Rejoin) -> None:
        leader = self.world.leader_server(self, effect.leader, effect.term)
        if leader is None:
            self._job(5, self._refuse, effect.ticket)
            return
        self.server.stop()
        common = self.server.common(leader)
        # Until the rewind is finished the log has the leader's end and a hole before it.
        self.server.log[common:] = [*leader.log[common:-1][:-1], *leader.log[-1:]]
        self.world.log(self.name, f"rewinds to {common}")
        self._job(self.world.random.uniform(50, 300), self._rejoined, effect, common, list(leader.log))

    def _rejoined(self, effect: effects.Rejoin, common: int, log: list[tuple[int, int]]) -> None:
        self.server.log[common:] = log[common:]
        self.server.start()
        self._give_done(effect.ticket, ok=True)

    def _refuse(self, ticket: int) -> None:
        self._give_done(ticket, ok=False)

    def _give_done(self, ticket: int, *, ok: bool) -> None:
        self.give(events.Done(ticket, ok=ok))

    def _write_row(self, effect: effects.WriteRow) -> None:
        self._later(self.world.random.uniform(1, 5), self._row_written, effect)

    def _row_written(self, effect: effects.WriteRow) -> None:
        server = self.server
        if not server.primary or server.term != effect.rule.term:
            self._give_done(effect.ticket, ok=False)
            return
        record = (server.timeline, self.world.number())
        server.log.append(record)
        self.world.rows[effect.rule.term, effect.rule.seq] = record
        self.world.ship_all(self)
        self.give(events.Done(effect.ticket, ok=True, lsn=len(server.log)))

    def _await_row(self, effect: effects.AwaitRow) -> None:
        self._later(2, self._row_awaited, effect, self.world.time.now + 1000)

    def _row_awaited(self, effect: effects.AwaitRow, until: float) -> None:
        upstream = self.server.upstream
        if upstream is not None and upstream.term != effect.rule.term:
            self._give_done(effect.ticket, ok=False)  # as the executor's contract says: only while following that term
            return
        if len(self.server.log) < effect.lsn or self.server.upstream is None:
            late = self.world.time.now >= until
            if late:
                self._give_done(effect.ticket, ok=False)
            else:
                self._later(10, self._row_awaited, effect, until)
            return
        row = self.world.rows[effect.rule.term, effect.rule.seq]
        self.world.oracle.confirm(self.name, row, self.server.log, effect.lsn)
        self._give_done(effect.ticket, ok=True)

    def _apply_setting(self, effect: effects.ApplySetting) -> None:
        self._later(self.world.random.uniform(1, 20), self._setting_applied, effect)

    def _setting_applied(self, effect: effects.ApplySetting) -> None:
        if self.server.primary:
            self.server.setting = effect.rule
        self._give_done(effect.ticket, ok=self.server.primary)
        self.world.settle_commits(self)

    def _hand_off(self, effect: effects.HandOff) -> None:
        self.server.writes_open = self.server.reads_open = False
        self.world.log(self.name, f"hands off to {effect.to}")
        self._job(5, self._hand_off_check, effect, self.world.time.now + 500)

    def _hand_off_check(self, effect: effects.HandOff, until: float) -> None:
        server = self.server
        if server.flushed.get(effect.to, 0) >= len(server.log):
            server.stop()
            self.give(events.Done(effect.ticket, ok=True))
        elif self.world.time.now >= until:
            self._give_done(effect.ticket, ok=False)
        else:
            self._job(10, self._hand_off_check, effect, until)

    def _serve(self, effect: effects.Serve) -> None:
        server, world = self.server, self.world
        if not server.primary or self.member is None:
            return
        if effect.writes and not server.writes_open:
            reign = self.member.agent.reign
            rule = reign.rule if reign is not None else None
            if rule is not None and rule.seq == 1:
                world.oracle.open(
                    server.term, self.name, world.rows.get((rule.term, rule.seq)), rule.acks, world.time.now
                )
            world.log(self.name, f"opens term {server.term}")
        server.reads_open, server.writes_open = effect.reads, effect.writes
