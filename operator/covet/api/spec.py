"""What a user may ask for: `CovetCluster.spec`, field by field, with its bounds and rules.

No field has a default in the schema, for a default that the API server writes into the
object makes Argo CD report a difference for ever. The defaults stand in `covet.api.effective`.
"""

import enum
from typing import Annotated, Final

import pydantic

from covet.api import model, pods, quantity, routing
from covet.core import agentapi

Durability = agentapi.Durability

INSTANCES: Final = (1, 3, 5, 7)
MAX_SHARDS: Final = 512
MAX_WEIGHT: Final = 100
MIN_STORAGE: Final = "256Mi"
SHARD_NAME: Final = r"^s(0|[1-9][0-9]{0,2})$"
OWNER: Final = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
DATABASE: Final = r"^[a-z][a-z0-9_]*$"
SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
UID: Final = r"^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$"
PARAMETER: Final = r"^[a-z_][a-z0-9_.]*$"
TIME: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
RESERVED_DATABASES: Final = ("postgres", "template0", "template1")
RESERVED_OWNERS: Final = (
    "ca", "tls", "identity", "map", "trust", "config",
    "postgres", "public", "none", "session_user", "current_user", "current_role",
)  # fmt: skip
"""The first six end names of Covet's own objects: the Secret of an owner `tls` of cluster `shop-s0-a` would be the
certificate of an instance of `shop`."""
RESERVED_PREFIXES: Final = ("pg_", "covet")

INSTANCES_REASON: Final = (
    "must be 1, 3, 5 or 7: an even number costs one instance more and survives no more failures"
    " (of 2 the loss of either stops all writes)"
)
RENAME_REASON: Final = "cannot change: the database is made once, at birth"

Parameter = int | Annotated[str, pydantic.Field(max_length=1024)]
"""A server setting as text or as a whole number; YAML's `on` is a boolean, so quote it."""


class EngineName(enum.StrEnum):
    """The database servers that Covet runs."""

    POSTGRESQL = "PostgreSQL"


class VolumeFate(enum.StrEnum):
    """What becomes of the volumes when the cluster is deleted."""

    KEEP = "Keep"
    DELETE = "Delete"


class WhenUnsafe(enum.StrEnum):
    """What becomes of a shard of which too few members are left to know what was acknowledged."""

    WAIT = "Wait"
    PROMOTE_WITH_LOSS = "PromoteWithLoss"


class Weekday(enum.StrEnum):
    """Days of the week, Monday first."""

    MON = "Mon"
    TUE = "Tue"
    WED = "Wed"
    THU = "Thu"
    FRI = "Fri"
    SAT = "Sat"
    SUN = "Sun"


class Engine(model.Model):
    """The database server."""

    name: Annotated[
        EngineName,
        pydantic.Field(
            json_schema_extra=model.rules(
                model.rule("self == oldSelf", "engine.name is immutable: data does not move between engines in place"),
            ),
        ),
    ]
    """Which server. Immutable."""
    version: Annotated[str, pydantic.Field(pattern=r"^[1-9][0-9]$", max_length=16)]
    """Major version, quoted: "15". The operator must have an image of it (Helm value `images.postgres`).
    Fixed at birth: a change waits in status.pendingChanges."""
    parameters: Annotated[
        dict[str, Parameter] | None,
        pydantic.Field(
            max_length=200,
            json_schema_extra=model.rules(
                model.rule(
                    f"self.all(k, size(k) <= 63 && k.matches('{PARAMETER}'))",
                    "names of server settings are lower case letters, digits, underscore and dot, at most 63 of them",
                ),
            ),
        ),
    ] = None
    """Settings of the server, as in postgresql.conf. Those that Covet needs for itself are refused, and so are
    names and values that the server could not read."""


