"""Volumes grow: whatever their instances do, never smaller, and only where the StorageClass lets them."""

from typing import Any

from covet.core import names
from covet.kube import resources
from tests.unit.controllers.conftest import NAMESPACE, Bench

INSTANCES = ("shop-s0-a", "shop-s0-b", "shop-s0-c")


def claim(bench: Bench, instance: str) -> dict[str, Any]:
    """Return the claim of an instance."""
    return bench.server.objects[resources.CLAIM, NAMESPACE, names.data_volume_claim(instance)]


def requested(bench: Bench) -> set[str]:
    """Return what the claims ask for."""
    return {claim(bench, instance)["spec"]["resources"]["requests"]["storage"] for instance in INSTANCES}


def pending(bench: Bench) -> dict[str, str]:
    """Return the changes that wait, by reason."""
    return {entry["reason"]: entry["message"] for entry in bench.status().get("pendingChanges") or []}


async def born(bench: Bench) -> None:
    """Make a shard of three with 1Gi each."""
    await bench.born()


async def test_volumes_grow_under_running_pods(bench: Bench) -> None:
    """Until the last file system has the size, Ready is False and the status names the instance."""
    await born(bench)
    pods = bench.pods()
    bench.kubelet.slow_volumes.add("shop-s0-b")
    bench.declare(storage={"size": "2Gi"})
    for _ in range(3):
        await bench.reconciler.once()
        await bench.kubelet.sync()
    assert {"2Gi"} == requested(bench)
    await bench.reconciler.once()
    assert ["VolumesGrowing"] == list(pending(bench))
    assert "shop-s0-b (its file system grows once its pod runs)" in pending(bench)["VolumesGrowing"]
    assert "shop-s0-a" not in pending(bench)["VolumesGrowing"]
    assert ("False", "VolumesGrowing") == tuple(bench.condition("Ready")[key] for key in ("status", "reason"))
    bench.kubelet.slow_volumes.clear()
    await bench.settle()
    await bench.settle()
    assert ("True", {}, pods) == (bench.condition("Ready")["status"], pending(bench), bench.pods())
    assert "2Gi" == bench.status()["effective"]["storage"]["size"]
    assert ["VolumesGrow"] == [reason for reason in bench.events("Normal") if reason == "VolumesGrow"]


async def test_volumes_grow_while_nobody_answers(bench: Bench) -> None:
    """Servers that stand still on full disks get their room all the same."""
    await born(bench)
    bench.kubelet.unreachable.update(INSTANCES)
    bench.declare(storage={"size": "2Gi"})
    await bench.reconciler.once()
    assert {"2Gi"} == requested(bench)


async def test_a_class_that_does_not_let_volumes_grow_refuses(bench: Bench) -> None:
    """The way out is told; what was accepted last stays in force, and the old size may be written again."""
    await born(bench)
    bench.provide_storage(expandable=False)
    bench.declare(storage={"size": "2Gi"})
    await bench.reconciler.once()
    assert {"1Gi"} == requested(bench)
    assert "VolumeNotExpandable" == bench.condition("Stalled")["reason"]
    assert "kubectl patch storageclass fast" in bench.condition("Stalled")["message"]
    assert ["VolumeGrowthRefused"] == list(pending(bench))
    assert "VolumeNotExpandable" in bench.events()
    assert "1Gi" == bench.status()["effective"]["storage"]["size"]
    bench.declare()
    await bench.settle()
    assert "True" == bench.condition("Ready")["status"]
    bench.declare(storage={"size": "2Gi"})
    await bench.reconciler.once()
    bench.provide_storage()
    await bench.settle()
    await bench.settle()
    assert ({"2Gi"}, {}) == (requested(bench), bench.condition("Stalled"))


async def test_volumes_never_shrink(bench: Bench) -> None:
    """A smaller size that was stored past the definition is told, and nothing is done."""
    await born(bench)
    bench.declare(storage={"size": "2Gi"})
    await bench.settle()
    await bench.settle()
    bench.declare(storage={"size": "1Gi"})
    bench.server.writes.clear()
    for _ in range(2):
        await bench.reconciler.once()
    assert ["VolumesNeverShrink"] == list(pending(bench))
    assert {"2Gi"} == requested(bench)
    assert [] == [write for write in bench.server.writes if write.resource == "persistentvolumeclaims"]
    assert "ChangesPending" == bench.condition("Ready")["reason"]


async def test_a_volume_in_place_of_a_lost_one_is_grown(bench: Bench) -> None:
    """The template of a StatefulSet never changes: the claim that it makes anew is grown right after."""
    await born(bench)
    bench.declare(storage={"size": "2Gi"})
    await bench.settle()
    bench.server.delete(resources.CLAIM, NAMESPACE, names.data_volume_claim("shop-s0-c"))
    await bench.kubelet.sync()
    assert {"1Gi", "2Gi"} == requested(bench)
    await bench.settle()
    assert {"2Gi"} == requested(bench)


async def test_a_claim_without_a_volume_is_left_until_it_has_one(bench: Bench) -> None:
    """Kubernetes lets a claim ask for more only once it is bound."""
    await born(bench)
    waiting = claim(bench, "shop-s0-c")
    bench.server.put({**waiting, "status": {"phase": "Pending"}})
    bench.declare(storage={"size": "2Gi"})
    await bench.reconciler.once()
    assert {"1Gi", "2Gi"} == requested(bench)
    await bench.settle()
    assert {"2Gi"} == requested(bench)
