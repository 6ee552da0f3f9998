"""Every object that a cluster should consist of, from its spec, its record and what was seen."""

import dataclasses
from collections.abc import Iterator, Mapping

from covet.api.effective import EffectiveSpec
from covet.controllers import reading, routing
from covet.controllers.routing import NO_FRONT, Front
from covet.core import names
from covet.core.agentapi import ShardSpec
from covet.core.settings import Settings
from covet.kube import ledger, resources
from covet.kube.resources import Manifest
from covet.manifests import accounts, configs, instances, policies, secrets, services
from covet.manifests import metadata as labelled
from covet.manifests.metadata import ClusterRef
from covet.manifests.pods import Image
from covet.manifests.routerconfig import Routed, RoutedShard
from covet.peers import codec
from covet.planner import routers
from covet.planner.facts import Endpoint
from covet.planner.record import Identity


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One object as it should be.

    Args:
        metadata_only: the content was made once and is not ours to repeat (identity, map, authority,
            password); only labels, owners, and what `data` derives from it are kept true.
    """

    manifest: Manifest
    metadata_only: bool = False


@dataclasses.dataclass(frozen=True)
class Blueprint:
    """What the objects are made from.

    Args:
        spec: the effective spec in force.
        specs: what the agents should work by, per shard.
        endpoints: where `-rw` should lead, per shard.
        trust: certificate of the authority as PEM, None before there is one.
        routers: replicas and verifiers, and whether clients are led to them.
    """

    cluster: ClusterRef
    spec: EffectiveSpec
    identity: Identity
    specs: Mapping[str, ShardSpec]
    endpoints: Mapping[str, tuple[Endpoint, str | None, str | None]]
    trust: str | None
    routers: Front = NO_FRONT


Objects = Mapping[ledger.Key, Manifest]


def build(plan: Blueprint, settings: Settings, observed: Objects) -> dict[ledger.Key, Wanted]:
    """Return every object, in the order in which to apply them: what pods need comes before pods.

    Args:
        plan: what they are made from.
        settings: images and the operator's namespace.
        observed: what is there; an existing claim template is carried over.
    """
    wanted = [*_shared(plan), *_kept(plan, observed)]
    for shard in plan.specs:
        wanted.extend(_shard(plan, shard, settings, observed))
    for shard in plan.specs:
        wanted.extend(_instances(plan, shard, settings, observed))
    wanted.extend(_routers(plan, observed))
    return {ledger.key_of(entry.manifest): entry for entry in wanted}


def _shared(plan: Blueprint) -> Iterator[Wanted]:
    if plan.trust is not None:
        yield Wanted(configs.trust(plan.cluster, plan.trust))


def _kept(plan: Blueprint, observed: Objects) -> Iterator[Wanted]:
    """Yield labels and owners of what belongs to the data, for those that are there."""
    name = plan.cluster.name
    kept = (
        ("ConfigMap", names.identity(name)),
        ("ConfigMap", names.ring_map(name)),
        ("Secret", names.authority_secret(name)),
        ("Secret", names.user_secret(name, plan.spec.database.owner)),
    )
    for kind, object_name in kept:
        if (kind, plan.cluster.namespace, object_name) not in observed:
            continue
        metadata = labelled.kept(plan.cluster, object_name, plan.spec.deletion.volumes)
        metadata.setdefault("ownerReferences", [])
        manifest: Manifest = {"apiVersion": "v1", "kind": kind, "metadata": metadata}
        if object_name == names.user_secret(name, plan.spec.database.owner):
            manifest.update(_derived(plan, observed[kind, plan.cluster.namespace, object_name]))
        yield Wanted(manifest, metadata_only=True)


def _derived(plan: Blueprint, user_secret: Manifest) -> Manifest:
    """Return the data of the owner's Secret that follows from its password and from the authority."""
    database = plan.spec.database
    try:
        found = secrets.values_of(user_secret)
        password = found["password"]
    except (KeyError, ValueError, TypeError):
        return {}
    if plan.trust is None:
        return {}
    shards = [name for name, _ in plan.identity.layout]
    login = reading.login_of(found, database.owner)
    door = routers.address(plan.cluster.name, plan.cluster.namespace) if plan.routers.leads else ""
    values = secrets.derived(plan.cluster, database.name, login, password, plan.trust, shards, door)
    # What no longer is one address of the whole database is taken out again.
    gone = {key: None for key in (secrets.HOST, secrets.URI) if key not in values}
    return {"data": {**secrets.coded(values), **gone}}


