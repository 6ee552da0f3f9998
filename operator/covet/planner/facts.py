"""What was observed in one round: frozen, complete, without opinions.

Unreachable is a value. Nothing here says what should be; that is the planner's.
"""

import dataclasses
import datetime as dt
from typing import Final

from covet.api.effective import EffectiveSpec
from covet.api.status import ClusterStatus
from covet.core.agentapi import AgentStatus, ShardSpec
from covet.core.agentorders import Inside
from covet.planner.authorityfacts import Authorities, OuterFacts
from covet.planner.record import Identity
from covet.planner.routerfacts import NO_ROUTERS, RouterFacts

ObjectKey = tuple[str, str, str]
"""Kind, namespace, name."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is wrong, for people: condition, event and log say the same.

    Args:
        reason: a CamelCase fact.
        message: what, why, and what to do.
        stalls: True if only a person can mend it.
        subject: object it is about, as `Kind/name`; empty for the cluster itself.
    """

    reason: str
    message: str
    stalls: bool = False
    subject: str = ""


@dataclasses.dataclass(frozen=True)
class Drift:
    """What somebody else made of an object of the cluster since it was applied.

    Args:
        fields: paths of our fields that changed; empty if the object was deleted.
        managers: field managers that wrote them, as far as the API server tells; never our own.
    """

    fields: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Unreachable:
    """An agent that did not answer.

    Args:
        message: what the attempt ended with.
        seconds: for how long it has not answered, by the operator's monotonic clock.
    """

    message: str
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class PodFacts:
    """The pod of an instance.

    Args:
        address: its IP address, None before it has one.
        running: True once its container runs.
        role: value of its role label.
        outdated: True if the template of its StatefulSet has changed since it was made.
        edited: True if it is outdated because its user asked for something else since, not an upgrade alone.
        created: when it was made, None if it does not say.
        problem: why it cannot run: image, scheduling, configuration.
    """

    name: str
    address: str | None = None
    node: str | None = None
    running: bool = False
    ready: bool = False
    deleting: bool = False
    role: str | None = None
    outdated: bool = False
    edited: bool = False
    created: dt.datetime | None = None
    problem: Finding | None = None


