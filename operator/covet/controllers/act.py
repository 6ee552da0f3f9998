"""Carrying out a plan: in order, stopping at the first failure; then we look again.

Actions of the cluster come first; then every shard goes its own way, so that a slow or broken shard
holds up no other. What cannot be taken back reads what it depends on once more, straight
from the API server.
"""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final

import covet_hasher

from covet.api.effective import EffectiveSpec
from covet.controllers import agents
from covet.controllers.agents import Agents
from covet.controllers.observe import Seen
from covet.core import names
from covet.core.agentapi import (
    BootstrapOrder,
    CloneOrder,
    CohortOrder,
    DatabaseOrder,
    MapOrder,
    OpenOrder,
    Peer,
)
from covet.core.clock import Clock
from covet.core.errors import ConflictError, CovetError, RefusedError
from covet.kube import resources
from covet.kube.client import Kube
from covet.kube.ledger import Ledger
from covet.kube.resources import Manifest
from covet.manifests import certificates, configs, passwords, secrets
from covet.manifests.certificates import Authority
from covet.planner import actions as act
from covet.planner import record
from covet.planner.record import Identity, ShardRecord

_log = logging.getLogger(__name__)

CountAction = Callable[[str, str], None]
"""Called with the kind of an action and its outcome."""

_PARALLEL: Final = 8
"""Writes to the API server at a time."""


class ActionError(Exception):
    """An action failed.

    Args:
        action: what was tried.
        cause: what it ended with.
    """

    def __init__(self, action: act.Action, cause: CovetError) -> None:
        super().__init__(f"{type(action).__name__}: {cause}")
        self.action = action
        self.cause = cause


