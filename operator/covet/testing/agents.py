"""Agents that exist only as values: they do what the agent API says, and raise at what must never be ordered.

A real agent refuses such an order and nothing happens. Here it is an `ImpossibleError`, so that a test
finds a planner that relies on the refusal.
"""

import dataclasses
import uuid
from collections.abc import Callable, Mapping

from covet.core import agentapi, names
from covet.core.agentapi import AgentStatus, FollowerLink, Login, MemberState, Position, Rule, Serving, ShardSpec
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
from covet.planner import postgresql15, quorum
from covet.planner.election import changing
from covet.planner.record import ShardRecord


class ImpossibleError(AssertionError):
    """An order that breaks an invariant of the design."""


@dataclasses.dataclass
class Volume:
    """What lies on the volume of an instance.

    Args:
        promised: the newest rule confirmed here.
        verifier: of the owner's password.
        logins: verifiers of the roles that may log in.
        opened: the agent was told that clients may enter.
        shard_uid: set if the volume is of another shard than the record's.
        tables: what clients made.
        sealed: epoch of the map that it is sealed for, None if it is not.
        shut: clients are shut out.
    """

    member: str
    system_id: str
    promised: Rule | None = None
    opened: bool = False
    database: str | None = None
    verifier: str | None = None
    logins: dict[str, str] = dataclasses.field(default_factory=dict)
    map_epoch: int | None = None
    shard_uid: str | None = None
    tables: tuple[str, ...] = ()
    sealed: int | None = None
    shut: bool = False


Record = Callable[[], ShardRecord | None]
"""Returns the birth record as it is stored now."""


