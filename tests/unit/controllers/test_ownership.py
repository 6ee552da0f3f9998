"""Names that others have: what is not ours is never taken, and a person is told."""

from typing import Any

import pytest

from covet.core import events
from covet.kube import resources
from covet.kube.resources import Resource
from tests.unit.controllers.conftest import NAMESPACE, Bench

NAMES = [
    (resources.SERVICE, "shop-s0"),
    (resources.SERVICE, "shop-s0-rw"),
    (resources.SERVICE_ACCOUNT, "shop-s0"),
    (resources.STATEFUL_SET, "shop-s0-b"),
    (resources.CONFIG_MAP, "shop-trust"),
    (resources.CONFIG_MAP, "shop-map"),
    (resources.SECRET, "shop-ca"),
    (resources.SECRET, "shop-app"),
    (resources.SECRET, "shop-operator-tls"),
    (resources.SECRET, "shop-s0-a-tls"),
    (resources.ENDPOINT_SLICE, "shop-s0-rw"),
    (resources.NETWORK_POLICY, "shop-s0"),
    (resources.BUDGET, "shop-s0"),
]


def occupy(bench: Bench, resource: Resource, name: str, **metadata: Any) -> dict[str, Any]:
    """Put an object of another application at a name."""
    return bench.server.put(
        {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "web"}, **metadata},
        }
    )


@pytest.mark.parametrize(("resource", "name"), NAMES)
async def test_a_name_of_another_stops_a_birth(bench: Bench, resource: Resource, name: str) -> None:
    """Nothing but the record is made; the stranger's object stays as it was, and a person is told which it is."""
    before = dict(occupy(bench, resource, name))
    bench.declare()
    for _ in range(5):
        await bench.reconciler.once()
    assert before == bench.server.get(resource, NAMESPACE, name)
    assert events.NAME_TAKEN == bench.condition("Stalled")["reason"]
    assert f"{resource.kind} {name} " in bench.condition("Stalled")["message"]
    assert [events.NAME_TAKEN] == bench.events()
    others = {"covetclusters", "events"}
    assert ["shop-identity"] == [write.name for write in bench.server.writes if write.resource not in others]


@pytest.mark.parametrize(("resource", "name"), NAMES)
async def test_a_birth_goes_on_when_the_name_is_free(bench: Bench, resource: Resource, name: str) -> None:
    """The stranger leaves and the cluster is made."""
    occupy(bench, resource, name)
    bench.declare()
    for _ in range(3):
        await bench.reconciler.once()
    bench.server.delete(resource, NAMESPACE, name)
    await bench.settle()
    assert {} == bench.condition("Stalled")


async def test_a_living_cluster_heals_everything_else(bench: Bench) -> None:
    """Somebody puts a Service of their own in the place of ours: it stays, and the rest is still healed."""
    await bench.born()
    bench.server.delete(resources.SERVICE, NAMESPACE, "shop-s0-ro")
    bench.server.delete(resources.SERVICE, NAMESPACE, "shop-s0-rw")
    before = dict(occupy(bench, resources.SERVICE, "shop-s0-ro"))
    for _ in range(3):
        await bench.reconciler.once()
    assert before == bench.server.get(resources.SERVICE, NAMESPACE, "shop-s0-ro")
    assert bench.server.get(resources.SERVICE, NAMESPACE, "shop-s0-rw") is not None
    assert events.NAME_TAKEN == bench.condition("Stalled")["reason"]
    assert "True" == bench.condition("Available")["status"]


async def test_a_label_does_not_make_a_controlled_object_ours(bench: Bench) -> None:
    """Our label on an object that another one controls is a copy: it is not touched."""
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u", "controller": True}
    labels = {"covet.dev/cluster": "shop"}
    before = dict(occupy(bench, resources.SERVICE, "shop-s0", labels=labels, ownerReferences=[owner]))
    bench.declare()
    for _ in range(3):
        await bench.reconciler.once()
    assert before == bench.server.get(resources.SERVICE, NAMESPACE, "shop-s0")
    assert "Deployment web" in bench.condition("Stalled")["message"]


async def test_what_an_earlier_cluster_left_is_waited_for(bench: Bench) -> None:
    """Objects of a deleted cluster of the same name are going: nothing stalls, nothing is taken."""
    owner = {"apiVersion": "covet.dev/v1alpha1", "kind": "CovetCluster", "name": "shop", "uid": "u", "controller": True}
    labels = {"covet.dev/cluster": "shop"}
    before = dict(occupy(bench, resources.SERVICE, "shop-s0", labels=labels, ownerReferences=[owner]))
    bench.declare()
    for _ in range(3):
        await bench.reconciler.once()
    assert before == bench.server.get(resources.SERVICE, NAMESPACE, "shop-s0")
    assert (events.NAME_TAKEN, {}) == (bench.condition("Ready")["reason"], bench.condition("Stalled"))


async def test_an_object_of_ours_that_lost_its_labels_gets_them_back(bench: Bench) -> None:
    """Its owner still says whose it is."""
    await bench.born()
    found = bench.server.get(resources.SERVICE, NAMESPACE, "shop-s0")
    assert found is not None
    bench.server.put({**found, "metadata": {**found["metadata"], "labels": {}}})
    await bench.settle()
    found = bench.server.get(resources.SERVICE, NAMESPACE, "shop-s0")
    assert found is not None
    assert "shop" == found["metadata"]["labels"]["covet.dev/cluster"]