class Actor:
    """Carries out plans for one cluster.

    Args:
        agents: connections to its agents.
        applied: told of every object that was applied.
        count: told of every action.
    """

    def __init__(self, kube: Kube, clock: Clock, agents: Agents, applied: Ledger, count: CountAction) -> None:
        self._kube = kube
        self._clock = clock
        self._agents = agents
        self._applied = applied
        self._count = count
        self._recording = asyncio.Lock()

    async def carry_out(self, seen: Seen, plan: act.Plan) -> tuple[act.Action, ...]:
        """Carry out a plan; return the actions that were done.

        Raises:
            ActionError: an action failed; of several, one of the cluster or of the first shard.
        """
        done: list[act.Action] = []
        await self._sequence(seen, plan.actions, done)
        lanes = [self._sequence(seen, shard.actions, done) for shard in plan.shards if shard.actions]
        _raise_first(await asyncio.gather(*lanes, return_exceptions=True))
        return tuple(done)

    async def _sequence(self, seen: Seen, actions: Iterable[act.Action], done: list[act.Action]) -> None:
        for action in actions:
            kind = type(action).__name__
            try:
                await self._one(seen, action)
            except CovetError as error:
                self._count(kind, error.reason)
                raise ActionError(action, error) from error
            self._count(kind, "Done")
            done.append(action)
            _log.info(f"{kind} done", extra={"shard": getattr(action, "shard", None), "action": _brief(action)})

    async def _one(self, seen: Seen, action: act.Action) -> None:
        await _CARRIERS[type(action)](self, seen, action)

    # What belongs to the cluster

    async def _record_identity(self, seen: Seen, action: act.RecordIdentity) -> None:
        await self._still_wanted(seen)
        volumes = action.identity.born.deletion.volumes
        await self._kube.create(configs.identity(seen.ref, {record.KEY: record.encode(action.identity)}, volumes))

    async def _create_authority(self, seen: Seen, _action: act.CreateAuthority) -> None:
        made = await asyncio.to_thread(certificates.make_authority, seen.ref.name, self._clock.wall())
        await self._kube.create(secrets.authority(seen.ref, made, _born(seen).deletion.volumes))

    async def _issue_certificates(self, seen: Seen, action: act.IssueCertificates) -> None:
        authority = await self._authority(seen)
        shards = {instance.name: shard.name for shard in seen.facts.shards for instance in shard.instances}
        now = self._clock.wall()

        def issue() -> list[Manifest]:
            made: list[Manifest] = []
            for subject in action.subjects:
                if subject == names.OPERATOR_COMMON_NAME:
                    made.append(secrets.operator_certificate(seen.ref, certificates.issue_operator(authority, now)))
                    continue
                shard = shards[subject]
                addresses = certificates.instance_addresses(seen.ref.name, shard, subject, seen.ref.namespace)
                issued = certificates.issue_instance(authority, subject, addresses, now)
                made.append(secrets.instance_certificate(seen.ref, shard, subject, issued))
            return made

        await _bounded(functools.partial(self._kube.apply, manifest) for manifest in await asyncio.to_thread(issue))

    async def _create_user(self, seen: Seen, _action: act.CreateUser) -> None:
        authority = await self._authority(seen)
        born = _born(seen)
        await self._kube.create(
            secrets.user(
                seen.ref,
                database=born.database.name,
                username=born.database.owner,
                password=passwords.generate(),
                trust=authority.certificate,
                shards=[known.name for known in _identity(seen).shards],
                volumes=born.deletion.volumes,
            )
        )

    async def _create_map(self, seen: Seen, _action: act.CreateMap) -> None:
        born = _born(seen)
        shards = [(known.name, born.shards.weight(known.name)) for known in _identity(seen).shards]
        ring = covet_hasher.Map.initial(seen.ref.uid, shards)
        manifest = configs.ring_map(seen.ref, ring.to_json(), born.deletion.volumes)
        found = await self._kube.get(resources.CONFIG_MAP, seen.ref.namespace, names.ring_map(seen.ref.name))
        if found is None:
            await self._kube.create(manifest)
            return
        if _belongs_to_another(found, seen.ref.uid):
            raise RefusedError(
                "MapForeign",
                f"ConfigMap {names.ring_map(seen.ref.name)} is the map of an earlier cluster. Delete it if that"
                " cluster's data may go.",
            )
        await self._kube.replace({**found, "data": manifest["data"]})

    async def _apply_objects(self, seen: Seen, action: act.ApplyObjects | act.RepeatObjects) -> None:
        """Apply what is stale: StatefulSets last, for their pods need the rest."""
        first = [key for key in action.keys if key[0] != resources.STATEFUL_SET.kind]
        last = [key for key in action.keys if key[0] == resources.STATEFUL_SET.kind]
        await _bounded(functools.partial(self._apply, seen, key) for key in first)
        await _bounded(functools.partial(self._apply, seen, key) for key in last)

    async def _apply(self, seen: Seen, key: tuple[str, str, str]) -> None:
        entry = seen.wanted[key]
        manifest = entry.manifest
        if entry.metadata_only:
            patch = {"metadata": {field: manifest["metadata"][field] for field in ("labels", "ownerReferences")}}
            answer = await self._kube.merge(resources.of(manifest), key[1], key[2], patch)
        else:
            answer = await self._kube.apply(manifest)
        self._applied.remember(manifest, answer, self._clock.monotonic())

    async def _label_roles(self, seen: Seen, action: act.LabelRoles) -> None:
        await _bounded(
            functools.partial(
                self._kube.merge,
                resources.POD,
                seen.ref.namespace,
                pod,
                {"metadata": {"labels": {names.LABEL_ROLE: role}}},
            )
            for pod, role in action.roles
        )

    # What belongs to a shard

    async def _push_spec(self, seen: Seen, action: act.PushSpec) -> None:
        spec = seen.facts.wanted_specs[action.shard]
        await _bounded(
            functools.partial(self._agents.orders.put_spec, _peer(seen, action.shard, name), spec)
            for name in action.instances
        )

    async def _bootstrap(self, seen: Seen, action: act.Bootstrap) -> None:
        known = await self._fresh_record(seen, action.shard)
        if known.opened or known.system_id is not None or known.bootstrapped_by != action.instance:
            raise ConflictError("RecordChanged", f"The record of {action.shard} no longer asks for a bootstrap.")
        order = BootstrapOrder(cluster_uid=seen.ref.uid, shard_uid=known.uid)
        await self._agents.orders.bootstrap(_peer(seen, action.shard, action.instance), order)

    async def _record_system_id(self, seen: Seen, action: act.RecordSystemId) -> None:
        def change(known: ShardRecord) -> ShardRecord:
            if known.system_id not in {None, action.system_id}:
                raise ConflictError("RecordChanged", f"{action.shard} has another system id by now.")
            return ShardRecord(known.name, known.uid, known.bootstrapped_by, action.system_id, known.opened)

        await self._record(seen, action.shard, change)

    async def _clone(self, seen: Seen, action: act.Clone) -> None:
        known = await self._fresh_record(seen, action.shard)
        if known.system_id != action.system_id:
            raise ConflictError("RecordChanged", f"{action.shard} has another system id by now.")
        order = CloneOrder(leader=action.leader, system_id=action.system_id)
        await _bounded(
            functools.partial(self._agents.orders.clone, _peer(seen, action.shard, name), order)
            for name in action.instances
        )

    async def _grow_cohort(self, seen: Seen, action: act.GrowCohort) -> None:
        order = CohortOrder(instances=action.instances, acks=action.acks)
        await self._agents.orders.cohort(_peer(seen, action.shard, action.leader), order)

    async def _put_database(self, seen: Seen, action: act.PutDatabase) -> None:
        database = _born(seen).database
        name = names.user_secret(seen.ref.name, database.owner)
        found = await self._kube.get(resources.SECRET, seen.ref.namespace, name)
        try:
            verifier = passwords.verifier(secrets.values_of(found or {})["password"])
        except (KeyError, ValueError, TypeError) as error:
            raise RefusedError(
                "PasswordUnreadable",
                f"Secret {name} has no usable key `password` ({error}): write one of printable ASCII, or delete the"
                " Secret and a new one is made.",
            ) from error
        order = DatabaseOrder(name=database.name, owner=database.owner, verifier=verifier)
        await self._agents.orders.put_database(_peer(seen, action.shard, action.leader), order)

    async def _put_map(self, seen: Seen, action: act.PutMap) -> None:
        ring = seen.facts.ring_map
        if ring is None or ring.epoch != action.epoch:
            raise ConflictError("MapChanged", f"Epoch {action.epoch} is no longer the published map.")
        order = MapOrder(epoch=ring.epoch, document=ring.document)
        await self._agents.orders.put_map(_peer(seen, action.shard, action.leader), order)

    async def _record_opened(self, seen: Seen, action: act.RecordOpened) -> None:
        def change(known: ShardRecord) -> ShardRecord:
            if known.system_id is None:
                raise ConflictError("RecordChanged", f"{action.shard} has no system id in its record.")
            return ShardRecord(known.name, known.uid, known.bootstrapped_by, known.system_id, opened=True)

        await self._record(seen, action.shard, change)

    async def _open(self, seen: Seen, action: act.Open) -> None:
        known = await self._fresh_record(seen, action.shard)
        if not known.opened:
            raise ConflictError("RecordChanged", f"The record of {action.shard} does not say opened.")
        await self._agents.orders.open(_peer(seen, action.shard, action.leader), OpenOrder(shard_uid=known.uid))

    # Reading once more

    async def _still_wanted(self, seen: Seen) -> None:
        """Check that the object still stands, as it was seen.

        Raises:
            ConflictError: it is gone, being deleted, another one, paused or edited.
        """
        body = await self._kube.get(resources.CLUSTER, seen.ref.namespace, seen.ref.name)
        metadata = (body or {}).get("metadata") or {}
        if metadata.get("uid") != seen.ref.uid or "deletionTimestamp" in metadata:
            raise ConflictError("ClusterGone", f"{seen.ref.name} is gone or being deleted.")
        if metadata.get("generation") != seen.facts.generation:
            raise ConflictError("ClusterChanged", f"{seen.ref.name} was edited meanwhile.")

    async def _read_identity(self, seen: Seen) -> tuple[Manifest, Identity]:
        name = names.identity(seen.ref.name)
        found = await self._kube.get(resources.CONFIG_MAP, seen.ref.namespace, name)
        if found is None:
            raise ConflictError("IdentityGone", f"ConfigMap {name} is gone.")
        identity = record.decode((found.get("data") or {}).get(record.KEY, ""))
        if identity.cluster_uid != seen.ref.uid:
            raise ConflictError("IdentityChanged", f"ConfigMap {name} belongs to another cluster.")
        return found, identity

    async def _fresh_record(self, seen: Seen, shard: str) -> ShardRecord:
        await self._still_wanted(seen)
        _, identity = await self._read_identity(seen)
        return _known(identity, shard)

    async def _record(self, seen: Seen, shard: str, change: Callable[[ShardRecord], ShardRecord]) -> None:
        """Change the birth record of a shard by compare-and-set."""
        async with self._recording:
            await self._still_wanted(seen)
            found, identity = await self._read_identity(seen)
            known = _known(identity, shard)
            changed = change(known)
            if changed == known:
                return
            data = {**(found.get("data") or {}), record.KEY: record.encode(identity.with_shard(changed))}
            await self._kube.replace({**found, "data": data})

    async def _authority(self, seen: Seen) -> Authority:
        name = names.authority_secret(seen.ref.name)
        found = await self._kube.get(resources.SECRET, seen.ref.namespace, name)
        if found is None:
            raise ConflictError("AuthorityGone", f"Secret {name} is gone.")
        try:
            values = secrets.values_of(found)
            return Authority(values[secrets.CERTIFICATE], values[secrets.KEY])
        except (KeyError, ValueError, TypeError) as error:
            raise RefusedError("AuthorityInvalid", f"Secret {name} holds no authority: {error}.") from error