@dataclasses.dataclass(frozen=True)
class InstanceFacts:
    """One instance.

    Args:
        agent: what its agent answered; None if there is no running pod to ask.
        problem: why there is no pod, e.g. a full quota.
        stranded: its pod waits for a volume on a node that is gone for good.
        observed: False while Kubernetes has not taken up the newest StatefulSet: what its pod should be is not known.
    """

    name: str
    pod: PodFacts | None = None
    agent: AgentStatus | Unreachable | None = None
    problem: Finding | None = None
    observed: bool = True
    stranded: bool = False


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where `-rw` leads; no address while there is no primary.

    Args:
        term: the newest one that it was written for, 0 if it does not say.
        family: of addresses that the slice takes, `IPv4` or `IPv6`; None if it does not say.
    """

    address: str | None = None
    ready: bool = False
    term: int = 0
    family: str | None = None


@dataclasses.dataclass(frozen=True)
class ShardFacts:
    """One shard.

    Args:
        published: the ShardSpec in the shard's ConfigMap, None if there is none.
        endpoint: what the EndpointSlice of `-rw` holds, None if there is none.
        stuck: seconds for which every look has found too few members for an election, 0 if the last one did not.
        inside: what its leader says of the application's database; None if it was not asked, or did not answer.
    """

    name: str
    instances: tuple[InstanceFacts, ...]
    published: ShardSpec | None = None
    endpoint: Endpoint | None = None
    stuck: float = 0.0
    inside: Inside | None = None

    def answers(self) -> tuple[tuple[InstanceFacts, AgentStatus], ...]:
        """Return the instances whose agents answered, with the answers."""
        return tuple((seen, seen.agent) for seen in self.instances if isinstance(seen.agent, AgentStatus))


@dataclasses.dataclass(frozen=True)
class CertificateFacts:
    """A certificate in its Secret.

    Args:
        ends: the moment from which it is no longer valid.
        valid: False if it cannot be read, has ended, or no authority that the cluster trusts issued it.
        due: True if it has to be issued anew: by its age, its authority, what it is to trust, or a name it lacks.
        life: how long it is valid in all, None if it cannot be read.
        fingerprint: of it and the `ca.crt` beside it, as an agent that works with them says it; empty for an authority.
        as_asked: False if it shows no way up to an outer authority where one is asked for, or one where none is.
        held: it is due, and waits: by the one that would follow it now, clients of the outer authority find no way up.
    """

    ends: dt.datetime
    valid: bool = True
    due: bool = False
    life: dt.timedelta | None = None
    fingerprint: str = ""
    as_asked: bool = True
    held: bool = False


@dataclasses.dataclass(frozen=True)
class Credentials:
    """What the Secret of the database's owner says, without its passwords.

    Args:
        username: role that the application logs in as; the owner's where the Secret names none.
        staged: role that follows it, empty without one.
        staged_digest: keyed digest of that one's password, None if there is none or no key.
        host: that it tells applications to connect to, empty where it names one for each shard.
    """

    username: str
    staged: str = ""
    staged_digest: str | None = None
    host: str = ""


@dataclasses.dataclass(frozen=True)
class MapFacts:
    """The published map of slots."""

    epoch: int
    document: str
    hash_name: str
    digest: str
    slots: dict[str, int]


@dataclasses.dataclass(frozen=True)
class VolumeFacts:
    """The claim of an instance's volume; sizes as Kubernetes writes them.

    Args:
        requested: what it asks for.
        capacity: what the volume has with its file system, None before there is one.
        class_name: its StorageClass, None for none.
        bound: False until it has a volume: only then may it ask for more.
        resizing: what the growing of the volume waits for, empty if it says nothing of it.
    """

    requested: str
    capacity: str | None = None
    class_name: str | None = None
    bound: bool = False
    resizing: str = ""


@dataclasses.dataclass(frozen=True)
class Volumes:
    """The volumes of a cluster.

    Args:
        by_instance: of every instance that has a StatefulSet and a claim.
        expandable: StorageClasses that let volumes grow; empty while none has to.
    """

    by_instance: dict[str, VolumeFacts] = dataclasses.field(default_factory=dict)
    expandable: frozenset[str] = frozenset()


NO_VOLUMES: Final = Volumes()


@dataclasses.dataclass(frozen=True)
class ClusterFacts:
    """Everything that was seen of a cluster.

    Args:
        spec: the effective spec as the user wants it; None if it cannot be honoured (see `problems`).
        identity: the birth record, None if there is none.
        identity_problem: why the record cannot be used, or why none may be made though there is none.
        problems: what is wrong with the spec or its surroundings, before anything is made.
        authority: the present one; None without one.
        authorities: where it stands between the one before and the one after it, None while it cannot be used.
        outer: the authority of somebody else that signs the present one for clients, None if none is asked for.
        certificates: by subject; a missing one has no entry.
        user_secret: True if the Secret of the database's owner is there.
        password: keyed digest of the password in force in the owner's Secret, None if there is none.
        credentials: what else that Secret says, None if it is not there.
        routers: what clients connect to, if there are any.
        unused: seconds for which every look has found the former login of a rotation unused, 0 if the last one did not.
        wanted_specs: by shard, what the agents should work by.
        taken: names that an object of another owner has, with what to say of it; it is never touched.
        volumes: of its instances.
        stale: objects that differ from what they should be.
        drifted: those of them that somebody else deleted or changed since this process applied them.
        repeatable: objects that do not differ, and were applied long ago.
        status: what was reported last.
        annotations: of the object, ours only: orders, and who is fenced.
        operator: who observed it, as namespace and Lease.
        left: shards that the record has given up and of which something but claims is still there; True while
            something of it still has to be told to go.
    """

    name: str
    namespace: str
    uid: str
    generation: int
    deleting: bool = False
    paused: bool = False
    spec: EffectiveSpec | None = None
    problems: tuple[Finding, ...] = ()
    identity: Identity | None = None
    identity_problem: Finding | None = None
    authority: CertificateFacts | None = None
    authorities: Authorities | None = None
    outer: OuterFacts | None = None
    certificates: dict[str, CertificateFacts] = dataclasses.field(default_factory=dict)
    user_secret: bool = False
    password: str | None = None
    credentials: Credentials | None = None
    unused: float = 0.0
    routers: RouterFacts = NO_ROUTERS
    ring_map: MapFacts | None = None
    shards: tuple[ShardFacts, ...] = ()
    wanted_specs: dict[str, ShardSpec] = dataclasses.field(default_factory=dict)
    taken: dict[ObjectKey, Finding] = dataclasses.field(default_factory=dict)
    volumes: Volumes = NO_VOLUMES
    stale: tuple[ObjectKey, ...] = ()
    drifted: dict[ObjectKey, Drift] = dataclasses.field(default_factory=dict)
    repeatable: tuple[ObjectKey, ...] = ()
    status: ClusterStatus | None = None
    annotations: dict[str, str] = dataclasses.field(default_factory=dict)
    operator: str | None = None
    left: dict[str, bool] = dataclasses.field(default_factory=dict)

    def in_force(self) -> tuple[ShardFacts, ...]:
        """Return the shards that clients are told of; a change that is under way may have made others beside them."""
        known = dict(self.identity.layout) if self.identity is not None else {}
        return tuple(seen for seen in self.shards if seen.name in known or self.identity is None)
