"""What people change by hand on the objects of a cluster is put back, and told."""

from collections.abc import Callable
from typing import Any

import pytest

from covet.controllers import report
from covet.core import names
from covet.kube import resources
from covet.kube.resources import Manifest, Resource
from covet.planner import drift
from tests.unit.controllers.conftest import NAMESPACE, Bench

OBJECTS = [
    (resources.SERVICE, "shop-s0-rw"),
    (resources.SERVICE, "shop-s0"),
    (resources.STATEFUL_SET, "shop-s0-b"),
    (resources.BUDGET, "shop-s0"),
    (resources.NETWORK_POLICY, "shop-s0"),
    (resources.CONFIG_MAP, "shop-s0-config"),
    (resources.CONFIG_MAP, "shop-trust"),
    (resources.SERVICE_ACCOUNT, "shop-s0"),
    (resources.ROLE, "shop-s0"),
    (resources.ROLE_BINDING, "shop-s0"),
]


def unlabelled(item: Manifest) -> Manifest:
    """Return an object without the label by which it is found."""
    labels = {key: value for key, value in item["metadata"]["labels"].items() if key != names.LABEL_CLUSTER}
    return {**item, "metadata": {**item["metadata"], "labels": labels}}


def scaled(item: Manifest) -> Manifest:
    """Return a StatefulSet without pods."""
    return {**item, "spec": {**item["spec"], "replicas": 0}}


def rewritten(item: Manifest) -> Manifest:
    """Return a ConfigMap that says something else."""
    return {**item, "data": dict.fromkeys(item["data"], "{}")}


def exposed(item: Manifest) -> Manifest:
    """Return a Service that leads elsewhere, as `kubectl patch` leaves it behind."""
    port: dict[str, Any] = {**item["spec"]["ports"][0], "port": 9999}
    fields: dict[str, Any] = {"f:spec": {"f:ports": {'k:{"port":9999,"protocol":"TCP"}': {"f:port": {}}}}}
    entry = {"manager": "kubectl-patch", "operation": "Update", "fieldsV1": fields}
    metadata = {**item["metadata"], "managedFields": [entry]}
    return {**item, "metadata": metadata, "spec": {**item["spec"], "ports": [port]}}


def evicting(item: Manifest) -> Manifest:
    """Return a budget that lets every pod go."""
    return {**item, "spec": {**item["spec"], "maxUnavailable": 3}}


def admitting(item: Manifest) -> Manifest:
    """Return a NetworkPolicy that lets everybody in."""
    return {**item, "spec": {**item["spec"], "ingress": [{}]}}


Edit = Callable[[Manifest], Manifest]

EDITS: list[tuple[Resource, str, Edit, str]] = [
    (resources.STATEFUL_SET, "shop-s0-b", scaled, "spec.replicas"),
    (resources.CONFIG_MAP, "shop-trust", rewritten, "data[ca.crt]"),
    (resources.SERVICE, "shop-s0-rw", exposed, "spec.ports[sql].port had been changed by kubectl-patch"),
    (resources.BUDGET, "shop-s0", evicting, "spec.maxUnavailable"),
    (resources.NETWORK_POLICY, "shop-s0", admitting, "spec.ingress"),
    (resources.CONFIG_MAP, "shop-s0-config", rewritten, "data[spec.json]"),
    (resources.SERVICE_ACCOUNT, "shop-s0", unlabelled, "metadata.labels[covet.dev/cluster]"),
]


def told(bench: Bench) -> list[str]:
    """Return what Events say of drift, sorted."""
    return sorted(
        item["message"]
        for (kind, _, _), item in bench.server.objects.items()
        if kind == resources.EVENT and item.get("reason") == "DriftHealed"
    )


def wishes(bench: Bench) -> dict[str, Any]:
    """Return what was asked for of the objects, with their labels."""
    found: dict[str, Any] = {}
    for resource, name in OBJECTS:
        item = bench.server.objects[resource, NAMESPACE, name]
        parts = {part: item[part] for part in item if part not in {"metadata", "status"}}
        if name == "shop-s0-config":
            # Agents take a newer generation only: what was published anew has another one.
            parts.pop("data")
        found[f"{resource.kind} {name}"] = (parts, dict(item["metadata"]["labels"]))
    return found


