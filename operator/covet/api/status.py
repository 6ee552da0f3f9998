"""What a human sees: `CovetCluster.status`, written by the operator and rebuilt from the truth elsewhere.

Nothing here changes by itself (no bytes, no seconds, no positions), so that a round which
finds nothing to do writes nothing.
"""

import enum
from typing import Annotated, Any

import pydantic

from covet.api import model
from covet.api.effective import EffectiveSpec


class Truth(enum.StrEnum):
    """Status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Role(enum.StrEnum):
    """Role of an instance, as users see it."""

    PRIMARY = "Primary"
    REPLICA = "Replica"
    UNKNOWN = "Unknown"
    """The instance has no role yet, or nobody could ask it."""


class Lag(enum.StrEnum):
    """How far a replica is behind, coarse enough to stand still."""

    OK = "Ok"
    BEHIND = "Behind"
    UNKNOWN = "Unknown"


class Condition(model.Model):
    """One statement about the cluster, for programs."""

    type: Annotated[str, pydantic.Field(max_length=316)]
    """Ready, Available, Durable, CertificatesValid; Reconciling and Stalled stand only while True."""
    status: Truth
    """True, False or Unknown."""
    observed_generation: int
    """Generation of the object that this statement is about."""
    last_transition_time: Annotated[str, pydantic.Field(json_schema_extra={"format": "date-time"})]
    """When the status last changed."""
    reason: Annotated[str, pydantic.Field(max_length=1024)]
    """A CamelCase fact."""
    message: Annotated[str, pydantic.Field(max_length=32768)]
    """A sentence for a person."""


class InstanceStatus(model.Model):
    """One database server."""

    name: Annotated[str, pydantic.Field(max_length=63)]
    """Name of the instance; its pod is `<name>-0`."""
    role: Role
    """Primary, Replica or Unknown."""
    state: Annotated[str, pydantic.Field(max_length=63)]
    """What it is doing: Pending, Empty, Bootstrapping, Cloning, Starting, Serving, Streaming, CatchingUp,
    Stopped, Refused, Unreachable."""
    lag: Lag | None = None
    """A replica: Ok, Behind or Unknown."""
    node: Annotated[str | None, pydantic.Field(max_length=253)] = None
    """Node that its pod runs on."""


class LastFailover(model.Model):
    """The newest change of a shard's primary; it stands still until the next one."""

    at: Annotated[str, pydantic.Field(json_schema_extra={"format": "date-time"})]
    """When the new primary took writes."""
    reason: Annotated[str, pydantic.Field(max_length=253)]
    """A CamelCase fact: what ended the reign before."""
    from_: Annotated[str | None, pydantic.Field(alias="from", max_length=63)] = None
    """Instance that led before; absent if nobody knows."""
    to: Annotated[str, pydantic.Field(max_length=63)]
    """Instance that leads since."""
    term: int
    """Term that began."""
    detect_ms: int | None = None
    """Milliseconds from the last sign of the former primary to the suspicion; absent if it was ordered."""
    fence_ms: int | None = None
    """Milliseconds from there until enough members had promised and stopped to acknowledge the old term."""
    promote_ms: int | None = None
    """Milliseconds from there until the new primary's server was promoted."""
    writable_ms: int | None = None
    """Milliseconds in all, from the last sign of the former primary until writes were acknowledged again."""
    discarded: int | None = None
    """Bytes of log that the former primary gave up to follow the new one; absent until it came back."""


class RuleStatus(model.Model):
    """Who leads, who votes, and how many followers must flush a commit."""

    term: int
    """Number of the leader's reign."""
    seq: int
    """Number of the change within the term."""
    leader: Annotated[str, pydantic.Field(max_length=63)]
    """Member that leads."""
    cohort: Annotated[
        tuple[Annotated[str, pydantic.Field(max_length=63)], ...],
        pydantic.Field(max_length=64, json_schema_extra=model.atomic()),
    ]
    """Members that vote, the leader among them."""
    acks: int
    """W: followers that must flush before a commit is acknowledged."""


