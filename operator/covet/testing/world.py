"""A whole cluster as values, without time and without I/O: what plans are carried out on in property tests."""

import dataclasses
import datetime as dt
import functools

from covet.api import effective, spec
from covet.api.effective import EffectiveSpec
from covet.core import names
from covet.core.agentapi import MemberState, ShardSpec
from covet.core.agentorders import (
    BootstrapOrder,
    CloneOrder,
    CohortOrder,
    DatabaseOrder,
    LoginOrder,
    OpenOrder,
    RetireOrder,
    SwitchoverOrder,
)
from covet.core.errors import ConflictError
from covet.planner import actions as act
from covet.planner import cluster, endpoints, layout, reshaping, rotation, scaling, specs
from covet.planner.facts import (
    CertificateFacts,
    ClusterFacts,
    Credentials,
    Endpoint,
    InstanceFacts,
    MapFacts,
    PodFacts,
    ShardFacts,
    Unreachable,
)
from covet.planner.loginactions import BeginRotation, EndRotation, PutLogin, RetireLogin, StageLogin, SwitchLogin
from covet.planner.record import Identity, ShardRecord
from covet.planner.shapeactions import (
    BeginChange,
    CancelChange,
    DecideChange,
    EndChange,
    RemoveShard,
    SealShard,
    UnsealShard,
)
from covet.testing import shaping
from covet.testing.agents import FakeAgent, ImpossibleError

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
UID = "6f1c1f0e-8f6e-4f43-9a0d-4f7a4b1d7a11"


def cluster_spec(shards: int = 1, instances: int = 3, durability: str = "Quorum") -> EffectiveSpec:
    """Return the effective spec of a small cluster."""
    wanted = spec.ClusterSpec.model_validate(
        {
            "engine": {"name": "PostgreSQL", "version": "15"},
            "shards": {"count": shards, "instances": instances},
            "storage": {"size": "1Gi"},
            "durability": durability,
        }
    )
    return effective.effective(wanted)


@dataclasses.dataclass
class Pod:
    """A pod: its agent runs once `running`, unless it is `broken`, as by a template that no node takes."""

    address: str
    running: bool = False
    role: str | None = None
    outdated: bool = False
    edited: bool = False
    broken: bool = False
    created: dt.datetime = NOW - dt.timedelta(days=1)