class Shards(model.Model):
    """How many shards there are, and what each is made of."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            model.rule(
                f"!has(self.weights) || self.weights.all(k, !k.matches('{SHARD_NAME}')"
                " || int(k.substring(1)) < self.count)",
                "weights name a shard that is not there: shards are counted from s0, so the last of count 2 is s1",
            ),
            model.rule(
                f"!has(self.placement) || self.placement.all(k, !k.matches('{SHARD_NAME}')"
                " || int(k.substring(1)) < self.count)",
                "placement names a shard that is not there: shards are counted from s0, so the last of count 2 is s1",
            ),
        ),
    )

    count: Annotated[int, pydantic.Field(ge=1, le=MAX_SHARDS)]
    """Number of shards. Each owns a part of the keys. Fixed at birth: a change waits in status.pendingChanges."""
    instances: Annotated[
        int | None,
        pydantic.Field(
            ge=1,
            le=7,
            json_schema_extra=model.rules(model.rule("self in [1, 3, 5, 7]", f"instances {INSTANCES_REASON}")),
        ),
    ] = None
    """Database servers per shard: 1, 3, 5 or 7. Default 3: one may fail. It may be changed at any time: the shard
    serves meanwhile, and an instance that leaves goes once the others vote without it."""
    weights: Annotated[
        dict[str, Annotated[int, pydantic.Field(ge=1, le=MAX_WEIGHT)]] | None,
        pydantic.Field(
            max_length=MAX_SHARDS,
            json_schema_extra=model.rules(
                model.rule(
                    f"self.all(k, size(k) <= 4 && k.matches('{SHARD_NAME}'))",
                    "weights are given by shard name: s0, s1, s2 and so on",
                ),
            ),
        ),
    ] = None
    """Share of the keys per shard name, e.g. `{s1: 2}`. A shard that is not named weighs 1. Fixed at birth: a
    change waits in status.pendingChanges."""
    placement: Annotated[
        dict[str, pods.Placement] | None,
        pydantic.Field(
            max_length=MAX_SHARDS,
            json_schema_extra=model.rules(
                model.rule(
                    f"self.all(k, size(k) <= 4 && k.matches('{SHARD_NAME}'))",
                    "placement is given by shard name: s0, s1, s2 and so on",
                ),
            ),
        ),
    ] = None
    """Zone per shard name, e.g. `{s0: {zone: eu-west-1a}}`: all instances of the shard run in it. A shard that is not
    named runs in any zone. It may be changed where volumes can be used in the other zone too."""


class Storage(model.Model):
    """The volume of each instance."""

    size: Annotated[
        str,
        pydantic.Field(
            pattern=quantity.PATTERN,
            max_length=quantity.MAX_LENGTH,
            json_schema_extra=model.rules(
                model.rule(
                    f"quantity(self).compareTo(quantity('{MIN_STORAGE}')) >= 0",
                    f"storage.size must be at least {MIN_STORAGE}: an empty database with its log needs that much",
                ),
            ),
        ),
    ]
    """Size of the volume, e.g. 10Gi. It may grow at any time, if the StorageClass allows it; it never shrinks."""
    class_name: Annotated[str | None, pydantic.Field(pattern=SUBDOMAIN, min_length=1, max_length=253)] = None
    """StorageClass. Default: the default class of the Kubernetes cluster. Fixed at birth: a change waits in
    status.pendingChanges."""


class Database(model.Model):
    """The database that applications use, the same on every shard. Made at birth, never renamed."""

    name: Annotated[
        str | None,
        pydantic.Field(
            pattern=DATABASE,
            max_length=63,
            json_schema_extra=model.rules(
                model.rule(
                    f"!(self in {list(RESERVED_DATABASES)})",
                    "database.name cannot be postgres, template0 or template1: they belong to the server",
                ),
            ),
        ),
    ] = None
    """Name of the database. Default app."""
    owner: Annotated[
        str | None,
        pydantic.Field(
            pattern=OWNER,
            max_length=63,
            json_schema_extra=model.rules(
                model.rule(
                    f"!(self in {list(RESERVED_OWNERS)}) && !self.startsWith('pg_') && !self.startsWith('covet')",
                    f"database.owner cannot be one of {', '.join(RESERVED_OWNERS)}, nor begin with pg_ or covet:"
                    " these belong to the server and to Covet",
                ),
            ),
        ),
    ] = None
    """Role that owns the database; its password is in the Secret `<cluster>-<owner>`, where an underscore
    of the owner becomes a dot. Default app."""


class Certificates(model.Model):
    """What servers show to clients."""

    authority_secret: Annotated[str | None, pydantic.Field(pattern=SUBDOMAIN, min_length=1, max_length=253)] = None
    """Secret (kubernetes.io/tls: `tls.crt`, `tls.key`) of an authority that clients trust already, in the namespace of
    the cluster: one that cert-manager keeps for a Certificate with `isCA: true`, or that is kept by hand. It signs the
    cluster's own authority, and servers show how the one leads to the other. Default: none; clients trust the cluster's
    own authority, and go on doing so in any case."""


class Failover(model.Model):
    """What happens where no failover is safe."""

    when_unsafe: WhenUnsafe | None = None
    """Wait (default): a shard with too few members for an election waits for a member to come back, or for a person.
    PromoteWithLoss: after 5 minutes, and once the pods of the missing members have ended, the members that are left go
    on without them: commits that only the missing ones hold are lost."""


class Window(model.Model):
    """A time that comes again every week, in UTC."""

    days: Annotated[
        list[Weekday] | None, pydantic.Field(min_length=1, max_length=7, json_schema_extra=model.atomic())
    ] = None
    """Days on which it begins: Mon, Tue, Wed, Thu, Fri, Sat, Sun. Default every day."""
    start: Annotated[str, pydantic.Field(pattern=TIME, max_length=5)]
    """When it begins, in UTC, quoted: "02:00"."""
    hours: Annotated[int, pydantic.Field(ge=1, le=24)]
    """How long it lasts, also past midnight."""


class Maintenance(model.Model):
    """When the operator may touch running databases by itself."""

    paused: bool | None = None
    """True: the operator observes and reports, and changes nothing. The databases run on."""
    window: Window | None = None
    """When pods that are of an earlier operator or image are made anew by themselves, in order. Without one they wait
    for the annotation covet.dev/restart. Edits of this object are carried out at once, in or out of it."""


class Deletion(model.Model):
    """What happens when the object is deleted."""

    volumes: VolumeFate | None = None
    """Keep (default): volumes stay, with the Secrets and ConfigMaps they need. Delete: everything goes."""


def _unchanged(field: str) -> dict[str, str]:
    """Return the rule that a field of `database`, default app, keeps its value.

    Written with `has`: the optional syntax (`?.`) hides the length of the text from the API
    server's cost estimate, which then refuses the whole definition.
    """
    before, after = (
        f"(has({root}.database) && has({root}.database.{field}) ? {root}.database.{field} : 'app')"
        for root in ("oldSelf", "self")
    )
    return model.rule(f"{after} == {before}", f"database.{field} {RENAME_REASON}")


class ClusterSpec(model.Model):
    """What the user wants."""

    model_config = pydantic.ConfigDict(json_schema_extra=model.rules(_unchanged("name"), _unchanged("owner")))

    engine: Engine
    """The database server."""
    shards: Shards
    """Shards and the instances of each."""
    durability: Durability | None = None
    """Quorum (default): a commit is acknowledged after enough replicas flushed it.
    Async: after the primary flushed it; a failover may lose acknowledged writes."""
    storage: Storage
    """The volume of each instance."""
    resources: pods.Resources | None = None
    """Processor and memory of each database pod."""
    scheduling: pods.Scheduling | None = None
    """Which nodes the database pods may run on."""
    router: routing.Router | None = None
    """The routers that clients connect to."""
    database: Database | None = None
    """The database that applications use."""
    certificates: Certificates | None = None
    """What servers show to clients."""
    failover: Failover | None = None
    """What happens where no failover is safe."""
    maintenance: Maintenance | None = None
    """When the operator may touch running databases by itself."""
    deletion: Deletion | None = None
    """What happens when the object is deleted."""
    adopt: Annotated[str | None, pydantic.Field(pattern=UID, max_length=36)] = None
    """Take over what an earlier cluster of this name left (`deletion.volumes: Keep`), data and passwords: the uid that
    the condition Stalled names. It may stay in the manifest; on any other cluster it is listed in
    status.pendingChanges, and a cluster of which nothing is left is refused."""