def _family(plan: Blueprint, shard: str, observed: Objects) -> str | None:
    """Return the family of addresses of the slice behind `-rw`, None before it can be known.

    It can never be changed: that of the slice, or before there is one that which the API server gave the Service.
    """
    space, name = plan.cluster.namespace, names.read_write_service(plan.cluster.name, shard)
    made = observed.get((resources.ENDPOINT_SLICE.kind, space, names.read_write_slice(plan.cluster.name, shard)))
    if made is not None:
        return str(made.get("addressType", services.IPV4))
    service = observed.get((resources.SERVICE.kind, space, name))
    families = ((service or {}).get("spec") or {}).get("ipFamilies") or [services.IPV4]
    return str(families[0]) if service is not None else None


def _shard(plan: Blueprint, shard: str, settings: Settings, observed: Objects) -> Iterator[Wanted]:
    endpoint, primary, node = plan.endpoints[shard]
    yield Wanted(configs.shard_spec(plan.cluster, shard, codec.encode(plan.specs[shard]).decode()))
    yield Wanted(accounts.service_account(plan.cluster, shard))
    yield Wanted(accounts.role(plan.cluster, shard))
    yield Wanted(accounts.role_binding(plan.cluster, shard))
    scrapers = settings.scraper_namespaces
    yield Wanted(policies.network(plan.cluster, shard, settings.namespace, settings.api_ports, scrapers))
    yield Wanted(services.headless(plan.cluster, shard))
    yield Wanted(services.read_write(plan.cluster, shard))
    yield Wanted(services.read_only(plan.cluster, shard))
    address = endpoint.address if endpoint.ready else None
    family = _family(plan, shard, observed)
    if family is not None:
        yield Wanted(services.read_write_slice(plan.cluster, shard, primary, address, node, endpoint.term, family))
    yield Wanted(policies.disruption_budget(plan.cluster, shard))


def _routers(plan: Blueprint, observed: Objects) -> Iterator[Wanted]:
    identity = plan.identity
    told = dict.fromkeys(name for name, _ in (*identity.layout, *identity.mapped) if name in plan.specs)
    shards = tuple(
        RoutedShard(name, plan.specs[name].shard_uid, tuple(peer.instance for peer in plan.specs[name].peers))
        for name in told
    )
    family = _family(plan, shards[0].name, observed) if shards else None
    routed = Routed(plan.cluster, identity.cluster_uid, shards, family or "")
    for manifest in routing.objects(routed, plan.spec, plan.routers):
        yield Wanted(manifest)


def _instances(plan: Blueprint, shard: str, settings: Settings, observed: Objects) -> Iterator[Wanted]:
    if plan.spec.engine.version not in settings.postgres_images:
        # The operator has no image for it, which is a finding; pods that run go on.
        return
    image = Image(
        reference=settings.postgres_images[plan.spec.engine.version],
        pull_policy=settings.image_pull_policy,
        pull_secrets=settings.image_pull_secrets,
    )
    known = plan.identity.shard(shard)
    first = known.first if known is not None else 0
    for index in range(first, first + plan.spec.shards.instances):
        manifest = instances.stateful_set(plan.cluster, shard, names.letter(index), plan.spec, image)
        live = observed.get(ledger.key_of(manifest))
        yield Wanted(instances.carry_over(manifest, live) if live is not None else manifest)
