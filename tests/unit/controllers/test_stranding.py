"""A volume that went with its node is given up by itself, and only such a one."""

import datetime as dt
from typing import Any

import pytest

from covet.controllers import stranding
from covet.core import clock
from covet.kube import resources
from tests.unit.controllers.conftest import NAMESPACE, Bench


def affinity(*terms: dict[str, list[str]]) -> dict[str, Any]:
    """Return a volume that needs a node of one of the terms: label to values."""
    found = [
        {"matchExpressions": [{"key": key, "operator": "In", "values": values} for key, values in term.items()]}
        for term in terms
    ]
    return {"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": found}}}}


@pytest.mark.parametrize(
    ("volume", "hosts"),
    [
        (affinity({stranding.HOSTNAME: ["node-2"]}), {"node-2"}),
        (affinity({stranding.HOSTNAME: ["node-2", "node-3"]}), {"node-2", "node-3"}),
        (affinity({stranding.HOSTNAME: ["node-2"]}, {stranding.HOSTNAME: ["node-3"]}), {"node-2", "node-3"}),
        (affinity({stranding.HOSTNAME: ["node-2"]}, {"topology.kubernetes.io/zone": ["z"]}), set()),
        (affinity({"topology.kubernetes.io/zone": ["z"]}), set()),
        ({"spec": {}}, set()),
        ({}, set()),
    ],
)
def test_only_the_hosts_name_binds_a_volume_to_a_machine(volume: dict[str, Any], hosts: set[str]) -> None:
    """A zone without nodes gets nodes again, and a volume without an affinity is anywhere."""
    assert hosts == stranding.hosts_of(volume)


async def strand(bench: Bench, instance: str, host: str) -> None:
    """Put an instance's volume on a host, and have its pod wait for it."""
    await bench.kubelet.delete_pod(NAMESPACE, instance)
    bench.server.put(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {stranding.HOSTNAME: "n"}}}
    )
    claim = bench.server.objects[resources.CLAIM, NAMESPACE, f"data-{instance}-0"]
    bench.server.put({**claim, "spec": {**claim["spec"], "volumeName": "pv"}})
    volume = affinity({stranding.HOSTNAME: [host]})
    bench.server.put({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"}, **volume})
    since = clock.rfc3339(clock.Clock().wall() - dt.timedelta(minutes=1))
    waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": since}
    stateful_set = bench.server.objects[resources.STATEFUL_SET, NAMESPACE, instance]
    labels = stateful_set["spec"]["template"]["metadata"]["labels"]
    bench.server.put(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{instance}-0", "namespace": NAMESPACE, "labels": dict(labels)},
            "spec": {},
            "status": {"phase": "Pending", "conditions": [waits]},
        }
    )


def claim_of(bench: Bench, instance: str) -> dict[str, Any] | None:
    """Return the claim of an instance."""
    return bench.server.get(resources.CLAIM, NAMESPACE, f"data-{instance}-0")


async def test_a_replica_whose_node_is_gone_is_copied_anew_elsewhere(bench: Bench) -> None:
    """Claim and pod go, the next pod has an empty volume, and the instance votes again as a new member."""
    await bench.born()
    before = bench.kubelet.agents["shop-s0-b"].volume
    assert before is not None
    await strand(bench, "shop-s0-b", "gone")
    await bench.reconciler.once()
    assert claim_of(bench, "shop-s0-b") is None
    bench.kubelet.agents["shop-s0-b"].lose_volume()
    await bench.settle()
    after = bench.kubelet.agents["shop-s0-b"].volume
    assert after is not None
    assert before.member != after.member
    assert "InstanceReplaced" in bench.events()


async def test_a_volume_whose_node_may_come_back_is_left_alone(bench: Bench) -> None:
    """A node that Kubernetes knows is not gone, however long it is away."""
    await bench.born()
    await strand(bench, "shop-s0-b", "n")
    for _ in range(3):
        await bench.reconciler.once()
    assert claim_of(bench, "shop-s0-b") is not None


async def test_without_enough_replicas_no_volume_is_given_up(bench: Bench) -> None:
    """What the lost volume holds may be on no other one then."""
    await bench.born()
    await strand(bench, "shop-s0-b", "gone")
    bench.kubelet.unreachable.add("shop-s0-c")
    for _ in range(3):
        await bench.reconciler.once()
    assert claim_of(bench, "shop-s0-b") is not None