_Carrier = Callable[[Actor, Seen, Any], Coroutine[Any, Any, None]]

_CARRIERS: Final[dict[type[act.Action], _Carrier]] = {
    act.RecordIdentity: Actor._record_identity,  # noqa: SLF001 -- the table of the class above
    act.CreateAuthority: Actor._create_authority,  # noqa: SLF001 -- likewise
    act.IssueCertificates: Actor._issue_certificates,  # noqa: SLF001 -- likewise
    act.CreateUser: Actor._create_user,  # noqa: SLF001 -- likewise
    act.CreateMap: Actor._create_map,  # noqa: SLF001 -- likewise
    act.ApplyObjects: Actor._apply_objects,  # noqa: SLF001 -- likewise
    act.RepeatObjects: Actor._apply_objects,  # noqa: SLF001 -- likewise
    act.LabelRoles: Actor._label_roles,  # noqa: SLF001 -- likewise
    act.PushSpec: Actor._push_spec,  # noqa: SLF001 -- likewise
    act.Bootstrap: Actor._bootstrap,  # noqa: SLF001 -- likewise
    act.RecordSystemId: Actor._record_system_id,  # noqa: SLF001 -- likewise
    act.Clone: Actor._clone,  # noqa: SLF001 -- likewise
    act.GrowCohort: Actor._grow_cohort,  # noqa: SLF001 -- likewise
    act.PutDatabase: Actor._put_database,  # noqa: SLF001 -- likewise
    act.PutMap: Actor._put_map,  # noqa: SLF001 -- likewise
    act.RecordOpened: Actor._record_opened,  # noqa: SLF001 -- likewise
    act.Open: Actor._open,  # noqa: SLF001 -- likewise
}


