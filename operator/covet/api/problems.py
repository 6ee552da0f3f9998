"""What a schema cannot say about a spec, and what it does say, for objects that were stored before it did.

The schema refuses at admission; this finds the rest. Its findings become the condition
`Stalled`, and running databases are left alone. Which server settings may be set is the
planner's knowledge and is asked there.
"""

import dataclasses
import re
from collections.abc import Collection, Iterator

from covet.api import effectiverouting, pods, quantity, routing, spec
from covet.core import names

_CLUSTER_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


@dataclasses.dataclass(frozen=True)
class Problem:
    """A field that cannot be honoured.

    Args:
        field: path in the object, e.g. `spec.shards.instances`.
        value: what stands there, as text.
        message: why it cannot be, and what to write instead.
    """

    field: str
    value: str
    message: str

    def __str__(self) -> str:
        """Return one sentence: field, value, message."""
        return f"{self.field}: {self.value}: {self.message}" if self.value else f"{self.field}: {self.message}"


def problems(wanted: spec.ClusterSpec, name: str, versions: Collection[str] | None = None) -> tuple[Problem, ...]:
    """Return everything about a spec that cannot be honoured.

    Args:
        wanted: the spec as the user wrote it.
        name: metadata.name of the object.
        versions: engine versions that the operator has images for; None leaves them unchecked.
    """
    return (
        *_name(name),
        *_engine(wanted.engine, versions),
        *_shards(wanted.shards),
        *_storage(wanted.storage),
        *_resources("spec", wanted.resources or pods.Resources()),
        *_scheduling("spec", wanted.scheduling or pods.Scheduling()),
        *_placement(wanted.shards, wanted.scheduling or pods.Scheduling()),
        *_router(wanted.router or routing.Router()),
        *_database(wanted.database or spec.Database()),
        *_certificates(wanted.certificates or spec.Certificates(), name),
    )


def _name(name: str) -> Iterator[Problem]:
    if len(name) > names.MAX_CLUSTER_NAME:
        yield Problem("metadata.name", name, f"is {len(name)} characters long; {names.MAX_CLUSTER_NAME} are allowed")
    if _CLUSTER_NAME.fullmatch(name) is None:
        yield Problem("metadata.name", name, "must be a DNS label that begins with a letter")


def _engine(engine: spec.Engine, versions: Collection[str] | None) -> Iterator[Problem]:
    if versions is not None and engine.version not in versions:
        known = ", ".join(sorted(versions)) or "none"
        yield Problem(
            "spec.engine.version",
            engine.version,
            f"the operator has no image of this version; it has: {known} (Helm value images.postgres)",
        )
    for parameter in engine.parameters or {}:
        if len(parameter) > 63 or re.fullmatch(spec.PARAMETER, parameter) is None:
            yield Problem("spec.engine.parameters", parameter, "is not the name of a server setting")


def _shards(shards: spec.Shards) -> Iterator[Problem]:
    if shards.instances is not None and shards.instances not in spec.INSTANCES:
        yield Problem("spec.shards.instances", str(shards.instances), spec.INSTANCES_REASON)
    known = {names.shard(index) for index in range(shards.count)}
    for field, named in (("weights", shards.weights), ("placement", shards.placement)):
        for shard in named or {}:
            if shard not in known:
                yield Problem(
                    f"spec.shards.{field}.{shard}",
                    "",
                    f"there is no such shard: the names are s0 to s{shards.count - 1}",
                )


def _storage(storage: spec.Storage) -> Iterator[Problem]:
    if quantity.parse(storage.size) < quantity.parse(spec.MIN_STORAGE):
        yield Problem("spec.storage.size", storage.size, f"must be at least {spec.MIN_STORAGE}")


