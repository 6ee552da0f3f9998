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
    """`host:port` of each shard's primary, in the order of the shards."""
    read_only: Annotated[
        tuple[Annotated[str, pydantic.Field(max_length=270)], ...],
        pydantic.Field(max_length=512, json_schema_extra=model.atomic()),
    ] = ()
    """`host:port` of each shard's replicas, in the order of the shards."""


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
    endpoints: Endpoints | None = None
    """Where applications connect."""
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
