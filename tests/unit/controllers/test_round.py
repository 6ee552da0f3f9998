"""Rounds against an API server and agents: births and repairs."""

import asyncio
import contextlib
import random
from typing import Any

import covet_hasher
import pytest

from covet.controllers import report
from covet.controllers.act import ActionError
from covet.controllers.round import Reconciler
from covet.core import events, names
from covet.core.errors import CovetError
from covet.kube import resources
from covet.testing.apiserver import Write
from tests.unit.controllers.conftest import NAMESPACE, Bench


async def test_a_cluster_gets_ready(bench: Bench) -> None:
    """Ten lines become two shards of three, opened, with every object in place."""
    bench.declare(shards={"count": 2})
    await bench.settle()
    assert "True" == bench.condition("Ready")["status"]
    assert ("2/2", "Ready") == (bench.status()["primaries"], bench.status()["phase"])
    assert [True, True] == [shard["opened"] for shard in bench.record()["shards"]]
    assert ["ShardBootstrapped", "ShardBootstrapped", "ShardOpened", "ShardOpened"] == sorted(bench.events("Normal"))
    assert [] == bench.events("Warning")


async def test_the_record_is_written_first(bench: Bench) -> None:
    """The first write of all, beside the status, is the birth record."""
    bench.declare()
    await bench.reconciler.once()
    written = [write for write in bench.server.writes if write.subresource != "status"]
    assert [Write("create", "configmaps", "shop-identity")] == written


async def test_an_unchanged_round_writes_nothing(bench: Bench) -> None:
    """When everything is as it should be, a round sends no write at all."""
    bench.declare(shards={"count": 2})
    await bench.settle()
    await bench.reconciler.once()
    bench.server.writes.clear()
    for _ in range(3):
        await bench.reconciler.once()
    assert [] == bench.server.writes


async def test_everything_is_applied_again_after_ten_minutes(bench: Bench) -> None:
    """Against drift that no comparison sees, applies are repeated; they change nothing."""
    await bench.born()
    versions = {key: item["metadata"]["resourceVersion"] for key, item in bench.server.objects.items()}
    bench.server.writes.clear()
    bench.offset += 601.0
    await bench.reconciler.once()
    assert {"patch"} == {write.verb for write in bench.server.writes}
    assert versions == {key: item["metadata"]["resourceVersion"] for key, item in bench.server.objects.items()}


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        (resources.SERVICE, "shop-s0-rw"),
        (resources.SERVICE, "shop-s0"),
        (resources.BUDGET, "shop-s0"),
        (resources.NETWORK_POLICY, "shop-s0"),
        (resources.ENDPOINT_SLICE, "shop-s0-rw"),
        (resources.CONFIG_MAP, "shop-s0-config"),
        (resources.CONFIG_MAP, "shop-trust"),
        (resources.SECRET, "shop-s0-b-tls"),
        (resources.SERVICE_ACCOUNT, "shop-s0"),
        (resources.ROLE, "shop-s0"),
        (resources.ROLE_BINDING, "shop-s0"),
    ],
)
async def test_a_deleted_object_comes_back(bench: Bench, resource: resources.Resource, name: str) -> None:
    """Whatever somebody deletes of a running cluster is there again after a round."""
    await bench.born()
    bench.server.delete(resource, NAMESPACE, name)
    await bench.settle()
    assert bench.server.get(resource, NAMESPACE, name) is not None


async def test_an_edit_of_ours_is_put_back(bench: Bench) -> None:
    """A hand-made change of a field of ours is undone; one of another field stays."""
    await bench.born()
    service = bench.server.get(resources.SERVICE, NAMESPACE, "shop-s0")
    assert service is not None
    edited = {**service, "spec": {**service["spec"], "publishNotReadyAddresses": False, "sessionAffinity": "None"}}
    bench.server.put(edited)
    await bench.settle()
    found = bench.server.get(resources.SERVICE, NAMESPACE, "shop-s0")
    assert found is not None
    assert (True, "None") == (found["spec"]["publishNotReadyAddresses"], found["spec"]["sessionAffinity"])


async def test_the_published_map_comes_back_the_same(bench: Bench) -> None:
    """The map is made from the record: deleted, it returns byte for byte."""
    await bench.born(shards={"count": 2, "weights": {"s1": 3}})
    before = bench.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-map")
    bench.server.delete(resources.CONFIG_MAP, NAMESPACE, "shop-map")
    await bench.settle()
    after = bench.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-map")
    assert before is not None
    assert after is not None
    assert before["data"] == after["data"]
    assert [4096, 12288] == [shard["slots"] for shard in bench.status()["shards"]]


