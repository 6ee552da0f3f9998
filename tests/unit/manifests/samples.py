"""Clusters to build objects for, and every object of one of them."""

import datetime as dt
import functools
from typing import Any

from covet.api import effective, spec
from covet.core import names
from covet.manifests import accounts, certificates, configs, instances, policies, secrets, services
from covet.manifests.metadata import ClusterRef, Manifest
from covet.manifests.pods import Image

CLUSTER = ClusterRef(name="shop", namespace="store", uid="9b7f1f2e-0000-4000-8000-000000000001")
IMAGE = Image("localhost/covet-postgres:15-dev")
NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)


def wanted(**fields: Any) -> effective.EffectiveSpec:
    """Return the effective spec of two shards, with fields of the spec replaced."""
    document = {
        "engine": {"name": "PostgreSQL", "version": "15"},
        "shards": {"count": 2},
        "storage": {"size": "10Gi"},
        **fields,
    }
    return effective.effective(spec.ClusterSpec.model_validate(document))


@functools.cache
def authority() -> certificates.Authority:
    """Return one authority for all tests: making it costs time and changes nothing."""
    return certificates.make_authority(CLUSTER.name, NOW)


def every_object(asked: effective.EffectiveSpec, cluster: ClusterRef = CLUSTER) -> list[Manifest]:
    """Return every object that makes up a cluster, in the order in which they can be applied."""
    volumes = asked.deletion.volumes
    shards = [names.shard(index) for index in range(asked.shards.count)]
    found = [
        configs.identity(cluster, {"identity.json": "{}"}, volumes),
        configs.ring_map(cluster, "{}", volumes),
        configs.trust(cluster, authority().certificate),
        secrets.authority(cluster, authority(), volumes),
        secrets.operator_certificate(cluster, certificates.issue_operator(authority(), NOW)),
        secrets.user(
            cluster,
            database=asked.database.name,
            username=asked.database.owner,
            password="secret",  # noqa: S106 - a sample
            trust=authority().certificate,
            shards=shards,
            volumes=volumes,
        ),
    ]
    for shard in shards:
        found += shard_objects(asked, cluster, shard)
    return found


def shard_objects(asked: effective.EffectiveSpec, cluster: ClusterRef, shard: str) -> list[Manifest]:
    """Return every object of one shard."""
    found = [
        accounts.service_account(cluster, shard),
        accounts.role(cluster, shard),
        accounts.role_binding(cluster, shard),
        policies.network(cluster, shard, "covet-system", (443, 6443)),
        policies.disruption_budget(cluster, shard),
        configs.shard_spec(cluster, shard, "{}"),
        services.headless(cluster, shard),
        services.read_write(cluster, shard),
        services.read_only(cluster, shard),
        services.read_write_slice(cluster, shard, names.instance(cluster.name, shard, "a"), "10.244.1.7", "node-1"),
    ]
    for index in range(asked.shards.instances):
        name = names.instance(cluster.name, shard, names.letter(index))
        addresses = certificates.instance_addresses(cluster.name, shard, name, cluster.namespace)
        issued = certificates.issue_instance(authority(), name, addresses, NOW)
        found.append(secrets.instance_certificate(cluster, shard, name, issued))
        found.append(instances.stateful_set(cluster, shard, names.letter(index), asked, IMAGE))
    return found
