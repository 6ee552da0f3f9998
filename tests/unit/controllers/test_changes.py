"""Every field of the definition is changed on a living cluster, and what follows is what the table of changes says."""

import copy
import datetime as dt
import pathlib
from typing import Any

import pytest

from covet.api import crd, model
from covet.kube import resources
from covet.manifests import secrets
from covet.planner import changes
from covet.planner.changes import Way
from tests.unit.api import fields
from tests.unit.controllers.conftest import NAMESPACE, Bench
from tests.unit.manifests import outers
from tools import changes as page

ROOT = pathlib.Path(__file__).resolve().parents[3]
BEFORE: dict[str, Any] = {
    "engine": {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "4MB"}},
    "shards": {"count": 1, "instances": 1, "weights": {"s0": 1}, "placement": {"s0": {"zone": "z1"}}},
    "durability": "Quorum",
    "storage": {"size": "1Gi", "className": "fast"},
    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}},
    "scheduling": {
        "nodeSelector": {"disk": "hdd"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "topologyKey": "kubernetes.io/hostname",
    },
    "router": {
        "replicas": 2,
        "pool": {
            "mode": "Transaction",
            "min": 0,
            "max": 20,
            "waitSeconds": 30,
            "holdSeconds": 5,
            "idleSeconds": 600,
            "lifetimeSeconds": 3600,
        },
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}},
        "scheduling": {
            "nodeSelector": {"disk": "hdd"},
            "tolerations": [{"key": "a", "operator": "Exists"}],
            "topologyKey": "kubernetes.io/hostname",
        },
    },
    "database": {"name": "shop", "owner": "clerk"},
    "certificates": {},
    "failover": {"whenUnsafe": "Wait"},
    "maintenance": {"paused": False, "window": {"days": ["Mon"], "start": "02:00", "hours": 4}},
    "deletion": {"volumes": "Keep"},
}
OTHERS: dict[str, Any] = {
    "engine.name": "MySQL",
    "engine.version": "16",
    "engine.parameters": {"work_mem": "8MB"},
    "shards.count": 2,
    "shards.instances": 3,
    "shards.weights": {"s0": 2},
    "shards.placement": {"s0": {"zone": "z2"}},
    "durability": "Async",
    "storage.size": "2Gi",
    "storage.className": "slow",
    "resources.requests.cpu": "500m",
    "resources.requests.memory": "512Mi",
    "resources.limits.cpu": "3",
    "resources.limits.memory": "3Gi",
    "scheduling.nodeSelector": {"disk": "ssd"},
    "scheduling.tolerations": [{"key": "c", "operator": "Exists"}],
    "scheduling.topologyKey": "topology.kubernetes.io/rack",
    "router.replicas": 3,
    "router.pool.mode": "Session",
    "router.pool.min": 1,
    "router.pool.max": 30,
    "router.pool.waitSeconds": 31,
    "router.pool.holdSeconds": 6,
    "router.pool.idleSeconds": 601,
    "router.pool.lifetimeSeconds": 3601,
    "router.resources.requests.cpu": "500m",
    "router.resources.requests.memory": "512Mi",
    "router.resources.limits.cpu": "3",
    "router.resources.limits.memory": "3Gi",
    "router.scheduling.nodeSelector": {"disk": "ssd"},
    "router.scheduling.tolerations": [{"key": "c", "operator": "Exists"}],
    "router.scheduling.topologyKey": "topology.kubernetes.io/zone",
    "database.name": "store",
    "database.owner": "boss",
    "certificates.authoritySecret": "clients",
    "failover.whenUnsafe": "PromoteWithLoss",
    "maintenance.paused": True,
    "maintenance.window.days": ["Tue"],
    "maintenance.window.start": "04:00",
    "maintenance.window.hours": 6,
    "deletion.volumes": "Delete",
    "adopt": "00000000-0000-4000-8000-000000000000",
}
"""A valid value of each field that is not the one in `BEFORE`."""
RESTARTS = {"engine.parameters": {"max_connections": "300"}}
"""Values of a field that need a start of the server."""
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "fsync": ({"engine": {**BEFORE["engine"], "parameters": {"fsync": "off"}}}, "ParameterRefused"),
    "work_men": ({"engine": {**BEFORE["engine"], "parameters": {"work_men": "4MB"}}}, "ParameterRefused"),
    "spec.engine.version": ({"engine": {"name": "PostgreSQL", "version": "99"}}, "EngineVersionUnknown"),
    "spec.shards.instances": ({"shards": {"count": 1, "instances": 2}}, "SpecInvalid"),
    "spec.shards.weights": ({"shards": {"count": 1, "instances": 1, "weights": {"s7": 2}}}, "SpecInvalid"),
    "spec.shards.placement.s7": (
        {"shards": {"count": 1, "instances": 1, "placement": {"s7": {"zone": "z1"}}}},
        "SpecInvalid",
    ),
    "spec.storage.size": ({"storage": {"size": "1Mi"}}, "SpecInvalid"),
    "spec.resources.requests.cpu": (
        {"resources": {"requests": {"cpu": "4"}, "limits": {"cpu": "2"}}},
        "SpecInvalid",
    ),
}
"""What nothing of is carried out, by what the message names."""
MADE_BY_OTHERS = {"Event", "Pod", "CovetCluster", "StorageClass", "Lease"}