async def test_a_damaged_map_is_written_anew(bench: Bench) -> None:
    """Somebody edits the published map: it is put back byte for byte."""
    await bench.born()
    before = bench.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-map")
    assert before is not None
    bench.server.put({**before, "data": {"map.json": before["data"]["map.json"].replace("16383", "16000")}})
    await bench.settle()
    after = bench.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-map")
    assert after is not None
    assert before["data"] == after["data"]


async def test_the_map_of_an_earlier_cluster_is_not_overwritten(bench: Bench) -> None:
    """A map that is left of an earlier cluster of this name is named, and kept."""
    metadata = {"name": "shop-map", "namespace": NAMESPACE, "labels": {"covet.dev/cluster": "shop"}}
    text = covet_hasher.Map.initial("another", [("s0", 1)]).to_json()
    bench.server.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"map.json": text}})
    bench.declare()
    for _ in range(4):
        with contextlib.suppress(ActionError):
            await bench.reconciler.once()
    assert "MapForeign" == bench.condition("Ready")["reason"]
    found = bench.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-map")
    assert found is not None
    assert text == found["data"]["map.json"]


@pytest.mark.parametrize("seed", range(4))
async def test_a_birth_survives_a_dying_operator(bench: Bench, seed: int) -> None:
    """The operator dies at random moments of a birth; each successor goes on, and no shard is initialised twice."""
    bench.declare(shards={"count": 2})
    dice = random.Random(seed)
    for _ in range(12):
        task = asyncio.create_task(bench.reconciler.once())
        await asyncio.sleep(dice.uniform(0.0, 0.12))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bench.reconciler.close()
        bench.restart()
        await bench.kubelet.sync()
    await bench.settle()
    assert [1, 1] == [
        sum(agent.bootstraps for agent in bench.kubelet.agents.values() if agent.shard == shard)
        for shard in ("s0", "s1")
    ]


async def test_two_operators_at_once_do_no_harm(bench: Bench) -> None:
    """Even with two processes at work, the shard is initialised once and opens."""
    bench.declare()
    other = Reconciler(bench.tools, NAMESPACE, "shop")
    for _ in range(25):
        await asyncio.gather(bench.reconciler.once(), other.once(), return_exceptions=True)
        await bench.kubelet.sync()
    await other.close()
    await bench.settle()
    assert 1 == sum(agent.bootstraps for agent in bench.kubelet.agents.values())


async def test_a_primary_pod_comes_back(bench: Bench) -> None:
    """After the primary's pod was deleted it leads again and `-rw` leads to it."""
    await bench.born()
    await bench.kubelet.delete_pod(NAMESPACE, "shop-s0-a")
    await bench.reconciler.once()
    slice_ = bench.server.get(resources.ENDPOINT_SLICE, NAMESPACE, "shop-s0-rw")
    assert slice_ is not None
    assert [] == slice_["endpoints"]
    assert "False" == bench.condition("Available")["status"]
    await bench.settle()
    slice_ = bench.server.get(resources.ENDPOINT_SLICE, NAMESPACE, "shop-s0-rw")
    assert slice_ is not None
    assert 1 == len(slice_["endpoints"])


async def test_a_lost_replica_volume_is_cloned_anew(bench: Bench) -> None:
    """A replica with a new volume is cloned and voted in as a new member."""
    await bench.born()
    bench.kubelet.agents["shop-s0-c"].lose_volume()
    await bench.settle()
    leader = bench.kubelet.agents["shop-s0-a"].volume
    replica = bench.kubelet.agents["shop-s0-c"].volume
    assert leader is not None
    assert leader.promised is not None
    assert replica is not None
    assert replica.member in leader.promised.cohort
    assert 3 == len(leader.promised.cohort)


async def test_a_silent_agent_is_reported_after_a_while(bench: Bench) -> None:
    """At once it is not ready; after twenty seconds there is a warning that says what to look at."""
    await bench.born()
    bench.kubelet.unreachable.add("shop-s0-b")
    await bench.reconciler.once()
    assert ("False", "True") == (bench.condition("Ready")["status"], bench.condition("Available")["status"])
    assert [] == bench.events()
    bench.offset += events.WARN_UNREACHABLE_AFTER
    await bench.reconciler.once()
    assert [events.AGENT_UNREACHABLE] == bench.events()
    bench.kubelet.unreachable.clear()
    await bench.settle()
    assert "True" == bench.condition("Ready")["status"]


async def test_a_foreign_volume_is_refused_in_words(bench: Bench) -> None:
    """A volume that the agent refuses stalls the cluster with a reason, an Event, and no order to it."""
    bench.declare()
    for _ in range(4):
        await bench.reconciler.once()
        await bench.kubelet.sync()
    bench.kubelet.agents["shop-s0-b"].foreign = True
    for _ in range(20):
        await bench.reconciler.once()
        await bench.kubelet.sync()
    assert events.VOLUME_FOREIGN == bench.condition("Stalled")["reason"]
    assert [events.VOLUME_FOREIGN] == bench.events()


