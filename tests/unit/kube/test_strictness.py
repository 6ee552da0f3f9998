"""The API server of the tests refuses and drops what the real one does."""

from typing import Any

import pytest

from covet.core.errors import RefusedError
from covet.kube import resources
from covet.kube.client import Kube
from covet.testing.apiserver import ApiServer


def owner(uid: str) -> dict[str, Any]:
    """Return the reference to a controller."""
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": uid, "controller": True}


def stateful_set(**changes: Any) -> dict[str, Any]:
    """Return a StatefulSet."""
    spec = {"replicas": 1, "serviceName": "web", "template": {"metadata": {}}, **changes}
    metadata = {"name": "web", "namespace": "ns"}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}


def secret(**fields: Any) -> dict[str, Any]:
    """Return a Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web", "namespace": "ns"}, **fields}


def cluster(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a CovetCluster."""
    metadata = {"name": "shop", "namespace": "ns"}
    return {"apiVersion": "covet.dev/v1alpha1", "kind": "CovetCluster", "metadata": metadata, "spec": spec}


async def test_an_object_has_one_controller(kube: Kube) -> None:
    """A second controller is refused, whichever way it is written."""
    await kube.create(stateful_set())
    owners = {"ownerReferences": [owner("one"), owner("two")]}
    with pytest.raises(RefusedError) as merged:
        await kube.merge(resources.STATEFUL_SET, "ns", "web", {"metadata": owners})
    with pytest.raises(RefusedError) as applied:
        await kube.apply({**stateful_set(), "metadata": {"name": "web", "namespace": "ns", **owners}})
    with pytest.raises(RefusedError) as created:
        await kube.create({**secret(), "metadata": {"name": "web", "namespace": "ns", **owners}})
    assert {"Invalid"} == {refused.value.reason for refused in (merged, applied, created)}


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"replicas": 2}, True),
        ({"template": {"metadata": {"labels": {"a": "b"}}}}, True),
        ({"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}, True),
        ({"serviceName": "other"}, False),
        ({"selector": {"matchLabels": {"a": "b"}}}, False),
        ({"podManagementPolicy": "Parallel"}, False),
        ({"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}, False),
    ],
)
async def test_most_of_a_stateful_set_stands_as_it_was_made(kube: Kube, change: dict[str, Any], allowed: bool) -> None:
    """The template and a few more fields may change; a refused change leaves the object as it was."""
    before = await kube.create(stateful_set())
    outcome = ""
    try:
        await kube.apply(stateful_set(**change))
    except RefusedError as error:
        outcome = error.reason
    found = await kube.get(resources.STATEFUL_SET, "ns", "web")
    assert ("" if allowed else "Invalid", allowed) == (outcome, before != found)


async def test_a_secret_keeps_its_type(kube: Kube) -> None:
    """It is Opaque unless its first writer says otherwise, and stays that."""
    made = await kube.create(secret())
    with pytest.raises(RefusedError) as refused:
        await kube.apply(secret(type="kubernetes.io/tls"))
    assert ("Opaque", "Invalid") == (made["type"], refused.value.reason)


async def test_fields_that_the_definition_does_not_know_are_dropped(kube: Kube, server: ApiServer) -> None:
    """In the spec, in the status, and in lists; free maps keep what they hold."""
    engine = {"name": "PostgreSQL", "version": "15", "flavour": "x", "parameters": {"work_mem": "1MB"}}
    found = server.put(cluster({"engine": engine, "sharding": {}}))
    assert {"engine": {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "1MB"}}} == found["spec"]
    status = {"phase": "Ready", "mood": "good", "shards": [{"name": "s0", "colour": "red"}]}
    found = await kube.merge(resources.CLUSTER, "ns", "shop", {"status": status}, subresource="status")
    assert {"phase": "Ready", "shards": [{"name": "s0"}]} == found["status"]