async def born(bench: Bench, **spec: Any) -> dict[str, Any]:
    """Make a shard of three, of which nothing has drifted; return what was asked for of its objects."""
    bench.declare(**spec)
    await bench.settle()
    await bench.settle()
    assert [] == told(bench)
    return wishes(bench)


async def test_what_is_deleted_comes_back_and_is_told(bench: Bench) -> None:
    """Whatever somebody deletes is there again in one round, in a handful of Events that name all of it."""
    before = await born(bench)
    for resource, name in OBJECTS:
        bench.server.objects.pop((resource, NAMESPACE, name))
    await bench.reconciler.once()
    assert before == wishes(bench)
    assert drift.OBJECTS + 1 == len(told(bench))
    assert all(name in " ".join(told(bench)) for name in before)


@pytest.mark.parametrize(
    ("resource", "name", "edit", "field"), EDITS, ids=lambda value: str(getattr(value, "kind", ""))
)
async def test_what_is_edited_is_put_back_and_told(
    bench: Bench, resource: Resource, name: str, edit: Edit, field: str
) -> None:
    """One round, one Event: object, field, and whose it was."""
    before = await born(bench, shards={"count": 1, "instances": 3})
    bench.server.put(edit(bench.server.objects[resource, NAMESPACE, name]))
    await bench.reconciler.once()
    assert before == wishes(bench)
    (message,) = told(bench)
    assert message.startswith(f"{resource.kind} {name}: {field}")


async def test_who_fights_is_told_of_once_in_ten_minutes(bench: Bench) -> None:
    """A tool that changes the same field again and again gets one Event, counted up later."""
    await born(bench)
    for _ in range(5):
        bench.server.put(exposed(bench.server.objects[resources.SERVICE, NAMESPACE, "shop-s0-rw"]))
        await bench.reconciler.once()
    assert 1 == len(told(bench))


async def test_who_changes_ever_other_fields_leaves_room_for_other_events(bench: Bench) -> None:
    """However many different things are changed, drift takes its share of the Events and no more."""
    await born(bench)
    for round_ in range(12):
        found = bench.server.objects[resources.SERVICE, NAMESPACE, "shop-s0-rw"]
        entry = {"manager": f"tool-{round_}", "operation": "Update", "fieldsV1": {"f:spec": {}}}
        metadata = {**found["metadata"], "managedFields": [entry]}
        bench.server.put({**found, "metadata": metadata, "spec": {**found["spec"], "type": "NodePort"}})
        await bench.reconciler.once()
    assert report.SHARES["DriftHealed"] == len(told(bench))


async def test_an_edit_of_the_spec_is_no_drift(bench: Bench) -> None:
    """What the operator changes because it was asked to is told to nobody as drift."""
    await born(bench)
    bench.declare(
        durability="Async",
        scheduling={"nodeSelector": {"disk": "ssd"}},
        deletion={"volumes": "Delete"},
        engine={"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "9MB"}},
    )
    await bench.settle()
    await bench.settle()
    assert [] == told(bench)


async def test_instances_that_left_and_come_again_are_no_drift(bench: Bench) -> None:
    """The operator removes and makes StatefulSets as it is asked to; nobody deleted them."""
    await born(bench, shards={"count": 1, "instances": 3})
    for instances in (1, 3):
        bench.declare(shards={"count": 1, "instances": instances})
        await bench.settle(80)
        await bench.settle()
    assert [] == told(bench)


async def test_a_new_operator_reports_no_drift(bench: Bench) -> None:
    """A new process, of whatever version, applies everything once and blames nobody; it heals all the same."""
    before = await born(bench)
    bench.server.put(scaled(bench.server.objects[resources.STATEFUL_SET, NAMESPACE, "shop-s0-b"]))
    await bench.reconciler.close()
    bench.restart()
    await bench.settle()
    assert before == wishes(bench)
    assert [] == told(bench)


async def test_a_paused_cluster_is_healed_and_told_afterwards(bench: Bench) -> None:
    """While paused, nothing is put back and nothing told."""
    before = await born(bench)
    bench.declare(maintenance={"paused": True})
    await bench.reconciler.once()
    bench.server.put(evicting(bench.server.objects[resources.BUDGET, NAMESPACE, "shop-s0"]))
    await bench.reconciler.once()
    assert [] == told(bench)
    bench.declare()
    await bench.settle()
    assert before == wishes(bench)
    assert 1 == len(told(bench))
