"""A shard in virtual time: nodes, network, replication, clients, and the judge over all of it."""

import dataclasses
import random
from collections.abc import Iterable

from covet.core.agentapi import Durability, Position, Rule
from covet.planner import quorum
from covet.planner.election import machine, pulse, watch
from covet.planner.election.events import CohortOrder, Peers, Received, Refused
from covet.planner.election.guards import ALL, Guards
from covet.planner.election.messages import Message, Recruited
from covet.planner.election.rules import Sworn
from covet.planner.election.state import Agent, Member, Reign, Stage, Target
from covet.planner.election.state import Server as Process
from covet.planner.election.timers import Timers
from covet.planner.election.watch import Role
from covet.testing.election.clockwork import Clockwork
from covet.testing.election.node import Node
from covet.testing.election.oracle import Oracle
from covet.testing.election.server import Server, Upstream


@dataclasses.dataclass
class Network:
    """What the wires do at the moment.

    Args:
        cut: directed pairs of members between which nothing passes.
        loss, twice: shares of messages that vanish or come twice.
        slow: longest delay of a message, in milliseconds.
    """

    cut: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    loss: float = 0.0
    twice: float = 0.0
    slow: float = 1.5


class World:
    """One schedule's shard.

    Args:
        seed: of everything random.
        size: members of the cohort.
        acks: W.
        timers: durations in force.
        guards: safeguards of the core that are on.
        lapses: safeguards of the executor that are off: `timeline_is_term`, `position_of_last_byte`,
            `new_volume_is_new_member`.
        trace: lines of what happened, None to save the time.
    """

    def __init__(
        self,
        seed: int,
        size: int,
        acks: int,
        *,
        timers: Timers | None = None,
        guards: Guards = ALL,
        lapses: frozenset[str] = frozenset(),
        trace: list[str] | None = None,
    ) -> None:
        self.time = Clockwork(seed)
        self.random: random.Random = self.time.random
        self.timers = timers or Timers()
        self.guards = guards
        self.lapses = lapses
        self.trace = trace
        self.network = Network()
        self.nodes: dict[str, Node] = {}
        self.rows: dict[tuple[int, int], tuple[int, int]] = {}
        self.numbers = 0
        self.wanted: int | None = None
        self.gaps: list[float] = []
        self._born(size, acks)
        self.time.at(5, self._write)
        self.time.at(17, self._read)
        self.time.at(400, self._operate)

    def _born(self, size: int, acks: int) -> None:
        """Set up a shard that runs: the first member leads term 1, the others stream from it."""
        names = tuple("abcdefg"[:size])
        first = names[0]
        rule = Rule(1, 1, first, names, acks)
        self.oracle = Oracle((1, first))
        for name in names:
            node = Node(self, name, self.random.uniform(0.953, 1.047))
            self.nodes[name] = node
        record = (1, self.number())
        self.rows[1, 1] = record
        self.oracle.rows[record] = set(names)
        for name, node in self.nodes.items():
            node.boot()
            leads = name == first
            node.disk = Sworn(1, rule, 1 if leads else 0)
            node.server.log = [record]
            node.server.start()
            now = node.clock()
            agent = Agent(
                config=node.config,
                sworn=node.disk,
                saved=node.disk,
                started=now - 5000,
                since=now,
                role=Role.LEADER if leads else Role.FOLLOWER,
                term=1,
                server=Process.PRIMARY if leads else Process.STANDBY,
                peers=names,
                follows=0 if leads else 1,
                target=None if leads else Target(first, 1, rewind=True),
                reign=_seated(rule, now) if leads else None,
            )
            fresh = watch.started(node.config, machine.describe(agent, None, now), now - 5000)
            fresh = dataclasses.replace(fresh, probed_at=now)
            if leads:
                node.server.primary, node.server.term, node.server.setting = True, 1, rule
                node.server.visible = 1
                node.server.writes_open = node.server.reads_open = True
                echoed = dict.fromkeys(names, now)
                fresh = dataclasses.replace(fresh, pulse=dataclasses.replace(fresh.pulse, echoed=echoed, beat_at=now))
            else:
                node.server.upstream = Upstream(first, self.nodes[first].server.life, 1)
                fresh = dataclasses.replace(
                    fresh, heard=watch.Heard(1, first, now, refused=False, echo_term=1, echo_at=now)
                )
            node.member = Member(agent, fresh)

    def number(self) -> int:
        """Return a number for a record that no other has."""
        self.numbers += 1
        return self.numbers

    def names(self) -> tuple[str, ...]:
        """Return the members whose instances exist."""
        return tuple(self.nodes)

    def keeps(self, safeguard: str) -> bool:
        """Tell whether a safeguard of the executor is on."""
        return safeguard not in self.lapses

    def log(self, name: str, line: str) -> None:
        """Note what happened, if anybody wants to know."""
        if self.trace is not None:
            self.trace.append(f"{self.time.now:9.1f} {name:>4} {line}")

    # Network ---------------------------------------------------------------------------------

    def send(self, source: str, to: str, message: Message) -> None:
        """Carry a message, or not."""
        network = self.network
        if network.loss and self.random.random() < network.loss:
            return
        self._carry(source, to, message)
        if network.twice and self.random.random() < network.twice:
            self._carry(source, to, message)

    def _carry(self, source: str, to: str, message: Message) -> None:
        if (source, to) in self.network.cut:
            return
        delay = 0.3 + self.random.random() * self.network.slow
        self.time.after(delay, self._deliver, to, message)

    def _deliver(self, to: str, message: Message) -> None:
        node = self.nodes.get(to)
        if node is not None:
            node.give(Received(message))

    def refuse(self, gone: str) -> None:
        """A member's processes ended while its host is up: dials of it are refused."""
        for name, node in self.nodes.items():
            if name != gone and (gone, name) not in self.network.cut and (name, gone) not in self.network.cut:
                self.time.after(self.random.uniform(5, 250), node.give, Refused(gone))

    def check_answer(self, node: Node, message: Recruited) -> None:
        """A member says yes to a recruiter: judge it, once for each promise."""
        if self.oracle.promised.get(node.name, 0) == message.term and node.disk.promise >= message.term:
            return  # the same answer, sent again
        self.oracle.answer(node.name, message.term, node.disk.promise)

    # Replication -----------------------------------------------------------------------------

    def leader_server(self, node: Node, leader: str, term: int) -> Server | None:
        """Return a leader's server as another member's executor reaches it."""
        other = self.nodes.get(leader)
        if other is None or not other.server.primary or other.server.term != term:
            return None
        if (node.name, leader) in self.network.cut or (leader, node.name) in self.network.cut:
            return None
        return None if self.time.now < other.frozen_until else other.server

    def ship_all(self, leader: Node) -> None:
        """Send new log to whoever receives it."""
        for name, node in self.nodes.items():
            upstream = node.server.upstream
            if upstream is not None and upstream.node == leader.name:
                self.ship(leader.name, name)

    def ship(self, leader: str, to: str) -> None:
        """Send the log so far to a follower; one portion is on its way at a time."""
        server = self.nodes[leader].server
        if to not in server.shipping:
            server.shipping.add(to)
            delay = 0.3 + self.random.random() * self.network.slow
            self.time.after(delay, self._shipped, leader, server.life, to, len(server.log))

    def _shipped(self, leader: str, life: int, to: str, end: int) -> None:
        source, node = self.nodes.get(leader), self.nodes.get(to)
        if source is None or source.server.life != life:
            return
        server = source.server
        upstream = node.server.upstream if node is not None else None
        if node is None or upstream is None or (upstream.node, upstream.life) != (leader, life):
            server.shipping.discard(to)
            return
        now = self.time.now
        wait = max(source.frozen_until, node.frozen_until)
        if now < wait or (leader, to) in self.network.cut:
            self.time.at(max(wait, now + 60), self._shipped, leader, life, to, end)
            return
        log = node.server.log
        log.extend(server.log[len(log) : end])
        self._acknowledge(leader, life, to, len(log))
        if len(server.log) > end:
            delay = 0.3 + self.random.random() * self.network.slow
            self.time.after(delay, self._shipped, leader, life, to, len(server.log))
        else:
            server.shipping.discard(to)

    def _acknowledge(self, leader: str, life: int, source: str, flushed: int) -> None:
        delay = 0.3 + self.random.random() * self.network.slow
        self.time.after(delay, self._acknowledged, leader, life, source, flushed)

    def _acknowledged(self, leader: str, life: int, source: str, flushed: int) -> None:
        node = self.nodes.get(leader)
        if node is None or node.server.life != life or not node.server.primary:
            return
        now = self.time.now
        if now < node.frozen_until or (source, leader) in self.network.cut:
            self.time.at(max(node.frozen_until, now + 60), self._acknowledged, leader, life, source, flushed)
            return
        if flushed > node.server.flushed.get(source, 0):
            node.server.flushed[source] = flushed
            self.settle_commits(node)

    def settle_commits(self, node: Node) -> None:
        """Acknowledge every commit that enough followers of the server's setting have flushed."""
        server = node.server
        rule = server.setting
        if rule is None or not server.primary:
            return
        flushed = sorted((server.flushed.get(m, 0) for m in rule.cohort if m != node.name), reverse=True)
        bound = len(server.log) if rule.acks == 0 else (flushed[rule.acks - 1] if len(flushed) >= rule.acks else 0)
        done = [index for index in server.pending if index < bound]
        if not done:
            return
        server.pending = [index for index in server.pending if index >= bound]
        for index in done:
            self.oracle.acknowledge(server.term, node.name, index, server.log[index], self.time.now)
        server.visible = max(server.visible, done[-1] + 1)
        self.gaps.append(self.time.now)

    def senders(self, leader: Node) -> tuple[frozenset[str], frozenset[str]]:
        """Return whose walsenders reply to a leader, and who of them is close behind."""
        replied, close = set(), set()
        server = leader.server
        for name, node in self.nodes.items():
            upstream = node.server.upstream
            if upstream is None or (upstream.node, upstream.life) != (leader.name, server.life):
                continue
            cut = (leader.name, name) in self.network.cut or (name, leader.name) in self.network.cut
            if cut or self.time.now < node.frozen_until:
                continue
            replied.add(name)
            if server.flushed.get(name, 0) >= len(server.log) - 20:
                close.add(name)
        return frozenset(replied), frozenset(close)

    # Clients and operator --------------------------------------------------------------------

    def _write(self) -> None:
        """Clients write wherever they are let in, two leaders or not."""
        for node in list(self.nodes.values()):
            server = node.server
            if server.primary and server.writes_open and self.time.now >= node.frozen_until:
                server.pending.append(len(server.log))
                server.log.append((server.timeline, self.number()))
                self.ship_all(node)
                if server.setting is not None and server.setting.acks == 0:
                    self.settle_commits(node)
        self.time.after(self.random.uniform(15, 60), self._write)

    def _read(self) -> None:
        """Routers read wherever a lease holds by the leader's clock, even if its agent is paused."""
        for node in self.nodes.values():
            server, member = node.server, node.member
            if not server.primary or not server.reads_open or member is None or self.time.now < node.frozen_until:
                continue
            if node.clock() < pulse.report(member.watch).lease_end:
                self.oracle.read(node.name, server.term, server.log, server.visible, self.time.now)
        self.time.after(self.random.uniform(15, 60), self._read)

    def _operate(self) -> None:
        """The operator asks for the wanted cohort, again and again."""
        for node in list(self.nodes.values()):
            if self.wanted is not None and node.server.primary and node.server.writes_open:
                others = [name for name in self.nodes if name != node.name]
                cohort = tuple(sorted([node.name, *others[: self.wanted - 1]]))
                node.give(CohortOrder(cohort, quorum.acks_for(len(cohort), Durability.QUORUM)))
        self.time.after(200, self._operate)

    def announce(self) -> None:
        """Everybody learns who exists."""
        for node in self.nodes.values():
            node.give(Peers(self.names()))

    def leader(self) -> Node | None:
        """Return the open leader of the highest term, None if nobody is open."""
        open_nodes = [node for node in self.nodes.values() if node.server.primary and node.server.writes_open]
        return max(open_nodes, key=lambda node: node.server.term, default=None)

    def positions(self) -> Iterable[tuple[str, Position]]:
        """Return every log's end, for messages."""
        for name, node in self.nodes.items():
            log = node.server.log
            yield name, Position(log[-1][0] if log else 0, len(log))


def _seated(rule: Rule, now: int) -> Reign:
    """Return the reign of a leader that has been open for long."""
    return Reign(
        rule.term,
        rule,
        open_at=now,
        progressed_at=now - 5000,
        stage=Stage.DONE,
        lsn=1,
        seated=True,
        opened=True,
        promoted_at=now - 5000,
        replied_at=now,
        caught_up=frozenset(rule.cohort),
    )
