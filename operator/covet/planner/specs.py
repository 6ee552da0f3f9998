"""The spec that the agents of a shard work by, and its generation.

The generation rises when the content changes. It is kept in the shard's ConfigMap; should that
be lost, the agents know what they have seen, so the next generation lies above theirs.
"""

import dataclasses

from covet.api.effective import EffectiveSpec
from covet.core import names
from covet.core.agentapi import Peer, ShardSpec
from covet.planner import scaling
from covet.planner.facts import ShardFacts
from covet.planner.record import Identity, ShardRecord


def wanted_spec(
    cluster: tuple[str, str],
    identity: Identity,
    record: ShardRecord,
    spec: EffectiveSpec,
    seen: ShardFacts | None,
    *,
    fenced: tuple[str, ...] = (),
) -> ShardSpec:
    """Return what the agents of a shard should work by.

    Args:
        cluster: its name and namespace.
        identity: who the cluster is.
        record: the birth record of the shard.
        spec: the effective spec in force.
        seen: what was observed of the shard, None before anything was.
        fenced: the instances of the cluster that a person keeps out of service.
    """
    name, namespace = cluster
    existing = {instance.name for instance in seen.instances} if seen is not None else set()
    present = scaling.present(name, record.name, spec.shards.instances, existing, record.first)
    content = ShardSpec(
        generation=0,
        cluster=name,
        cluster_uid=identity.cluster_uid,
        namespace=namespace,
        shard=record.name,
        shard_uid=record.uid,
        engine_version=spec.engine.version,
        bootstrapped_by=record.bootstrapped_by,
        opened=record.opened,
        durability=spec.durability,
        peers=_peers(name, namespace, record.name, present),
        instances=spec.shards.instances,
        parameters=dict(spec.engine.parameters),
        fenced=tuple(instance for instance in fenced if instance in present),
        owner_uid=identity.adopted_by,
    )
    return dataclasses.replace(content, generation=_generation(content, seen))


def _generation(content: ShardSpec, seen: ShardFacts | None) -> int:
    if seen is None:
        return 1
    known = max((answer.spec_generation for _, answer in seen.answers()), default=0)
    if seen.published is None:
        return known + 1
    same = dataclasses.replace(seen.published, generation=0) == content
    if same and known <= seen.published.generation:
        return seen.published.generation
    return max(known, seen.published.generation) + 1


def _peers(cluster: str, namespace: str, shard: str, instances: tuple[str, ...]) -> tuple[Peer, ...]:
    shard_set = names.shard_set(cluster, shard)
    return tuple(
        Peer(
            instance=instance,
            address=names.pod_address(instance, shard_set, namespace),
            agent_port=names.AGENT_PORT,
            voter_port=names.VOTER_PORT,
            sql_port=names.SQL_PORT,
        )
        for instance in instances
    )
