"""Instances that exist only as values: a volume, what the agent says of it, and what happens to it."""

import dataclasses
import uuid
from collections.abc import Callable, Mapping

from covet.core import agentapi, names
from covet.core.agentapi import AgentStatus, FollowerLink, Login, MemberState, Position, Rule, Serving, ShardSpec
from covet.planner import postgresql15
from covet.planner.record import ShardRecord


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


class FakeMember:
    """One instance with its volume: what it is, says and suffers; orders are the agent's.

    Args:
        instance: its name.
        shard: name of its shard.
        siblings: all agents of the shard by instance, this one included; filled by the caller.
        record: the birth record, to judge orders by.
    """

    def __init__(self, instance: str, shard: str, siblings: Mapping[str, "FakeMember"], record: Record) -> None:
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
        self.source: FakeMember | None = None
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

    def leader(self) -> "FakeMember | None":
        """Return the leader of the shard, None while it does not run."""
        return next((agent for agent in self.siblings.values() if agent.state is MemberState.LEADER), None)

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
