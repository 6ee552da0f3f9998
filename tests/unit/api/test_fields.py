"""Every field that a user can change is applied, listed as pending, or refused: none is ignored in silence."""

import copy
from typing import Any

import pytest

from covet.api import crd, effective, model, spec
from covet.planner import layout, record, specs
from tests.unit.manifests import samples

BEFORE: dict[str, Any] = {
    "engine": {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "4MB"}},
    "shards": {"count": 2, "instances": 3, "weights": {"s0": 1}},
    "durability": "Quorum",
    "storage": {"size": "10Gi", "className": "slow"},
    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}},
    "scheduling": {
        "nodeSelector": {"disk": "hdd"},
        "tolerations": [
            {"key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute", "tolerationSeconds": 10}
        ],
        "topologyKey": "kubernetes.io/hostname",
    },
    "database": {"name": "shop", "owner": "clerk"},
    "maintenance": {"paused": False},
    "deletion": {"volumes": "Keep"},
}
OBJECTS, AGENTS, PENDING, REFUSED, PLANNER = "objects", "agents", "pending", "refused", "planner"
CHANGES: dict[str, tuple[Any, str]] = {
    "engine.name": ("MySQL", REFUSED),
    "engine.version": ("16", PENDING),
    "engine.parameters": ({"work_mem": "8MB"}, AGENTS),
    "shards.count": (3, PENDING),
    "shards.instances": (5, PENDING),
    "shards.weights": ({"s0": 2}, PENDING),
    "durability": ("Async", AGENTS),
    "storage.size": ("20Gi", REFUSED),
    "storage.className": ("fast", PENDING),
    "resources.requests.cpu": ("500m", OBJECTS),
    "resources.requests.memory": ("512Mi", OBJECTS),
    "resources.limits.cpu": ("3", OBJECTS),
    "resources.limits.memory": ("3Gi", OBJECTS),
    "scheduling.nodeSelector": ({"disk": "ssd"}, OBJECTS),
    "scheduling.tolerations": ([{"key": "c", "operator": "Exists"}], OBJECTS),
    "scheduling.topologyKey": ("topology.kubernetes.io/zone", OBJECTS),
    "database.name": ("store", REFUSED),
    "database.owner": ("boss", REFUSED),
    "maintenance.paused": (True, PLANNER),
    "deletion.volumes": ("Delete", OBJECTS),
}


def leaves(schema: dict[str, Any], path: str = "") -> set[str]:
    """Return the paths of all fields that hold a value."""
    parts = schema.get("properties")
    if not parts:
        return {path.removeprefix(".")}
    return {leaf for name, part in parts.items() for leaf in leaves(part, f"{path}.{name}")}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the spec with one field changed."""
    found = copy.deepcopy(BEFORE)
    *parents, last = path.split(".")
    node = found
    for part in parents:
        node = node[part]
    node[last] = value
    return found


def filled(document: dict[str, Any]) -> effective.EffectiveSpec:
    """Return the effective spec of a document."""
    return effective.effective(spec.ClusterSpec.model_validate(document))


def for_agents(wanted: effective.EffectiveSpec, born: effective.EffectiveSpec) -> object:
    """Return what the agents of the first shard are told."""
    identity = record.conceive(samples.CLUSTER.name, samples.CLUSTER.uid, born)
    shard = identity.shard("s0")
    assert shard is not None
    return specs.wanted_spec(("shop", "store"), identity, shard, wanted, None)


def without_certificates(asked: effective.EffectiveSpec) -> list[dict[str, Any]]:
    """Return every object but the certificates, which are made anew each time."""
    return [made for made in samples.every_object(asked) if made.get("type") != "kubernetes.io/tls"]


def outcomes(path: str, value: Any) -> set[str]:
    """Return everything that becomes of a change to a cluster that lives."""
    rules = crd.schema()["properties"]["spec"]
    storage = rules["properties"]["storage"]["properties"]
    immutable = [
        rule["message"].split()[0]
        for node in (rules, rules["properties"]["engine"]["properties"]["name"], storage["size"])
        for rule in node[model.RULES]
        if "oldSelf" in rule["rule"]
    ]
    if path in immutable:
        return {REFUSED}
    born, wanted = filled(BEFORE), filled(changed(path, value))
    now = layout.in_force(wanted, born)
    found = {PENDING} if [edit.field for edit in layout.pending(wanted, born)] == [f"spec.{path}"] else set()
    if without_certificates(now) != without_certificates(born):
        found.add(OBJECTS)
    if for_agents(now, born) != for_agents(born, born):
        found.add(AGENTS)
    if now.maintenance != born.maintenance:
        found.add(PLANNER)
    return found


def test_every_field_of_the_definition_is_tried() -> None:
    """A new field has to say here what becomes of its changes."""
    assert leaves(crd.schema()["properties"]["spec"]) == set(CHANGES)


@pytest.mark.parametrize("path", CHANGES)
def test_a_change_is_applied_listed_or_refused(path: str) -> None:
    """No accepted change is ignored in silence."""
    value, outcome = CHANGES[path]
    assert {outcome} == outcomes(path, value)


def test_a_change_of_nothing_does_nothing() -> None:
    """The checks above can fail."""
    assert set() == outcomes("resources.requests.cpu", "1")