class FakeAgent:
    """One agent with its volume.

    Args:
        instance: its name.
        shard: name of its shard.
        siblings: all agents of the shard by instance, this one included; filled by the caller.
        record: the birth record, to judge orders by.
    """

    def __init__(self, instance: str, shard: str, siblings: Mapping[str, "FakeAgent"], record: Record) -> None:
        self.instance = instance
        self.shard = shard
        self.siblings = siblings
        self.record = record
        self.volume: Volume | None = None
        self.foreign = False
        self.spec: ShardSpec | None = None
        self.applied = 0
        self.tells_applied = True
        self.pending_restart: tuple[str, ...] = ()
        self.parameter_problem: str | None = None
        self.quorum_missing = ""
        self.task: MemberState | None = None
        self.source: FakeAgent | None = None
        self.started = True
        self.loaded: dict[str, str] | None = None
        """Parameters that the server started with."""
        self.bootstraps = 0
        self.sessions: set[str] = set()
        self.busy = ""
        self.refused: set[str] = set()
        """Orders that its server fails at, as `clone` or `login`."""
        self.certificates = ""

    # What it says

    @property
    def state(self) -> MemberState:
        """Return what the instance is doing."""
        if self.foreign:
            return MemberState.REFUSED
        if self.task is not None:
            return self.task
        if self.volume is None:
            return MemberState.EMPTY
        if not self.started:
            return MemberState.STARTING
        return MemberState.LEADER if self._leads() else MemberState.FOLLOWER

    def status(self) -> AgentStatus:
        """Return the whole status."""
        state = self.state
        born = self.volume if self.task is None and not self.foreign else None
        serves = Serving.CLOSED
        if state is MemberState.LEADER and born is not None and born.opened and self._confirmed():
            serves = Serving.READ_WRITE
        elif state is MemberState.FOLLOWER and self.streams():
            serves = Serving.READ_ONLY
        return AgentStatus(
            protocol=agentapi.PROTOCOL,
            agent_version="fake",
            instance=self.instance,
            state=state,
            reason=self._reason(state, serves),
            message=f"{self.instance} is {state.value}.",
            serving=serves,
            member=born.member if born else None,
            incarnation=born.member if born else None,
            system_id=born.system_id if born else None,
            promise=born.promised.term if born and born.promised else 0,
            rule=born.promised if born else None,
            position=Position(1, 1) if born else None,
            streaming=state is MemberState.FOLLOWER and self.streams(),
            followers=self._followers() if state is MemberState.LEADER else (),
            database=born.database if born and state is MemberState.LEADER else None,
            map_epoch=born.map_epoch if born else None,
            spec_generation=self.spec.generation if self.spec is not None else 0,
            shard_uid=(born.shard_uid or self._uid()) if born else None,
            applied_generation=self.applied if self.tells_applied else None,
            pending_restart=tuple(sorted({*self.pending_restart, *self._waiting()})),
            parameter_problem=self.parameter_problem,
            quorum_missing=self.quorum_missing,
            logins=self._logins() if born else None,
            certificates=self.certificates,
            sealed=born.sealed if born and state is MemberState.LEADER else None,
        )

    def streams(self) -> bool:
        """Return whether this follower is connected to a leader that runs."""
        leader = self.leader()
        return leader is not None and leader is not self and self.started

    def leader(self) -> "FakeAgent | None":
        """Return the leader of the shard, None while it does not run."""
        return next((agent for agent in self.siblings.values() if agent.state is MemberState.LEADER), None)

    # What it is told

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

    # What happens to it

    def make(self, table: str) -> bool:
        """Make a table as a client does; False if that is refused."""
        volume = self.volume
        if volume is None or not self._leads() or not volume.opened or volume.sealed is not None:
            return False
        volume.tables = (*volume.tables, table)
        return True

    def drop(self) -> None:
        """Drop every table as a client does."""
        if self.volume is not None and not self.volume.shut:
            self.volume.tables = ()

    def tick(self) -> None:
        """Let long work finish, and the server go by the newest spec."""
        self.applied = self.spec.generation if self.spec is not None else 0
        if self.spec is not None and (not self.started or self.loaded is None):
            self.loaded = dict(self.spec.parameters)
        if self.task is MemberState.BOOTSTRAPPING:
            member = self._new_member()
            self.volume = Volume(member, str(uuid.uuid4().int >> 65), Rule(1, 1, member, (member,), 0))
            self.task = None
        elif self.task is MemberState.CLONING:
            source = self.source.volume if self.source is not None else None
            self.task = None
            if source is not None:
                self.volume = Volume(self._new_member(), source.system_id, source.promised, source.opened)
        self.started = True

    def restart(self) -> None:
        """Lose everything that is not on the volume; unfinished work begins anew on the next order."""
        self.task, self.source, self.started = None, None, False
        self.pending_restart = ()

    def lose_volume(self) -> None:
        """Come back with an empty volume."""
        self.restart()
        self.volume = None

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

    def _leads(self) -> bool:
        volume = self.volume
        return volume is not None and volume.promised is not None and volume.promised.leader == volume.member

    def _confirmed(self) -> bool:
        rule = self.volume.promised if self.volume is not None else None
        return rule is not None and sum(link.state == "streaming" for link in self._followers()) >= rule.acks

    def _logins(self) -> tuple[Login, ...]:
        leader = self.leader()
        allowed = leader.volume.logins if leader is not None and leader.volume is not None else {}
        roles = sorted({*allowed, *self.sessions})
        return tuple(Login(role, allowed=role in allowed, used=role in self.sessions) for role in roles)

    def _followers(self) -> tuple[FollowerLink, ...]:
        return tuple(
            FollowerLink(agent.volume.member, "streaming", 0, synchronous=True)
            for agent in self.siblings.values()
            if agent is not self and agent.volume is not None and agent.task is None and agent.started
        )

    def _waiting(self) -> set[str]:
        """Return the settings that take effect with a start of the server and have changed since the last one."""
        asked, loaded = self.spec.parameters if self.spec is not None else {}, self.loaded
        if loaded is None or self.applied == 0:
            return set()
        changed = {name for name in (*asked, *loaded) if asked.get(name) != loaded.get(name)}
        return {name for name in changed if postgresql15.SETTINGS[name].context == "postmaster"}

    def _reason(self, state: MemberState, serves: Serving) -> str:
        if state is MemberState.LEADER and serves is Serving.CLOSED and self.volume is not None:
            return "RuleUnconfirmed" if self.volume.opened else "ShardNotOpened"
        return state.value

    def _new_member(self) -> str:
        return names.member(self.shard, self.instance.rsplit("-", 1)[-1], str(uuid.uuid4()))

    def _uid(self) -> str | None:
        record = self.record()
        return record.uid if record is not None else None

    def _spec(self) -> ShardSpec:
        if self.spec is None:
            raise ImpossibleError(f"{self.instance}: ordered to act before it has a spec")
        return self.spec
