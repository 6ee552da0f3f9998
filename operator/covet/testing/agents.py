"""Agents that exist only as values: they do what the agent API says, and raise at what must never be ordered.

A real agent refuses such an order and nothing happens. Here it is an `ImpossibleError`, so that a test
finds a planner that relies on the refusal.
"""

import dataclasses

from covet.core.agentapi import MemberState, Rule, ShardSpec
from covet.core.agentorders import (
    BootstrapOrder,
    CloneOrder,
    CohortOrder,
    DatabaseOrder,
    Inside,
    InsideRequest,
    LoginOrder,
    MapOrder,
    OpenOrder,
    PromoteOrder,
    RetireOrder,
    SealOrder,
    SwitchoverOrder,
    UnsealOrder,
)
from covet.core.errors import RefusedError
from covet.planner import quorum
from covet.planner.election import changing
from covet.testing.members import FakeMember, Volume


class ImpossibleError(AssertionError):
    """An order that breaks an invariant of the design."""


class FakeAgent(FakeMember):
    """One agent with its volume, as its siblings and the operator meet it."""

    def put_spec(self, spec: ShardSpec) -> None:
        """Take a newer spec."""
        if self.spec is None or spec.generation > self.spec.generation:
            self.spec = spec
            if self.volume is not None and spec.opened:
                self.volume.opened = True

    def bootstrap(self, order: BootstrapOrder) -> None:
        """Begin to initialise the shard."""
        record = self.record()
        if record is None or record.uid != order.shard_uid:
            raise ImpossibleError(f"{self.instance}: bootstrap without its birth record")
        if record.opened or record.system_id is not None:
            raise ImpossibleError(f"{self.instance}: bootstrap of a shard that was born (I13)")
        if record.bootstrapped_by != self.instance:
            raise ImpossibleError(f"{self.instance}: bootstrap where the record names {record.bootstrapped_by}")
        if any(agent.volume is not None for agent in self.siblings.values() if agent is not self):
            raise ImpossibleError(f"{self.instance}: bootstrap while a sibling holds data (I13)")
        self._refuse_unless_empty("bootstrap")
        if self.task is None:
            self.bootstraps += 1
            self.task = MemberState.BOOTSTRAPPING

    def clone(self, order: CloneOrder) -> None:
        """Begin to copy the leader."""
        record = self.record()
        if record is None or record.system_id is None:
            raise ImpossibleError(f"{self.instance}: clone before the system id was recorded")
        if record.system_id != order.system_id:
            raise ImpossibleError(f"{self.instance}: clone of another system")
        self._refuse_unless_empty("clone")
        self._try("clone")
        leader = self.siblings[order.leader]
        if leader.state is not MemberState.LEADER:
            raise RefusedError("NoLeader", f"{order.leader} does not lead.")
        if self.task is None:
            self.task, self.source = MemberState.CLONING, leader

    def cohort(self, order: CohortOrder) -> Rule:
        """Take one step towards a cohort; return the rule in force."""
        volume, rule = self._led("cohort")
        members = []
        for instance in order.instances:
            agent = self.siblings[instance]
            if agent.volume is None or agent.task is not None:
                raise RefusedError("NotStreaming", f"{instance} does not stream.")
            if agent is not self and not agent.streams() and agent.volume.member not in rule.cohort:
                raise RefusedError("NotStreaming", f"{instance} does not stream.")
            members.append(agent.volume.member)
        step = changing.plan(rule, tuple(members), order.acks, [link.member for link in self._followers()])
        if step is None:
            return rule
        volume.promised = step.rule
        for agent in self.siblings.values():
            if agent.volume is not None and agent.volume.member in step.rule.cohort:
                agent.volume.promised = step.rule
        return step.rule

    def switchover(self, order: SwitchoverOrder) -> None:
        """Hand over at once."""
        volume, rule = self._led("switchover")
        successor = self.siblings.get(order.to)
        if successor is None or successor.volume is None or successor.volume.member not in rule.cohort:
            raise RefusedError("SuccessorUnknown", f"{order.to} does not vote.")
        if not successor.streams():
            raise RefusedError("SuccessorNotReady", f"{order.to} does not stream close behind.")
        self._seat(successor.volume, volume, rule)

    def promote(self, order: PromoteOrder) -> None:
        """Lead at once, from whoever runs."""
        volume = self.volume
        if not order.accept_loss or volume is None or volume.promised is None:
            raise ImpossibleError(f"{self.instance}: promoted without loss being accepted, or without data")
        running = [
            agent.volume.member for agent in self.siblings.values() if agent.started and agent.volume is not None
        ]
        cohort = tuple(sorted(set(volume.promised.cohort) & set(running)))
        acks = min(volume.promised.acks, len(cohort) - 1)
        self._seat(volume, volume, dataclasses.replace(volume.promised, cohort=cohort, acks=acks))

    def _seat(self, successor: Volume, former: Volume, rule: Rule) -> None:
        following = Rule(rule.term + 1, 1, successor.member, rule.cohort, rule.acks)
        successor.database, successor.verifier = former.database, former.verifier
        successor.logins = dict(former.logins)
        successor.map_epoch, successor.opened = former.map_epoch, former.opened
        successor.tables, successor.sealed, successor.shut = former.tables, former.sealed, former.shut
        for agent in self.siblings.values():
            if agent.volume is not None and agent.volume.member in rule.cohort:
                agent.volume.promised = following

    def put_database(self, order: DatabaseOrder) -> None:
        """Make the database and its owner."""
        volume, _ = self._led("database")
        volume.database = order.name
        if order.verifier:
            volume.verifier = volume.logins[order.owner] = order.verifier

    def put_login(self, order: LoginOrder) -> None:
        """Make a login role of the owner."""
        volume, _ = self._led("login")
        volume.logins[order.login] = order.verifier

    def retire_login(self, order: RetireOrder) -> None:
        """Let nobody log in as a role."""
        volume, _ = self._led("retire")
        if any(order.login in agent.sessions for agent in self.siblings.values()):
            raise ImpossibleError(f"{self.instance}: {order.login} was taken away from under a session")
        volume.logins.pop(order.login, None)

    def put_map(self, order: MapOrder) -> None:
        """Store a newer map; where keys change their owner, only while nothing is there that has one."""
        volume, _ = self._led("map")
        known = volume.map_epoch
        if known is not None and known < order.epoch:
            if order.seal is None:
                raise ImpossibleError(f"{self.instance}: epoch {order.epoch} without a seal over {known}")
            self.seal(order.seal)
        volume.map_epoch = max(order.epoch, volume.map_epoch or 0)

    def inside(self, _request: InsideRequest) -> Inside:
        """Look into the application's database."""
        volume, _ = self._led("inside")
        if volume.database is None:
            raise RefusedError("DatabaseMissing", f"{self.instance} has no database yet.")
        return Inside(volume.sealed, volume.tables, self.busy, volume.shut)

    def seal(self, order: SealOrder) -> None:
        """Let nothing be made."""
        volume, _ = self._led("seal")
        if volume.tables:
            volume.sealed, volume.shut = None, False
            raise RefusedError("ShardNotEmpty", f"The database holds {', '.join(volume.tables)}.")
        volume.sealed, volume.shut = order.epoch, volume.shut or order.leaves

    def unseal(self, _order: UnsealOrder) -> None:
        """Let clients make things again."""
        volume, _ = self._led("unseal")
        volume.sealed, volume.shut = None, False

    def open(self, order: OpenOrder) -> None:
        """Let clients in."""
        volume, rule = self._led("open")
        record = self.record()
        if record is None or not record.opened or record.uid != order.shard_uid:
            raise ImpossibleError(f"{self.instance}: opened before the record says so")
        count = self._spec().instances
        wanted = quorum.acks_for(count, self._spec().durability)
        if not volume.opened and (rule.acks != wanted or len(rule.cohort) != count):
            raise ImpossibleError(f"{self.instance}: opened with cohort {rule.cohort} and W={rule.acks}")
        volume.opened = True

    def _refuse_unless_empty(self, what: str) -> None:
        if self.foreign or self.volume is not None:
            raise ImpossibleError(f"{self.instance}: {what} on a volume that holds something")

    def _try(self, what: str) -> None:
        if what in self.refused:
            raise RefusedError("ServerFailed", f"{self.instance}: the server failed at {what}.")

    def _led(self, what: str) -> tuple[Volume, Rule]:
        self._try(what)
        if self.state is not MemberState.LEADER or self.volume is None or self.volume.promised is None:
            raise RefusedError("NotLeader", f"{self.instance} does not lead: {what} refused.")
        return self.volume, self.volume.promised

    def _spec(self) -> ShardSpec:
        if self.spec is None:
            raise ImpossibleError(f"{self.instance}: ordered to act before it has a spec")
        return self.spec
