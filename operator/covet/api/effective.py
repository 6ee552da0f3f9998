"""The spec with every default filled in, as the rest of Covet reads it and `status.effective` shows it.

Defaults are versioned: a cluster keeps the version it was born with (in its identity), so
that a new operator with other defaults changes no running cluster.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Final

import pydantic

from covet.api import effectivepods, effectiverouting, model, pods, quantity, routing, spec
from covet.api.effectivepods import EffectiveResources, EffectiveScheduling
from covet.api.effectiverouting import EffectiveRouter
from covet.core import errors

NEWEST: Final = 1
"""Version of the defaults that new clusters are born with."""


@dataclasses.dataclass(frozen=True)
class Defaults:
    """One version of the defaults."""

    instances: int
    durability: spec.Durability
    database: str
    owner: str
    volumes: spec.VolumeFate
    cpu: str
    memory: str
    topology_key: str


DEFAULTS: Final[Mapping[int, Defaults]] = {
    1: Defaults(
        instances=3,
        durability=spec.Durability.QUORUM,
        database="app",
        owner="app",
        volumes=spec.VolumeFate.KEEP,
        cpu="100m",
        memory="256Mi",
        topology_key="kubernetes.io/hostname",
    ),
}


class EffectiveEngine(model.Model):
    """The database server."""

    name: spec.EngineName
    version: str
    parameters: dict[str, str]


class EffectiveShards(model.Model):
    """Shards; `weights` holds those that were given, every other shard weighs 1."""

    count: int
    instances: int
    weights: dict[str, int]
    placement: dict[str, pods.Placement] | None = None
    """Absent where no shard is bound to a zone, and in a record that was written before there was this field."""

    def zone(self, shard: str) -> str | None:
        """Return the zone that a shard is bound to, None for any."""
        bound = (self.placement or {}).get(shard)
        return None if bound is None else bound.zone

    def weight(self, shard: str) -> int:
        """Return the weight of a shard by its name."""
        return self.weights.get(shard, 1)


class EffectiveStorage(model.Model):
    """The volume of each instance; without a class name the default class."""

    size: Annotated[str, pydantic.Field(max_length=quantity.MAX_LENGTH)]
    class_name: str | None = None


class EffectiveDatabase(model.Model):
    """The database that applications use."""

    name: str
    owner: str


class EffectiveCertificates(model.Model):
    """What servers show to clients."""

    authority_secret: str


class EffectiveFailover(model.Model):
    """What happens where no failover is safe."""

    when_unsafe: spec.WhenUnsafe = spec.WhenUnsafe.WAIT


class EffectiveWindow(model.Model):
    """A time that comes again every week, in UTC."""

    days: Annotated[tuple[spec.Weekday, ...], pydantic.Field(json_schema_extra=model.atomic())]
    start: str
    hours: int


class EffectiveMaintenance(model.Model):
    """When the operator may touch running databases by itself; without a window upgrades wait for a person."""

    paused: bool
    window: EffectiveWindow | None = None


class EffectiveDeletion(model.Model):
    """What becomes of the volumes."""

    volumes: spec.VolumeFate


class EffectiveSpec(model.Model):
    """The spec that Covet works by."""

    defaults_version: int
    """Version of the defaults that filled the gaps; a cluster keeps the one it was born with."""
    engine: EffectiveEngine
    shards: EffectiveShards
    durability: spec.Durability
    storage: EffectiveStorage
    resources: EffectiveResources
    scheduling: EffectiveScheduling
    router: EffectiveRouter = effectiverouting.DEFAULT
    """A record that was written before there were routers means the default."""
    database: EffectiveDatabase
    certificates: EffectiveCertificates | None = None
    """Absent where the cluster's own authority is the only one that leads to its servers."""
    failover: EffectiveFailover = EffectiveFailover()
    """A record of birth that was written before there was this field means the default."""
    maintenance: EffectiveMaintenance
    deletion: EffectiveDeletion
    adopt: str | None = None
    """uid of the earlier cluster whose volumes are to be taken over; absent once that is done."""

    def document(self) -> dict[str, Any]:
        """Return it as `status.effective` shows it: JSON types, camelCase, nothing null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def effective(wanted: spec.ClusterSpec, defaults_version: int = NEWEST) -> EffectiveSpec:
    """Fill every gap of a spec from one version of the defaults.

    Raises:
        SpecError: this operator does not know that version of the defaults.
    """
    defaults = DEFAULTS.get(defaults_version)
    if defaults is None:
        raise errors.SpecError(
            "DefaultsUnknown",
            f"the cluster was born with version {defaults_version} of the defaults and this operator knows up to"
            f" {NEWEST}: run the newer operator that made it",
        )
    database = wanted.database or spec.Database()
    deletion = wanted.deletion or spec.Deletion()
    maintenance = wanted.maintenance or spec.Maintenance()
    return EffectiveSpec(
        defaults_version=defaults_version,
        engine=EffectiveEngine(
            name=wanted.engine.name,
            version=wanted.engine.version,
            parameters={name: str(value) for name, value in sorted((wanted.engine.parameters or {}).items())},
        ),
        shards=EffectiveShards(
            count=wanted.shards.count,
            instances=wanted.shards.instances or defaults.instances,
            weights=wanted.shards.weights or {},
            placement=wanted.shards.placement or None,
        ),
        durability=wanted.durability or defaults.durability,
        storage=EffectiveStorage(size=wanted.storage.size, class_name=wanted.storage.class_name),
        resources=effectivepods.resources(wanted.resources or pods.Resources(), defaults.cpu, defaults.memory),
        scheduling=effectivepods.scheduling(wanted.scheduling or pods.Scheduling(), defaults.topology_key),
        router=effectiverouting.router(wanted.router or routing.Router()),
        database=EffectiveDatabase(name=database.name or defaults.database, owner=database.owner or defaults.owner),
        certificates=_certificates(wanted.certificates or spec.Certificates()),
        failover=EffectiveFailover(
            when_unsafe=(wanted.failover or spec.Failover()).when_unsafe or spec.WhenUnsafe.WAIT
        ),
        maintenance=EffectiveMaintenance(paused=maintenance.paused or False, window=_window(maintenance.window)),
        deletion=EffectiveDeletion(volumes=deletion.volumes or defaults.volumes),
        adopt=wanted.adopt or None,
    )


def _window(wanted: spec.Window | None) -> EffectiveWindow | None:
    if wanted is None:
        return None
    days = tuple(day for day in spec.Weekday if wanted.days is None or day in wanted.days)
    return EffectiveWindow(days=days, start=wanted.start, hours=wanted.hours)


def _certificates(wanted: spec.Certificates) -> EffectiveCertificates | None:
    name = wanted.authority_secret
    return EffectiveCertificates(authority_secret=name) if name is not None else None