class MemberStatus(model.Model):
    """What the agent of one instance answered last about its member; no positions, they move by themselves."""

    instance: Annotated[str, pydantic.Field(max_length=63)]
    """Name of the instance."""
    member: Annotated[str | None, pydantic.Field(max_length=63)] = None
    """Name of the member that its volume is; absent while the volume is empty or nobody answers."""
    state: Annotated[str, pydantic.Field(max_length=63)]
    """Leader, Follower, Starting, Empty, Bootstrapping, Cloning, Stopped, Refused; Unreachable without an answer,
    Pending without a pod."""
    reason: Annotated[str | None, pydantic.Field(max_length=253)] = None
    """The CamelCase fact behind the state."""
    promise: int | None = None
    """Highest term that it promised; it acknowledges no lower one."""


class Decision(model.Model):
    """What was decided about a shard last, by its members or by the operator."""

    at: Annotated[str, pydantic.Field(json_schema_extra={"format": "date-time"})]
    """When; a decision that stands is not written again."""
    reason: Annotated[str, pydantic.Field(max_length=253)]
    """A CamelCase fact."""
    message: Annotated[str, pydantic.Field(max_length=4096)]
    """What was decided and why, for a person."""


class ShardStatus(model.Model):
    """One shard."""

    name: Annotated[str, pydantic.Field(max_length=63)]
    """Name of the shard: s0, s1, ..."""
    slots: int
    """Slots of the ring that it owns, of 16384."""
    primary: Annotated[str | None, pydantic.Field(max_length=63)] = None
    """Instance that takes writes; absent while there is none."""
    term: int | None = None
    """Number of the primary's reign."""
    instances: Annotated[
        tuple[InstanceStatus, ...], pydantic.Field(max_length=64, json_schema_extra=model.keyed_by("name"))
    ] = ()
    """The database servers of the shard."""
    rule: RuleStatus | None = None
    """The newest rule that a member confirmed; absent while nobody knows one."""
    members: Annotated[
        tuple[MemberStatus, ...], pydantic.Field(max_length=64, json_schema_extra=model.keyed_by("instance"))
    ] = ()
    """What the agents answered about their members."""
    last_failover: LastFailover | None = None
    """The newest change of the primary, planned or not."""
    decision: Decision | None = None
    """What was decided last, and why."""


class LoginStatus(model.Model):
    """Who the application logs in as, and the newest replacement of its password."""

    username: Annotated[str, pydantic.Field(max_length=63)]
    """Role that the Secret names."""
    rotation: Annotated[str | None, pydantic.Field(max_length=253)] = None
    """Value of the annotation covet.dev/rotate that ordered the newest replacement."""
    phase: Annotated[str | None, pydantic.Field(max_length=63)] = None
    """How far it is: Waiting, Preparing, Draining, Done."""
    former: Annotated[str | None, pydantic.Field(max_length=63)] = None
    """Role before it, for as long as anybody may log in as it."""
    message: Annotated[str | None, pydantic.Field(max_length=4096)] = None
    """What is waited for."""


class OuterAuthorityStatus(model.Model):
    """An authority of somebody else, by which clients verify the servers as well."""

    secret: Annotated[str, pydantic.Field(max_length=253)]
    """Secret that holds it: `spec.certificates.authoritySecret`."""
    subject: Annotated[str, pydantic.Field(max_length=1024)]
    """Whose certificate it is."""
    ends: Annotated[str, pydantic.Field(json_schema_extra={"format": "date-time"})]
    """When it, or one above it, stops being valid; whoever keeps the Secret renews it."""


class AuthorityStatus(model.Model):
    """The authority that certificates are issued by, and the way to the next one."""

    phase: Annotated[str, pydantic.Field(max_length=63)]
    """Steady; Announced: the next one is trusted, and has issued nothing; Signing: it is the present one, and the
    former one is trusted until nobody shows what it issued."""
    ends: Annotated[str | None, pydantic.Field(json_schema_extra={"format": "date-time"})] = None
    """When the present one stops being valid; another follows when a third of its life is left."""
    message: Annotated[str | None, pydantic.Field(max_length=4096)] = None
    """What is waited for, and for whom."""
    signed_by: OuterAuthorityStatus | None = None
    """The authority that signs this one for clients; absent if none is asked for, or it cannot be used."""