def specs(bench: Bench) -> dict[tuple[str, str], Any]:
    """Return what was asked for of every object of the cluster, without what its own status says."""
    return {
        (kind.kind, name): copy.deepcopy(
            {part: value for part, value in item.items() if part not in {"metadata", "status"}}
            | {"owners": item["metadata"].get("ownerReferences"), "labels": item["metadata"].get("labels")}
        )
        for (kind, _, name), item in bench.server.objects.items()
        if kind.kind not in MADE_BY_OTHERS
    }


def touched(before: dict[tuple[str, str], Any], after: dict[tuple[str, str], Any]) -> set[str]:
    """Return the kinds of the objects that were made, changed or deleted."""
    return {key[0] for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def immutable() -> set[str]:
    """Return the fields that the definition lets nobody change."""
    spec = crd.schema()["properties"]["spec"]
    nodes = (spec, spec["properties"]["engine"]["properties"]["name"])
    found = (rule for node in nodes for rule in node[model.RULES] if "oldSelf" in rule["rule"])
    return {rule["message"].split()[0] for rule in found}


def pending(bench: Bench) -> dict[str, str]:
    """Return the reasons of the changes that wait, by field."""
    return {entry["field"]: entry["reason"] for entry in bench.status().get("pendingChanges") or []}


async def born(bench: Bench) -> None:
    """Make the cluster that is changed."""
    bench.server.put({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "slow"}})
    await bench.born(**BEFORE)
    values = outers.root(dt.datetime.now(dt.UTC)).values()
    place = {"name": "clients", "namespace": NAMESPACE}
    bench.server.put({"apiVersion": "v1", "kind": "Secret", "metadata": place, "data": secrets.coded(values)})


async def rounds(bench: Bench, count: int) -> None:
    """Do some rounds and say nothing of how they end."""
    for _ in range(count):
        await bench.reconciler.once()
        await bench.kubelet.sync()


def test_every_field_of_the_definition_has_its_fate() -> None:
    """A new field has to say what becomes of its changes, and gets another value to try."""
    found = fields.leaves(crd.schema()["properties"]["spec"])
    assert sorted(found) == sorted(changes.FATES)
    assert sorted(found) == sorted(OTHERS)


def test_the_committed_page_is_the_generated_one() -> None:
    """People read what the test looks for."""
    assert page.render() == (ROOT / "docs" / "reference" / page.FILE).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [path for path, fate in changes.FATES.items() if fate.way is Way.LIVE])
