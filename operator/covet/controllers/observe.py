"""Looking at a cluster: what Kubernetes holds of it, what its agents say (`asking`), how that differs from the wish.

Every round looks afresh. Nothing here decides; what comes out is `ClusterFacts`, and beside it
the objects themselves for whoever carries out the plan.
"""

import asyncio
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Final

from covet.api import cluster as api
from covet.api import effective as defaults
from covet.api.effective import EffectiveSpec
from covet.controllers import claims, departing, outer, ownership, reading, remains, routing, wanted
from covet.controllers.agents import Agents
from covet.controllers.asking import Asker
from covet.controllers.outer import Outer
from covet.controllers.routing import Front
from covet.controllers.wanted import Blueprint, Wanted
from covet.core import names
from covet.core.clock import Clock
from covet.core.errors import SpecError
from covet.core.settings import Settings
from covet.kube import ledger, resources
from covet.kube.client import Kube
from covet.kube.ledger import Key, Ledger
from covet.kube.resources import Manifest
from covet.manifests import authorities, secrets
from covet.manifests.metadata import ClusterRef
from covet.planner import checks, orders, reshaping, rotation, routers, specs
from covet.planner.facts import ClusterFacts, Drift, Finding, ShardFacts
from covet.planner.record import Identity

_LISTED: Final = (*resources.OWNED, resources.CLAIM, resources.POD)
_WRITTEN_BY_AGENTS: Final = frozenset({resources.ENDPOINT_SLICE.kind})
"""Kinds that others change by right, too: no drift."""
_PARALLEL: Final = 8
"""Reads of single objects at a time."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """One look at a cluster.

    Args:
        facts: for the planner.
        ref: the cluster as an owner of objects.
        objects: everything that carries the cluster's label, by key.
        wanted: everything that should be there, by key, in the order of application.
    """

    facts: ClusterFacts
    ref: ClusterRef
    objects: Mapping[Key, Manifest]
    wanted: Mapping[Key, Wanted]


class Observer:
    """Looks at one cluster.

    Args:
        agents: connections to its agents.
        applied: what was applied to it.
    """

    def __init__(self, kube: Kube, settings: Settings, clock: Clock, agents: Agents, applied: Ledger) -> None:
        self._kube = kube
        self._settings = settings
        self._clock = clock
        self._asker = Asker(kube, clock, agents)
        self._applied = applied
        self._unused_since: float | None = None

    async def look(self, body: Manifest) -> Seen:
        """Observe a cluster.

        Args:
            body: the CovetCluster, read afresh.

        Raises:
            CovetError: the API server did not answer; nothing is known then.
        """
        metadata = body["metadata"]
        ref = ClusterRef(metadata["name"], metadata["namespace"], metadata["uid"])
        objects = await self._objects(ref)
        identity, identity_problem = reading.birth_record(objects, ref)
        loaded, spec, problems = self._spec(body, identity)
        if identity is None and identity_problem is None:
            identity_problem = remains.judge(objects.values(), ref)
        if identity is None and spec is not None and not problems:
            problems += await self._surroundings(spec)
        last = reading.last_status(body) if loaded is None else loaded.status
        accepted = spec if not problems else last.effective if last is not None else None
        volumes = await claims.look(self._kube, ref, objects, accepted.storage.size if accepted is not None else None)
        in_force = reading.in_force(accepted, identity, volumes)
        shards = await self._asker.look(
            ref, identity, objects, in_force.shards.instances if in_force is not None else None
        )
        asked = await self._outer(ref, in_force, shards)
        routed, front = routing.look(objects, ref, (identity, in_force), self._settings, self._clock.wall())
        facts = ClusterFacts(
            name=ref.name,
            namespace=ref.namespace,
            uid=ref.uid,
            generation=int(metadata.get("generation", 1)),
            deleting="deletionTimestamp" in metadata,
            paused=bool(spec is not None and spec.maintenance.paused),
            spec=spec,
            problems=problems,
            identity=identity,
            identity_problem=identity_problem,
            authority=reading.authority(objects, ref, self._clock.wall()),
            authorities=reading.reign(objects, ref, self._settings.certificate_lifetime / 3),
            outer=asked.facts if asked is not None else None,
            certificates=reading.certificates_of(objects, ref, shards, self._clock.wall(), asked),
            user_secret=in_force is not None
            and ("Secret", ref.namespace, names.user_secret(ref.name, in_force.database.owner)) in objects,
            password=_password(objects, ref, in_force),
            credentials=reading.credentials(objects, ref, in_force.database.owner) if in_force is not None else None,
            unused=self._unused(identity, shards),
            routers=routed,
            ring_map=reading.ring_map(objects, ref, identity.cluster_uid if identity is not None else ref.uid),
            shards=shards,
            volumes=volumes,
            status=last,
            annotations=reading.annotations(body),
            operator=self._settings.operator,
            left=departing.left(objects, identity),
        )
        if identity is None or in_force is None or identity.owner_uid != ref.uid:
            return Seen(facts, ref, objects, {})
        if reshaping.concerns(facts, identity):
            facts = dataclasses.replace(facts, shards=await self._asker.inside(ref, identity, shards))
        return await self._owned(
            self._compare((facts, front), ref, objects, identity, in_force), in_force.database.owner
        )

    async def _outer(
        self, ref: ClusterRef, in_force: EffectiveSpec | None, shards: tuple[ShardFacts, ...]
    ) -> Outer | None:
        """Read the authority of somebody else that is asked for."""
        wished = in_force.certificates if in_force is not None else None
        name = wished.authority_secret if wished is not None else None
        notice = self._settings.certificate_lifetime / 3
        terms = outer.Terms(outer.addresses(ref, shards), self._clock.wall(), notice)
        return await outer.look(self._kube, ref, name, terms)

    def _unused(self, identity: Identity | None, shards: tuple[ShardFacts, ...]) -> float:
        """Return for how many seconds every look has found the former login of a rotation unused."""
        former = identity.rotation.former if identity is not None and identity.rotation is not None else None
        if former is None or rotation.in_use(shards, former):
            self._unused_since = None
            return 0.0
        now = self._clock.monotonic()
        self._unused_since = now if self._unused_since is None else self._unused_since
        return now - self._unused_since

    async def _owned(self, seen: Seen, owner: str) -> Seen:
        """Find what others have at our names, and leave it out of what is to be applied."""
        ref, gate = seen.ref, asyncio.Semaphore(_PARALLEL)
        of_routers = [("Secret", ref.namespace, names.router_secret(ref.name))] if seen.facts.routers.replicas else []
        keys = dict.fromkeys((*ownership.made_once(ref, owner, seen.facts.shards), *of_routers, *seen.wanted))

        async def look(key: Key) -> tuple[Key, Manifest | None]:
            found = seen.objects.get(key)
            if found is None:
                async with gate:
                    found = await self._kube.get(ownership.resource_of(key), key[1], key[2])
            return key, found

        present = dict(await asyncio.gather(*(look(key) for key in keys)))
        judged = {key: ownership.finding(found, ref) for key, found in present.items() if found is not None}
        taken = {key: finding for key, finding in judged.items() if finding is not None}
        stale = tuple(key for key in seen.facts.stale if key not in taken)
        facts = dataclasses.replace(
            seen.facts,
            taken=taken,
            stale=stale,
            drifted=self._drifted(seen, stale, present),
            repeatable=tuple(key for key in seen.facts.repeatable if key not in taken),
        )
        return dataclasses.replace(seen, facts=facts)

    def _drifted(self, seen: Seen, stale: Iterable[Key], present: Mapping[Key, Manifest | None]) -> dict[Key, Drift]:
        """Return what others made of the objects that differ, also of those that lost their label."""
        told = (key for key in stale if key[0] not in _WRITTEN_BY_AGENTS)
        found = ((key, self._applied.drift(seen.wanted[key].manifest, present[key])) for key in told)
        return {key: drift for key, drift in found if drift is not None}

    def _compare(
        self, seen: tuple[ClusterFacts, Front], ref: ClusterRef, objects: Mapping[Key, Manifest], identity: Identity,
        in_force: EffectiveSpec,
    ) -> Seen:  # fmt: skip
        """Add what should be, and which objects differ from it."""
        facts, front = seen
        shard_specs = {
            seen.name: specs.wanted_spec(
                (ref.name, ref.namespace), identity, known, in_force, seen, fenced=orders.fenced(facts.annotations)
            )
            for seen in facts.shards
            if (known := identity.shard(seen.name)) is not None
        }
        blueprint = Blueprint(
            cluster=ref,
            spec=in_force,
            identity=identity,
            specs=shard_specs,
            endpoints={seen.name: reading.destination(seen, identity) for seen in facts.shards},
            trust=authorities.bundle(reading.authority_values(objects, ref)) or None,
            routers=dataclasses.replace(front, leads=routers.leads(facts)),
        )
        everything = wanted.build(blueprint, self._settings, objects)
        self._applied.keep(ref.uid, everything)
        now = self._clock.monotonic()
        # A paused cluster is compared, not repeated: a new process has applied nothing, and that is no difference.
        differs = self._applied.differs if facts.paused else self._applied.stale
        differing = {key for key, entry in everything.items() if differs(entry.manifest, objects.get(key))}
        complete = dataclasses.replace(
            facts,
            wanted_specs=shard_specs,
            stale=tuple(key for key in everything if key in differing),
            repeatable=tuple(
                key
                for key, entry in everything.items()
                if key not in differing and self._applied.due(entry.manifest, now)
            ),
        )
        return Seen(complete, ref, objects, everything)

    async def _objects(self, ref: ClusterRef) -> dict[Key, Manifest]:
        """List what carries the label of the cluster, and read by name what must not be missed."""
        label = {names.LABEL_CLUSTER: ref.name}
        # A chart from before there were routers names no image of them, and gives no right to their Deployments.
        kinds = [kind for kind in _LISTED if kind is not resources.DEPLOYMENT or self._settings.router_image]
        lists = await asyncio.gather(*(self._kube.list(kind, ref.namespace, label) for kind in kinds))
        found = {ledger.key_of(item): item for items in lists for item in items}
        vital = (
            (resources.CONFIG_MAP, names.identity(ref.name)),
            (resources.CONFIG_MAP, names.ring_map(ref.name)),
            (resources.SECRET, names.authority_secret(ref.name)),
        )
        for resource, name in vital:
            if (resource.kind, ref.namespace, name) not in found:
                item = await self._kube.get(resource, ref.namespace, name)
                if item is not None:
                    found[ledger.key_of(item)] = item
        return found

    def _spec(
        self, body: Manifest, identity: Identity | None
    ) -> tuple[api.CovetCluster | None, EffectiveSpec | None, tuple[Finding, ...]]:
        """Read the spec, its gaps filled as at birth; what cannot be read or honoured is a finding."""
        try:
            loaded = api.load(body)
            spec = defaults.effective(
                loaded.spec, identity.born.defaults_version if identity is not None else defaults.NEWEST
            )
        except SpecError as error:
            return None, None, (Finding(error.reason, error.message, stalls=True),)
        versions = tuple(self._settings.postgres_images)
        found = tuple(checks.spec_findings(loaded.spec, spec, loaded.metadata.name, versions))
        return loaded, spec, found

    async def _surroundings(self, spec: EffectiveSpec) -> tuple[Finding, ...]:
        """Look, before birth, whether the volumes can be made at all."""
        classes = {
            item["metadata"]["name"]: (item["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
            for item in await self._kube.list(resources.STORAGE_CLASS)
        }
        finding = checks.storage_finding(spec.storage.class_name, classes)
        return (finding,) if finding is not None else ()


_DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"


def _password(objects: Mapping[Key, Manifest], ref: ClusterRef, in_force: EffectiveSpec | None) -> str | None:
    owner = in_force.database.owner if in_force is not None else ""
    found = objects.get(("Secret", ref.namespace, names.user_secret(ref.name, owner)))
    authority = objects.get(("Secret", ref.namespace, names.authority_secret(ref.name)))
    return secrets.password_digest(found, authority) if found is not None else None