class Endpoints(model.Model):
    """Where applications connect."""

    secret: Annotated[str | None, pydantic.Field(max_length=253)] = None
    """Secret with user, password and addresses, in the shape of the Service Binding specification."""
    trust: Annotated[str | None, pydantic.Field(max_length=253)] = None
    """ConfigMap whose `ca.crt` clients verify the servers with."""
    read_write: Annotated[
        tuple[Annotated[str, pydantic.Field(max_length=270)], ...],
        pydantic.Field(max_length=512, json_schema_extra=model.atomic()),
    ] = ()
    """`host:port` of the routers; without routers that of each shard's primary, in the order of the shards."""
    read_only: Annotated[
        tuple[Annotated[str, pydantic.Field(max_length=270)], ...],
        pydantic.Field(max_length=512, json_schema_extra=model.atomic()),
    ] = ()
    """`host:port` of the routers' port for reads; without routers that of each shard's replicas, in their order."""


class RouterStatus(model.Model):
    """The routers that clients connect to."""

    replicas: int
    """How many there should be."""
    ready: int
    """How many of them take clients, with what was asked for last."""
    message: Annotated[str | None, pydantic.Field(max_length=4096)] = None
    """What is waited for."""


class MapStatus(model.Model):
    """The map of slots to shards in force."""

    epoch: int
    """Version of the map."""
    hash: Annotated[str, pydantic.Field(max_length=16)]
    """Name of the hash, e.g. pg1."""
    digest: Annotated[str, pydantic.Field(max_length=80)]
    """`sha256:` and the digest of the published text."""


class PendingChange(model.Model):
    """A change that was accepted and waits."""

    field: Annotated[str, pydantic.Field(max_length=253)]
    """Path of the field, e.g. spec.storage.size."""
    reason: Annotated[str, pydantic.Field(max_length=253)]
    """A CamelCase fact."""
    message: Annotated[str, pydantic.Field(max_length=4096)]
    """What it waits for, and what to do."""


class ClusterStatus(model.Model):
    """What the operator saw last."""

    observed_generation: int | None = None
    """Generation of the object that this status is about."""
    operator: Annotated[str | None, pydantic.Field(max_length=317)] = None
    """Operator that serves the cluster, as namespace/Lease; any other one leaves it alone while that one lives."""
    phase: Annotated[str | None, pydantic.Field(max_length=63)] = None
    """One word for people; programs read the conditions."""
    conditions: Annotated[
        tuple[Condition, ...], pydantic.Field(max_length=32, json_schema_extra=model.keyed_by("type"))
    ] = ()
    """Statements about the cluster."""
    effective: EffectiveSpec | None = None
    """The spec with every default filled in."""
    login: LoginStatus | None = None
    """Who the application logs in as."""
    authority: AuthorityStatus | None = None
    """The authority that certificates are issued by."""
    endpoints: Endpoints | None = None
    """Where applications connect."""
    router: RouterStatus | None = None
    """The routers; absent where there are none."""
    map: MapStatus | None = None
    """The map in force."""
    primaries: Annotated[str | None, pydantic.Field(max_length=16)] = None
    """Shards that take writes, of all shards: 2/2."""
    shards: Annotated[
        tuple[ShardStatus, ...], pydantic.Field(max_length=512, json_schema_extra=model.keyed_by("name"))
    ] = ()
    """The shards."""
    pending_changes: Annotated[
        tuple[PendingChange, ...], pydantic.Field(max_length=256, json_schema_extra=model.keyed_by("field"))
    ] = ()
    """Changes that were accepted and wait."""

    def document(self) -> dict[str, Any]:
        """Return it as the API server stores it: JSON types, camelCase, nothing null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
