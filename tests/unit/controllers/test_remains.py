"""A birth is recorded only where nothing of a cluster of that name is left."""

from typing import Any

import pytest

from covet.controllers import making
from covet.core import events
from covet.core.errors import ConflictError, CovetError, RefusedError
from covet.kube import resources
from covet.planner import actions as act
from covet.planner import record
from tests.unit.controllers.conftest import NAMESPACE, Bench

FORMER = {
    "apiVersion": "covet.dev/v1alpha1",
    "kind": "CovetCluster",
    "name": "shop",
    "uid": "former",
    "controller": True,
}
SET = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "shop-s0-a", "uid": "set"}
OURS = {"covet.dev/cluster": "shop", "app.kubernetes.io/managed-by": "covet"}


def claim(**metadata: Any) -> dict[str, Any]:
    """Return the claim of an instance's volume."""
    labels = {"covet.dev/cluster": "shop", "covet.dev/shard": "s0", "covet.dev/instance": "shop-s0-a"}
    named = {"name": "data-shop-s0-a-0", "namespace": NAMESPACE, "labels": labels, **metadata}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": named}


def secret(name: str, labels: dict[str, str], **metadata: Any) -> dict[str, Any]:
    """Return a Secret of the cluster."""
    named = {"name": name, "namespace": NAMESPACE, "labels": labels, **metadata}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": named}


LEFT = [claim(), secret("shop-ca", OURS), secret("shop-app", OURS)]
GOING = [
    claim(ownerReferences=[SET]),
    claim(deletionTimestamp="2026-01-01T00:00:00Z"),
    secret("shop-s0-a-tls", OURS, ownerReferences=[FORMER]),
    secret("shop-ca", OURS, ownerReferences=[FORMER]),
]


def unrecorded(bench: Bench) -> bool:
    """Return whether no birth record was made."""
    return bench.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-identity") is None


@pytest.mark.parametrize("left", LEFT, ids=lambda item: item["metadata"]["name"])
async def test_what_an_earlier_cluster_left_stops_a_birth(bench: Bench, left: dict[str, Any]) -> None:
    """A kept volume or Secret without a record: a person is asked, and nothing is made."""
    before = dict(bench.server.put(left))
    bench.declare()
    for _ in range(3):
        await bench.reconciler.once()
    assert events.KEPT_IDENTITY == bench.condition("Stalled")["reason"]
    assert f"{left['kind']} {left['metadata']['name']}" in bench.condition("Stalled")["message"]
    assert [events.KEPT_IDENTITY] == bench.events()
    others = {"covetclusters", "events"}
    assert [] == [write for write in bench.server.writes if write.resource not in others]
    resource = resources.of(left)
    assert before == bench.server.get(resource, NAMESPACE, left["metadata"]["name"])
    bench.server.delete(resource, NAMESPACE, left["metadata"]["name"])
    await bench.settle()
    assert {} == bench.condition("Stalled")


@pytest.mark.parametrize("going", GOING, ids=lambda item: item["metadata"]["name"])
async def test_what_goes_by_itself_is_waited_for(bench: Bench, going: dict[str, Any]) -> None:
    """Kubernetes deletes it after its owner: nothing is recorded before, and nobody is asked."""
    bench.server.put(going)
    bench.declare()
    for _ in range(3):
        await bench.reconciler.once()
    assert (events.NAME_TAKEN, {}) == (bench.condition("Ready")["reason"], bench.condition("Stalled"))
    assert unrecorded(bench)
    bench.server.delete(resources.of(going), NAMESPACE, going["metadata"]["name"])
    await bench.settle()


@pytest.mark.parametrize(
    "own",
    [
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "shop-s0-a"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-s0-a-tls"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop-s0"}},
    ],
    ids=lambda item: item["kind"],
)
async def test_what_this_object_owns_says_that_the_record_was_lost(bench: Bench, own: dict[str, Any]) -> None:
    """Whichever object of the cluster is left, its birth is not recorded a second time."""
    uid = bench.declare()["metadata"]["uid"]
    metadata = {"namespace": NAMESPACE, "labels": OURS, "ownerReferences": [{**FORMER, "uid": uid}]}
    bench.server.put({**own, "metadata": {**own["metadata"], **metadata}})
    await bench.reconciler.once()
    assert events.IDENTITY_CONTRADICTED == bench.condition("Stalled")["reason"]
    assert unrecorded(bench)


async def test_a_secret_that_a_person_labelled_hinders_nothing(bench: Bench) -> None:
    """What Covet makes carries more labels than the one that a person may put on a Secret."""
    bench.server.put(secret("shop-backup", {"covet.dev/cluster": "shop"}))
    await bench.born()
    assert "True" == bench.condition("Ready")["status"]


@pytest.mark.parametrize(
    ("left", "kind", "reason"),
    [
        (LEFT[0], RefusedError, events.KEPT_IDENTITY),
        (LEFT[1], RefusedError, events.KEPT_IDENTITY),
        (GOING[0], ConflictError, events.NAME_TAKEN),
    ],
)
async def test_it_is_looked_at_once_more_before_the_record_is_made(
    bench: Bench, left: dict[str, Any], kind: type[CovetError], reason: str
) -> None:
    """A claim or a Secret that came to light after the look stops the record."""
    body = bench.declare()
    seen = await bench.reconciler._observer.look(body)
    assert seen.facts.spec is not None
    identity = record.conceive("shop", seen.ref.uid, seen.facts.spec)
    bench.server.put(left)
    with pytest.raises(kind) as refused:
        await making.record_identity(bench.reconciler._means, seen, act.RecordIdentity(identity))
    assert (reason, True) == (refused.value.reason, unrecorded(bench))


async def test_a_record_that_is_there_is_never_written_over(bench: Bench) -> None:
    """Somebody puts the record back between the look and the act: it stays as it is."""
    body = bench.declare()
    seen = await bench.reconciler._observer.look(body)
    assert seen.facts.spec is not None
    identity = record.conceive("shop", seen.ref.uid, seen.facts.spec)
    metadata = {"name": "shop-identity", "namespace": NAMESPACE}
    bench.server.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"identity.json": "old"}})
    with pytest.raises(ConflictError):
        await making.record_identity(bench.reconciler._means, seen, act.RecordIdentity(identity))
    found = bench.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-identity")
    assert found is not None
    assert {"identity.json": "old"} == found["data"]


async def test_an_instance_that_leaves_takes_its_certificate_along(bench: Bench) -> None:
    """A shard gets smaller: no key of an instance that is gone stays; grown again, it has a new one."""
    await bench.born()
    before = bench.server.objects[resources.SECRET, NAMESPACE, "shop-s0-c-tls"]["metadata"]["uid"]
    bench.declare(shards={"count": 1, "instances": 1})
    await bench.settle()
    left = {name for resource, _, name in bench.server.objects if resource == resources.SECRET}
    assert {"shop-s0-a-tls"} == {name for name in left if name.startswith("shop-s0-")}
    bench.declare()
    await bench.settle()
    assert before != bench.server.objects[resources.SECRET, NAMESPACE, "shop-s0-c-tls"]["metadata"]["uid"]