async def _bounded(calls: Iterable[Callable[[], Awaitable[Any]]]) -> None:
    """Await calls, a few at a time; all are tried, then the first failure is raised."""
    gate = asyncio.Semaphore(_PARALLEL)

    async def one(call: Callable[[], Awaitable[Any]]) -> None:
        async with gate:
            await call()

    _raise_first(await asyncio.gather(*(one(call) for call in calls), return_exceptions=True))


def _raise_first(outcomes: Iterable[object]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _identity(seen: Seen) -> Identity:
    if seen.facts.identity is None:
        raise ConflictError("IdentityGone", f"{seen.ref.name} has no birth record.")
    return seen.facts.identity


def _born(seen: Seen) -> EffectiveSpec:
    return _identity(seen).born


def _known(identity: Identity, shard: str) -> ShardRecord:
    known = identity.shard(shard)
    if known is None:
        raise ConflictError("RecordGone", f"{shard} has no birth record.")
    return known


def _belongs_to_another(found: Manifest, uid: str) -> bool:
    """Return whether a published map is readable and of another cluster; a damaged one belongs to nobody."""
    try:
        return covet_hasher.Map.from_json((found.get("data") or {}).get(configs.MAP_KEY, "")).cluster != uid
    except covet_hasher.RingError:
        return False


def _peer(seen: Seen, shard: str, instance: str) -> Peer:
    return agents.peer_of(instance, names.shard_set(seen.ref.name, shard), seen.ref.namespace)


def _brief(action: act.Action) -> str:
    """Return an action as one line for the log; objects by name, never their content."""
    if isinstance(action, act.RecordIdentity):
        return type(action).__name__
    return str(action)
