"""Asking every instance of a cluster how it is: its StatefulSet, its pod, and its agent, all in parallel."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Final

from covet.controllers import agents, pods, reading, stranding
from covet.controllers.agents import Agents, Credentials
from covet.core import events, names
from covet.core.agentapi import AgentStatus, Peer
from covet.core.clock import Clock
from covet.core.errors import CovetError
from covet.kube import resources
from covet.kube.client import Kube
from covet.kube.ledger import Key
from covet.kube.resources import Manifest
from covet.manifests import secrets
from covet.manifests.metadata import ClusterRef
from covet.planner import forcing, scaling
from covet.planner import shard as shards
from covet.planner.facts import Finding, InstanceFacts, PodFacts, ShardFacts
from covet.planner.record import Identity

TAKE_UP: Final = 5.0
"""Seconds after new parameters until an agent that does not say what it applied is taken to go by them."""


class Asker:
    """Looks at the instances of one cluster.

    Args:
        agents: connections to their agents.
    """

    def __init__(self, kube: Kube, clock: Clock, agents: Agents) -> None:
        self._kube = kube
        self._clock = clock
        self._agents = agents
        self._parameters: dict[str, tuple[Mapping[str, str], float]] = {}
        self._stuck: dict[str, float] = {}

    async def look(
        self, ref: ClusterRef, identity: Identity | None, objects: Mapping[Key, Manifest], wanted: int | None
    ) -> tuple[ShardFacts, ...]:
        """Look at every shard of the record; without a record, at what is left of one.

        Args:
            ref: the cluster.
            identity: its birth record.
            objects: everything that carries its label.
            wanted: how many instances a shard shall have, None if that is not known now.
        """
        if identity is None:
            return reading.remains(ref, objects)
        if identity.owner_uid != ref.uid:
            return ()
        count = identity.born.shards.instances if wanted is None else wanted
        present = {
            known.name: scaling.present(ref.name, known.name, count, _existing(known.name, objects), known.first)
            for known in identity.shards
        }
        await self._connect(ref, present, objects)
        looks = (self._shard(ref, shard, instances, objects) for shard, instances in present.items())
        return tuple(self._timed(ref, identity, seen) for seen in await asyncio.gather(*looks))

    def _timed(self, ref: ClusterRef, identity: Identity, seen: ShardFacts) -> ShardFacts:
        """Return a shard with for how long it has been without a way to a leader, by what this process saw."""
        known, now = identity.shard(seen.name), self._clock.monotonic()
        if known is None or not forcing.is_stuck(seen, known, ref.name):
            self._stuck.pop(seen.name, None)
            return seen
        return dataclasses.replace(seen, stuck=now - self._stuck.setdefault(seen.name, now))

    async def inside(self, ref: ClusterRef, identity: Identity, seen: tuple[ShardFacts, ...]) -> tuple[ShardFacts, ...]:
        """Return shards with what their leaders say of the application's database."""

        async def look(shard: ShardFacts) -> ShardFacts:
            leader = shards.leader_of(shard, identity.shard(shard.name))
            if leader is None:
                return shard
            with contextlib.suppress(CovetError):
                found = await self._agents.orders.inside(_peer(ref, shard.name, leader[0].name))
                return dataclasses.replace(shard, inside=found)
            return shard

        return tuple(await asyncio.gather(*map(look, seen)))

    async def _connect(
        self, ref: ClusterRef, present: Mapping[str, tuple[str, ...]], objects: Mapping[Key, Manifest]
    ) -> None:
        secret = objects.get(("Secret", ref.namespace, names.operator_secret(ref.name)))
        if secret is None:
            return
        addresses: dict[str, str] = {}
        for shard, instances in present.items():
            for instance in instances:
                pod = objects.get(("Pod", ref.namespace, names.pod(instance)))
                address = (pod.get("status") or {}).get("podIP") if pod is not None else None
                if address:
                    addresses[_peer(ref, shard, instance).address] = address
        values = reading.secret_values(secret)
        try:
            credentials = Credentials(values[secrets.CERTIFICATE], values[secrets.KEY], values[secrets.TRUST])
            await self._agents.use(credentials, addresses)
        except (KeyError, OSError):
            # An unreadable certificate is found by `_certificates` and issued anew; until then nobody can be asked.
            await self._agents.close()

    async def _shard(
        self, ref: ClusterRef, shard: str, instances: tuple[str, ...], objects: Mapping[Key, Manifest]
    ) -> ShardFacts:
        found = await asyncio.gather(*(self._instance(ref, shard, name, objects) for name in instances))
        published = reading.published_spec(objects, ref, shard)
        if self._are_new(shard, published.parameters if published is not None else {}):
            found = [_doubted(seen) for seen in found]
        return ShardFacts(
            name=shard,
            instances=tuple(found),
            published=published,
            endpoint=reading.endpoint(
                objects.get(("EndpointSlice", ref.namespace, names.read_write_slice(ref.name, shard)))
            ),
        )

    def _are_new(self, shard: str, parameters: Mapping[str, str]) -> bool:
        """Return whether the parameters of a shard were published a moment ago; those of the first look were not."""
        now = self._clock.monotonic()
        known, since = self._parameters.get(shard, (parameters, now - TAKE_UP))
        if known != parameters:
            since = now
        self._parameters[shard] = (parameters, since)
        return now - since < TAKE_UP

    async def _instance(self, ref: ClusterRef, shard: str, name: str, objects: Mapping[Key, Manifest]) -> InstanceFacts:
        stateful_set = objects.get(("StatefulSet", ref.namespace, name))
        pod = objects.get(("Pod", ref.namespace, names.pod(name)))
        observed = pods.is_observed(stateful_set)
        if pod is None:
            self._agents.forget(name)
            problem = await self._creation_problem(name, ref, stateful_set)
            return InstanceFacts(name, problem=problem, observed=observed)
        read = pods.read(pod, stateful_set, self._clock.wall())
        if not _askable(read):
            self._agents.forget(name)
            waits = read.problem is not None and read.problem.reason == events.UNSCHEDULABLE
            lost = waits and await stranding.stranded_claim(self._kube, ref.namespace, name) is not None
            return InstanceFacts(name, read, observed=observed, stranded=lost)
        return InstanceFacts(name, read, await self._agents.ask(_peer(ref, shard, name)), observed=observed)

    async def _creation_problem(self, name: str, ref: ClusterRef, stateful_set: Manifest | None) -> Finding | None:
        if stateful_set is None:
            return None
        about = f"involvedObject.kind=StatefulSet,involvedObject.name={name},type=Warning"
        found = await self._kube.list(resources.EVENT, ref.namespace, fields=about)
        return pods.creation_problem(name, found, self._clock.wall())


def _existing(shard: str, objects: Mapping[Key, Manifest]) -> set[str]:
    """Return the instances of a shard that have a StatefulSet."""
    return {
        name
        for (kind, _, name), item in objects.items()
        if kind == resources.STATEFUL_SET.kind
        and (item["metadata"].get("labels") or {}).get(names.LABEL_SHARD) == shard
    }


def _doubted(seen: InstanceFacts) -> InstanceFacts:
    """Return an instance whose agent, unless it says otherwise, does not go by its newest spec yet."""
    answer = seen.agent
    if not isinstance(answer, AgentStatus) or answer.applied_generation is not None:
        return seen
    return dataclasses.replace(seen, agent=dataclasses.replace(answer, applied_generation=answer.spec_generation - 1))


def _askable(pod: PodFacts) -> bool:
    return pod.running and pod.address is not None


def _peer(ref: ClusterRef, shard: str, instance: str) -> Peer:
    return agents.peer_of(instance, names.shard_set(ref.name, shard), ref.namespace)