async def test_what_is_applied_live_changes_what_the_table_names(bench: Bench, path: str) -> None:
    """The objects of the table change, no pod is made anew, and nothing waits once it is in force."""
    await born(bench)
    before, pods, effective = specs(bench), bench.pods(), bench.status()["effective"]
    bench.declare(**fields.changed(BEFORE, path, OTHERS[path]))
    await bench.settle()
    await bench.settle()
    assert changes.FATES[path].kinds == touched(before, specs(bench))
    assert pods <= bench.pods()
    waits = {"spec.router.replicas": "ShardsUnrouted"} if path == "shards.count" else {}
    assert ("True", waits) == (bench.condition("Ready")["status"], pending(bench))
    assert effective != bench.status()["effective"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *((path, OTHERS[path]) for path, fate in changes.FATES.items() if fate.way is Way.RESTART),
        *RESTARTS.items(),
    ],
)
async def test_what_needs_a_restart_is_listed_until_every_pod_was_made_anew(
    bench: Bench, path: str, value: Any
) -> None:
    """It is listed at first and Ready is False; in the end no old pod is left."""
    await born(bench)
    before, pods = specs(bench), bench.pods()
    bench.declare(**fields.changed(BEFORE, path, value))
    waited = set()
    for _ in range(40):
        await rounds(bench, 1)
        waited |= set(pending(bench))
        if not pods & bench.pods():
            break
    await bench.settle()
    assert any(field.startswith("spec") for field in waited)
    assert not pods & bench.pods()
    assert changes.FATES[path].kinds == touched(before, specs(bench))
    assert ("True", {}) == (bench.condition("Ready")["status"], pending(bench))


@pytest.mark.parametrize("path", [path for path, fate in changes.FATES.items() if fate.way is Way.PENDING])
async def test_what_waits_is_listed_and_nothing_changes(bench: Bench, path: str) -> None:
    """The entry names the field and the reason; every object stays as it is."""
    await born(bench)
    before, pods = specs(bench), bench.pods()
    bench.declare(**fields.changed(BEFORE, path, OTHERS[path]))
    await rounds(bench, 3)
    assert {f"spec.{path}": changes.FATES[path].reason} == pending(bench)
    ready = bench.condition("Ready")
    assert "False" == ready["status"]
    assert ready["reason"] in {"ChangesPending", "EngineVersionUnknown"}
    assert (set(), pods) == (touched(before, specs(bench)), bench.pods())


@pytest.mark.parametrize("path", [path for path, fate in changes.FATES.items() if fate.way is Way.REFUSED])
async def test_what_is_refused_is_refused_twice(bench: Bench, path: str) -> None:
    """The definition refuses it; stored all the same, it is told by its reason, and nothing changes."""
    assert path in immutable()
    await born(bench)
    before, pods = specs(bench), bench.pods()
    bench.declare(**fields.changed(BEFORE, path, OTHERS[path]))
    await rounds(bench, 3)
    told = {bench.condition("Stalled").get("reason"), pending(bench).get(f"spec.{path}")}
    assert changes.FATES[path].reason in told
    assert "False" == bench.condition("Ready")["status"]
    assert (set(), pods) == (touched(before, specs(bench)), bench.pods())


async def test_values_that_cannot_be_are_refused_by_name(bench: Bench) -> None:
    """Each stalls the cluster with its reason and the name of what is wrong; nothing changes."""
    await born(bench)
    before, pods = specs(bench), bench.pods()
    for named, (wrong, reason) in REFUSED.items():
        bench.declare(**{**BEFORE, **wrong})
        await rounds(bench, 2)
        stalled = bench.condition("Stalled")
        assert (reason, True) == (stalled.get("reason"), named in stalled["message"]), named
        assert reason in bench.events()
    assert (set(), pods) == (touched(before, specs(bench)), bench.pods())
    bench.declare(**BEFORE)
    await bench.settle()
    assert "True" == bench.condition("Ready")["status"]


async def test_the_look_finds_changes(bench: Bench) -> None:
    """The comparisons above can fail."""
    await born(bench)
    before = specs(bench)
    assert set() == touched(before, specs(bench))
    bench.server.delete(resources.SERVICE, NAMESPACE, "shop-s0-rw")
    assert {"Service"} == touched(before, specs(bench))