async def test_a_paused_cluster_is_left_alone(bench: Bench) -> None:
    """Paused: a deleted Service stays away until the pause ends."""
    await bench.born()
    bench.declare(maintenance={"paused": True})
    bench.server.delete(resources.SERVICE, NAMESPACE, "shop-s0-rw")
    await bench.reconciler.once()
    assert bench.server.get(resources.SERVICE, NAMESPACE, "shop-s0-rw") is None
    assert "Paused" == bench.status()["phase"]
    bench.declare()
    await bench.settle()
    assert bench.server.get(resources.SERVICE, NAMESPACE, "shop-s0-rw") is not None


async def test_an_api_server_that_is_away_costs_a_round(bench: Bench) -> None:
    """Without an API server a round ends with an error, and the next one is as good as new."""
    await bench.born()
    await bench.server.stop()
    with pytest.raises(CovetError):
        await bench.reconciler.once()


async def test_a_map_in_the_status_may_become_empty_again(bench: Bench) -> None:
    """A parameter comes and goes, and the status follows: what is empty is an empty map, never null."""
    await bench.born()
    for parameters in ({"work_mem": "7MB"}, {}):
        bench.declare(engine={"name": "PostgreSQL", "version": "15", "parameters": parameters})
        await bench.settle()
        assert parameters == bench.status()["effective"]["engine"]["parameters"]


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({}, {}, {}),
        ({"a": {"b": 1}}, {"a": {"b": 1}}, {}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": None}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}),
        ({"a": [1]}, {"a": []}, {"a": []}),
        ({}, {"a": {}}, {"a": {}}),
        ({"a": 1}, {}, {"a": None}),
    ],
)
def test_a_patch_holds_the_difference_only(
    before: dict[str, Any], after: dict[str, Any], patch: dict[str, Any]
) -> None:
    """What is the same is not sent; what is gone is removed."""
    assert patch == report.difference(before, after)


async def test_a_cluster_that_is_gone_ends_its_rounds(bench: Bench) -> None:
    """No object, no round; metrics forget it."""
    assert None is await bench.reconciler.once()
    assert {"shop": None} == bench.ready


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
async def test_the_slice_of_a_primary_has_the_family_of_its_service(bench: Bench, family: str) -> None:
    """The API server knows what family the cluster has before any pod does, and the slice can never change it."""

    def assign(verb: str, resource: resources.Resource, manifest: dict[str, Any]) -> None:
        if verb == "create" and resource == resources.SERVICE:
            manifest["spec"]["ipFamilies"] = [family]

    bench.server.refuse = assign
    bench.declare()
    for _ in range(4):
        await bench.reconciler.once()
    found = bench.server.get(resources.ENDPOINT_SLICE, NAMESPACE, "shop-s0-rw")
    assert found is not None
    assert family == found["addressType"]


async def test_pods_of_another_family_than_the_slice_are_a_finding(bench: Bench) -> None:
    """Nobody is led anywhere by it, and the message says what to delete."""
    await bench.born()
    found = bench.server.objects[resources.ENDPOINT_SLICE, NAMESPACE, "shop-s0-rw"]
    bench.server.put({**found, "addressType": "IPv6"})
    await bench.reconciler.once()
    await bench.reconciler.once()
    assert events.FAMILY_DIFFERS == bench.condition("Ready")["reason"]
    bench.server.delete(resources.ENDPOINT_SLICE, NAMESPACE, "shop-s0-rw")
    await bench.settle()
    assert "IPv4" == bench.server.objects[resources.ENDPOINT_SLICE, NAMESPACE, "shop-s0-rw"]["addressType"]


async def test_no_state_is_kept_in_annotations(bench: Bench) -> None:
    """No annotations or finalizers of ours, but the term of `-rw`, and on pods what their template says."""
    bench.declare()
    await bench.settle()
    known = {resources.ENDPOINT_SLICE: [names.ANNOTATION_TERM], resources.POD: [names.ANNOTATION_ASKED]}
    for (kind, _, name), item in bench.server.objects.items():
        if kind != resources.STORAGE_CLASS:
            assert known.get(kind, []) == list(item["metadata"].get("annotations") or {}), name
            assert not item["metadata"].get("finalizers"), name


async def test_a_cluster_that_is_being_deleted_gets_nothing(bench: Bench) -> None:
    """While the object is on its way out nothing is made again."""
    body = bench.declare()
    await bench.settle()
    bench.server.put({**body, "metadata": {**body["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    bench.server.delete(resources.SERVICE, NAMESPACE, "shop-s0-rw")
    await bench.reconciler.once()
    assert bench.server.get(resources.SERVICE, NAMESPACE, names.read_write_service("shop", "s0")) is None