class World:
    """A cluster and everything around it.

    Args:
        wanted: what the user asks for.
    """

    def __init__(self, wanted: EffectiveSpec, name: str = "shop") -> None:
        self.name = name
        self.namespace = "ns"
        self.wanted = wanted
        self.uid = UID
        self.generation = 1
        self.identity: Identity | None = None
        self.authority = False
        self.certificates: set[str] = set()
        self.user = False
        self.password = "digest"  # noqa: S105 -- stands for the digest of one
        self.username = wanted.database.owner
        self.staged: tuple[str, str] | None = None
        self.unused = 0.0
        self.ring_map: MapFacts | None = None
        self.published: dict[str, ShardSpec] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.objects = False
        self.pods: dict[str, Pod] = {}
        self.agents: dict[str, FakeAgent] = {}
        self.siblings: dict[str, dict[str, FakeAgent]] = {}
        self.unreachable: set[str] = set()
        self.annotations: dict[str, str] = {}
        self.log: list[act.Action] = []

    # Looking

    def facts(self) -> ClusterFacts:
        """Return what an observation finds."""
        facts = ClusterFacts(
            name=self.name,
            namespace=self.namespace,
            uid=self.uid,
            generation=self.generation,
            paused=self.wanted.maintenance.paused,
            spec=self.wanted,
            identity=self.identity,
            authority=CertificateFacts(NOW + dt.timedelta(days=3650)) if self.authority else None,
            certificates={subject: CertificateFacts(NOW + dt.timedelta(days=90)) for subject in self.certificates},
            user_secret=self.user,
            password=self.password if self.user else None,
            credentials=self._credentials(),
            unused=self.unused,
            annotations=dict(self.annotations),
            ring_map=self.ring_map,
            shards=tuple(self._shard(record) for record in self.identity.shards)
            if self.identity and self.identity.owner_uid == self.uid
            else (),
        )
        if self.identity is None:
            return facts
        in_force = layout.in_force(self.wanted, self.identity.born)
        wanted = {
            seen.name: specs.wanted_spec((self.name, self.namespace), self.identity, record, in_force, seen)
            for seen in facts.shards
            if (record := self.identity.shard(seen.name)) is not None
        }
        stale = [
            ("ConfigMap", self.namespace, names.shard_config(self.name, shard))
            for shard, spec_wanted in wanted.items()
            if self.published.get(shard) != spec_wanted
        ]
        stale += [
            ("EndpointSlice", self.namespace, names.read_write_slice(self.name, seen.name))
            for seen in facts.shards
            if self._endpoint(seen) != self.endpoints.get(seen.name)
        ]
        if not self.objects or any(seen.name not in self.pods for shard in facts.shards for seen in shard.instances):
            stale.append(("StatefulSet", self.namespace, self.name))
        if reshaping.concerns(facts, self.identity):
            facts = dataclasses.replace(facts, shards=tuple(shaping.asked(self, seen) for seen in facts.shards))
        return dataclasses.replace(facts, wanted_specs=wanted, stale=tuple(stale), left=shaping.left(self))

    def _shard(self, record: ShardRecord) -> ShardFacts:
        return ShardFacts(
            name=record.name,
            instances=tuple(self._instance(instance) for instance in self._present(record.name)),
            published=self.published.get(record.name),
            endpoint=self.endpoints.get(record.name),
        )

    def _credentials(self) -> Credentials | None:
        staged = self.staged or ("", None)
        return Credentials(self.username, *staged) if self.user else None

    def _present(self, shard: str) -> tuple[str, ...]:
        """Return the instances that are wanted, and those beyond that are there."""
        in_force = layout.in_force(self.wanted, self._identity().born)
        existing = {name for name, agent in self.agents.items() if agent.shard == shard}
        return scaling.present(self.name, shard, in_force.shards.instances, existing, self._known(shard).first)

    def _instance(self, name: str) -> InstanceFacts:
        pod = self.pods.get(name)
        if pod is None:
            return InstanceFacts(name)
        status = self.agents[name].status()
        ready = pod.running and status.serving.value != "Closed"
        seen = PodFacts(
            names.pod(name), pod.address, "node", pod.running, ready,
            role=pod.role, outdated=pod.outdated, edited=pod.edited, created=pod.created,
        )  # fmt: skip
        if not pod.running or names.OPERATOR_COMMON_NAME not in self.certificates:
            return InstanceFacts(name, seen)
        if name in self.unreachable:
            return InstanceFacts(name, seen, Unreachable("AgentUnreachable"))
        return InstanceFacts(name, seen, status)

    def _endpoint(self, seen: ShardFacts) -> Endpoint:
        record = self.identity.shard(seen.name) if self.identity is not None else None
        return endpoints.read_write(seen, record)

    # Acting

    def carry_out(self, action: act.Action, facts: ClusterFacts) -> None:  # noqa: C901, PLR0912 -- one line per kind of action
        """Carry out one action that was planned from these facts.

        Raises:
            RefusedError: an agent said no.
            ConflictError: something changed first.
            ImpossibleError: it should never have been planned.
        """
        self.log.append(action)
        match action:
            case act.RecordIdentity():
                if self.identity is not None:
                    raise ConflictError("AlreadyExists", "the record exists")
                self.identity = action.identity
            case act.AdoptIdentity():
                self.identity = dataclasses.replace(self._identity(), adopted_by=self.uid)
            case act.CreateAuthority():
                self.authority = True
            case act.IssueCertificates():
                self.certificates |= set(action.subjects)
            case act.CreateUser():
                self.user, self.username, self.staged = True, rotation.current(self._identity()), None
                self.password = f"digest {len(self.log)}"
            case BeginRotation() | EndRotation():
                self.identity = dataclasses.replace(self._identity(), rotation=action.rotation)
            case StageLogin():
                self.staged = (action.login, f"digest {len(self.log)}")
            case SwitchLogin():
                self._switch(action)
            case act.CreateMap():
                self.ring_map = shaping.published(self._identity())
            case BeginChange() | CancelChange() | DecideChange() | EndChange() | RemoveShard():
                shaping.carry_out(self, action)
            case act.ApplyObjects():
                self._apply(action, facts)
            case act.LabelRoles():
                for pod, role in action.roles:
                    self.pods[pod.removesuffix("-0")].role = role
            case _:
                self._order(action, facts)

    def _switch(self, action: SwitchLogin) -> None:
        if self.staged != (action.login, action.digest):
            raise ConflictError("SecretChanged", "another password is staged")
        for agent in self.agents.values():
            taken = agent.volume.logins.get(action.login) if agent.volume is not None else None
            if agent.state is MemberState.LEADER and taken != action.digest:
                raise ImpossibleError(f"the Secret names {action.login} before {agent.shard} takes it")
        self.username, self.password, self.staged = *self.staged, None

    def _put_login(self, action: PutLogin) -> None:
        login, digest = (self.staged or ("", "")) if action.staged else (self.username, self.password)
        if login != action.login:
            raise ConflictError("SecretChanged", f"{action.login} is not what the Secret names")
        owner = self._identity().born.database.owner
        self._reach(action.leader).put_login(LoginOrder(owner, login, digest))
        self._record_change(self._known(action.shard).given(digest, staged=action.staged))

    def _apply(self, action: act.ApplyObjects, facts: ClusterFacts) -> None:
        for kind, _, name in action.keys:
            for seen in facts.shards:
                if kind == "ConfigMap" and name == names.shard_config(self.name, seen.name):
                    self.published[seen.name] = facts.wanted_specs[seen.name]
                if kind == "EndpointSlice" and name == names.read_write_slice(self.name, seen.name):
                    self.endpoints[seen.name] = self._endpoint(seen)
            if kind == "StatefulSet":
                self._make_pods()

    def _make_pods(self) -> None:
        self.objects = True
        for record in self._identity().shards:
            siblings = self.siblings.setdefault(record.name, {})
            for instance in self._present(record.name):
                if instance in self.agents:
                    continue
                agent = FakeAgent(instance, record.name, siblings, functools.partial(self._record, record.name))
                siblings[instance] = agent
                self.agents[instance] = agent
                self.pods[instance] = Pod(f"10.0.0.{len(self.pods) + 1}")

    def _order(self, action: act.Action, facts: ClusterFacts) -> None:  # noqa: C901, PLR0912 -- one line per kind of order
        match action:
            case act.PushSpec():
                for instance in action.instances:
                    self._reach(instance).put_spec(facts.wanted_specs[action.shard])
            case act.Bootstrap():
                self._reach(action.instance).bootstrap(BootstrapOrder(UID, self._known(action.shard).uid))
            case act.RecordSystemId():
                self._record_change(dataclasses.replace(self._known(action.shard), system_id=action.system_id))
            case act.Clone():
                for instance in action.instances:
                    self._reach(instance).clone(CloneOrder(action.leader, action.system_id))
            case act.GrowCohort():
                self._reach(action.leader).cohort(CohortOrder(action.instances, action.acks))
            case act.HandOver():
                self._reach(action.leader).switchover(SwitchoverOrder(action.to))
            case act.RestartInstance():
                self._restart(action)
            case act.SettleOrder():
                del self.annotations[action.annotation]
            case act.RemoveInstances():
                for instance in action.instances:
                    self._remove(action.shard, instance)
            case act.PutDatabase():
                database = self._identity().born.database
                separate = self.username != database.owner
                verifier = "" if separate else self.password
                self._reach(action.leader).put_database(DatabaseOrder(database.name, database.owner, verifier))
                if not separate:
                    self._record_change(self._known(action.shard).given(self.password, staged=False))
            case PutLogin():
                self._put_login(action)
            case RetireLogin():
                database = self._identity().born.database
                order = RetireOrder(database.name, database.owner, action.login)
                self._reach(action.leader).retire_login(order)
            case act.PutMap():
                self._reach(action.leader).put_map(shaping.map_order(self._identity(), action))
            case SealShard() | UnsealShard():
                shaping.order(self._reach(action.leader), action)
            case act.RecordOpened():
                self._record_change(dataclasses.replace(self._known(action.shard), opened=True))
            case act.Open():
                self._reach(action.leader).open(OpenOrder(self._known(action.shard).uid))
            case _:
                raise TypeError(f"unknown action {action}")

    def _restart(self, action: act.RestartInstance) -> None:
        """Make a pod anew; with one that serves, no other instance of the cluster may be away."""
        away = [name for name, agent in self.agents.items() if not agent.started or name in self.unreachable]
        if action.serves and away:
            raise ImpossibleError(f"{action.instance} was taken away beside {', '.join(away)}")
        alone = len(self.siblings[action.shard]) == 1
        if (
            not alone
            and self.pods[action.instance].running
            and self.agents[action.instance].state is MemberState.LEADER
        ):
            raise ImpossibleError(f"{action.instance} was taken away while it leads")
        self.agents[action.instance].restart()
        self.pods[action.instance] = Pod(self.pods[action.instance].address, created=NOW)

    def _remove(self, shard: str, instance: str) -> None:
        agent = self.siblings[shard].pop(instance)
        member = agent.volume.member if agent.volume is not None else None
        for sibling in self.siblings[shard].values():
            promised = sibling.volume.promised if sibling.volume is not None else None
            if sibling.state is MemberState.LEADER and promised is not None and member in promised.cohort:
                raise ImpossibleError(f"{instance} was removed while it votes")
        del self.agents[instance], self.pods[instance]

    def _reach(self, instance: str) -> FakeAgent:
        if instance in self.unreachable or not self.pods[instance].running:
            raise AssertionError(f"ordered {instance}, which was not seen to answer")
        return self.agents[instance]

    def _identity(self) -> Identity:
        if self.identity is None:
            raise AssertionError("acted before the birth record")
        return self.identity

    def _record(self, shard: str) -> ShardRecord | None:
        return self.identity.shard(shard) if self.identity is not None else None

    def _known(self, shard: str) -> ShardRecord:
        record = self._record(shard)
        if record is None:
            raise AssertionError(f"{shard} has no birth record")
        return record

    def _record_change(self, record: ShardRecord) -> None:
        old = self._known(record.name)
        if old.system_id not in {None, record.system_id} or (old.opened and not record.opened):
            raise AssertionError(f"the record of {record.name} was taken back")
        self.identity = self._identity().with_shard(record)

    # Time

    def settle(self, rounds: int = 40) -> None:
        """Plan and act, with time passing, until everything should be where it belongs."""
        for _ in range(rounds):
            facts = self.facts()
            plan = cluster.plan_cluster(facts, NOW)
            for action in plan.everything:
                self.carry_out(action, facts)
            self.tick()

    def tick(self) -> None:
        """Let pods start and long work finish."""
        for name, pod in self.pods.items():
            pod.running = not pod.broken
            if pod.running:
                self.agents[name].tick()

    def primaries(self) -> dict[str, list[str]]:
        """Return who leads, by shard."""
        found: dict[str, list[str]] = {}
        for agent in self.agents.values():
            if agent.state is MemberState.LEADER:
                found.setdefault(agent.shard, []).append(agent.instance)
        return found