def _resources(root: str, resources: pods.Resources) -> Iterator[Problem]:
    requests = resources.requests or pods.Amounts()
    limits = resources.limits or pods.Amounts()
    for kind, request, limit in (
        ("cpu", requests.cpu, limits.cpu),
        ("memory", requests.memory, limits.memory),
    ):
        if limit is not None and quantity.parse(limit) == 0:
            yield Problem(f"{root}.resources.limits.{kind}", str(limit), "a limit of nothing stops the server")
        if request is not None and limit is not None and quantity.parse(request) > quantity.parse(limit):
            yield Problem(f"{root}.resources.requests.{kind}", str(request), f"exceeds the limit of {limit}")


def _scheduling(root: str, scheduling: pods.Scheduling) -> Iterator[Problem]:
    for key in scheduling.node_selector or {}:
        if not _is_label_key(key):
            yield Problem(f"{root}.scheduling.nodeSelector", key, "is not a label key")
    if scheduling.topology_key is not None and not _is_label_key(scheduling.topology_key):
        yield Problem(f"{root}.scheduling.topologyKey", scheduling.topology_key, "is not a label key")
    for index, toleration in enumerate(scheduling.tolerations or ()):
        yield from _toleration(f"{root}.scheduling.tolerations[{index}]", toleration)


def _placement(shards: spec.Shards, scheduling: pods.Scheduling) -> Iterator[Problem]:
    """A zone of its own for a shard leaves nothing to say about zones for all of them."""
    for shard, bound in (shards.placement or {}).items():
        field = f"spec.shards.placement.{shard}.zone"
        if names.ZONE in (scheduling.node_selector or {}):
            why = f"spec.scheduling.nodeSelector binds every shard by {names.ZONE}; take one out"
            yield Problem(field, bound.zone, why)
        if scheduling.topology_key == names.ZONE:
            yield Problem(
                field,
                bound.zone,
                "spec.scheduling.topologyKey spreads the instances of every shard over zones, and one zone would let"
                " them share a node; take one of the two fields out",
            )


def _toleration(field: str, toleration: pods.Toleration) -> Iterator[Problem]:
    exists = toleration.operator is pods.TolerationOperator.EXISTS
    if toleration.key is not None and not _is_label_key(toleration.key):
        yield Problem(f"{field}.key", toleration.key, "is not a label key")
    if toleration.key is None and not exists:
        yield Problem(f"{field}.operator", toleration.operator or "", "must be Exists where no key is given")
    if toleration.value and exists:
        yield Problem(f"{field}.value", toleration.value, "must be left out with the operator Exists")
    if toleration.toleration_seconds is not None and toleration.effect is not pods.TaintEffect.NO_EXECUTE:
        yield Problem(
            f"{field}.tolerationSeconds",
            str(toleration.toleration_seconds),
            "means something with the effect NoExecute only",
        )


def _router(router: routing.Router) -> Iterator[Problem]:
    yield from _resources("spec.router", router.resources or pods.Resources())
    yield from _scheduling("spec.router", router.scheduling or pods.Scheduling())
    pool = effectiverouting.router(router).pool
    if pool.min > pool.max:
        yield Problem("spec.router.pool.min", str(pool.min), f"is more than pool.max, {pool.max}")


def _is_label_key(key: str) -> bool:
    prefix, _, label = key.rpartition("/")
    return len(prefix) <= 253 and len(label) <= 63 and re.fullmatch(pods.LABEL_KEY, key) is not None


def _database(database: spec.Database) -> Iterator[Problem]:
    if database.name in spec.RESERVED_DATABASES:
        yield Problem("spec.database.name", database.name, "belongs to the server; choose another name")
    owner = database.owner
    if owner is not None and (owner in spec.RESERVED_OWNERS or owner.startswith(spec.RESERVED_PREFIXES)):
        yield Problem("spec.database.owner", owner, "is reserved by the server or by Covet; choose another name")


def _certificates(certificates: spec.Certificates, cluster: str) -> Iterator[Problem]:
    if certificates.authority_secret == names.authority_secret(cluster):
        yield Problem(
            "spec.certificates.authoritySecret",
            certificates.authority_secret,
            "is the cluster's own authority, which needs nobody to sign it for those who trust it; leave the field out",
        )
