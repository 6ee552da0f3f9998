"""Every field that a user can change is applied, listed as pending, or refused: none is ignored in silence."""

import dataclasses
import datetime as dt
from typing import Any

import pytest

from covet.api import crd, effective, model, spec
from covet.api.status import ClusterStatus
from covet.controllers import outer, reading, wanted
from covet.controllers.routing import Front
from covet.controllers.wanted import Blueprint
from covet.core import events, names
from covet.core.agentapi import AgentStatus, MemberState
from covet.core.settings import Settings
from covet.kube import ledger
from covet.kube.resources import Manifest
from covet.manifests import certificates, crosscertificates, secrets
from covet.manifests.metadata import ClusterRef
from covet.manifests.pods import Image
from covet.planner import actions as act
from covet.planner import cluster, forcing, layout, status
from covet.planner.facts import ClusterFacts, InstanceFacts, ObjectKey
from covet.planner.plan import Plan
from covet.testing.world import NOW, World
from tests.unit.api import fields
from tests.unit.manifests import outers

BEFORE: dict[str, Any] = {
    "engine": {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "4MB"}},
    "shards": {"count": 2, "instances": 3, "weights": {"s0": 1}, "placement": {"s0": {"zone": "z1"}}},
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
    "certificates": {"authoritySecret": "clients"},
    "failover": {"whenUnsafe": "Wait"},
    "maintenance": {"paused": False, "window": {"days": ["Mon"], "start": "02:00", "hours": 4}},
    "deletion": {"volumes": "Keep"},
}
OBJECTS, AGENTS, PENDING, REFUSED, PLANNER, OUTAGE = "objects", "agents", "pending", "refused", "planner", "outage"
UPGRADE, CERTIFICATES = "upgrade", "certificates"
MOMENTS = tuple(NOW + dt.timedelta(days=days, hours=hours) for days in (4, 5) for hours in (3, 7))
"""A Monday and a Tuesday, 03:00 and 07:00."""
CHANGES: dict[str, tuple[Any, str]] = {
    "engine.name": ("MySQL", REFUSED),
    "engine.version": ("16", PENDING),
    "engine.parameters": ({"work_mem": "8MB"}, AGENTS),
    "shards.count": (3, PENDING),
    "shards.instances": (5, f"{AGENTS}+{OBJECTS}"),
    "shards.weights": ({"s0": 2}, PENDING),
    "shards.placement": ({"s0": {"zone": "z1"}, "s1": {"zone": "z2"}}, OBJECTS),
    "durability": ("Async", AGENTS),
    "storage.size": ("20Gi", OBJECTS),
    "storage.className": ("fast", PENDING),
    "resources.requests.cpu": ("500m", OBJECTS),
    "resources.requests.memory": ("512Mi", OBJECTS),
    "resources.limits.cpu": ("3", OBJECTS),
    "resources.limits.memory": ("3Gi", OBJECTS),
    "scheduling.nodeSelector": ({"disk": "ssd"}, OBJECTS),
    "scheduling.tolerations": ([{"key": "c", "operator": "Exists"}], OBJECTS),
    "scheduling.topologyKey": ("topology.kubernetes.io/zone", OBJECTS),
    "router.replicas": (3, OBJECTS),
    "router.pool.mode": ("Session", OBJECTS),
    "router.pool.min": (1, OBJECTS),
    "router.pool.max": (30, OBJECTS),
    "router.pool.waitSeconds": (31, OBJECTS),
    "router.pool.holdSeconds": (6, OBJECTS),
    "router.pool.idleSeconds": (601, OBJECTS),
    "router.pool.lifetimeSeconds": (3601, OBJECTS),
    "router.resources.requests.cpu": ("500m", OBJECTS),
    "router.resources.requests.memory": ("512Mi", OBJECTS),
    "router.resources.limits.cpu": ("3", OBJECTS),
    "router.resources.limits.memory": ("3Gi", OBJECTS),
    "router.scheduling.nodeSelector": ({"disk": "ssd"}, OBJECTS),
    "router.scheduling.tolerations": ([{"key": "c", "operator": "Exists"}], OBJECTS),
    "router.scheduling.topologyKey": ("topology.kubernetes.io/zone", OBJECTS),
    "database.name": ("store", REFUSED),
    "database.owner": ("boss", REFUSED),
    "certificates.authoritySecret": (None, CERTIFICATES),
    "failover.whenUnsafe": ("PromoteWithLoss", OUTAGE),
    "maintenance.paused": (True, PLANNER),
    "maintenance.window.days": (["Tue"], UPGRADE),
    "maintenance.window.start": ("04:00", UPGRADE),
    "maintenance.window.hours": (6, UPGRADE),
    "deletion.volumes": ("Delete", OBJECTS),
    "adopt": ("00000000-0000-4000-8000-000000000000", PENDING),
}


def filled(document: dict[str, Any]) -> effective.EffectiveSpec:
    """Return the effective spec of a document."""
    return effective.effective(spec.ClusterSpec.model_validate(document))


def observed(document: dict[str, Any]) -> ClusterFacts:
    """Return what is observed of a living cluster after an edit, with the objects that differ from now on."""
    world = World(filled(BEFORE))
    world.settle()
    assert world.identity is not None
    before = objects_of(world.facts(), world.wanted)
    world.wanted, world.generation = filled(document), 2
    facts = world.facts()
    after = objects_of(facts, layout.in_force(world.wanted, world.identity.born))
    return dataclasses.replace(facts, stale=tuple(key for key in after if after[key] != before.get(key)))


def objects_of(facts: ClusterFacts, now: effective.EffectiveSpec) -> dict[ObjectKey, Manifest]:
    """Return every object that a cluster should consist of."""
    assert facts.identity is not None
    kept = {
        (kind, facts.namespace, name): {"kind": kind, "metadata": {"name": name}}
        for kind, name in (("ConfigMap", names.identity(facts.name)), ("Secret", names.authority_secret(facts.name)))
    }
    service = names.read_write_service(facts.name, "s0")
    place = {"kind": "Service", "metadata": {"name": service}, "spec": {"ipFamilies": ["IPv4"]}}
    kept |= {("Service", facts.namespace, service): place}
    ref = ClusterRef(facts.name, facts.namespace, facts.uid)
    leads = {seen.name: reading.destination(seen, facts.identity) for seen in facts.shards}
    front = Front(Image("router:1"), now.router.replicas, {now.database.owner: "SCRAM-SHA-256$..."})
    blueprint = Blueprint(ref, now, facts.identity, facts.wanted_specs, leads, trust=None, routers=front)
    settings = Settings(postgres_images={"15": "image:15", "16": "image:16"})
    return {key: entry.manifest for key, entry in wanted.build(blueprint, settings, kept).items()}


def after(path: str, value: Any) -> tuple[Plan, ClusterStatus]:
    """Return what is planned and said of a living cluster right after one field was changed."""
    facts = observed(fields.changed(BEFORE, path, value))
    plan = cluster.plan_cluster(facts, NOW)
    return plan, status.report(facts, plan, NOW)


def refused(path: str) -> bool:
    """Return whether the definition lets nobody change a field."""
    rules = crd.schema()["properties"]["spec"]
    return path in [
        rule["message"].split()[0]
        for node in (rules, rules["properties"]["engine"]["properties"]["name"])
        for rule in node[model.RULES]
        if "oldSelf" in rule["rule"]
    ]


def of_agents(key: ObjectKey) -> bool:
    """Return whether an object holds what agents are told."""
    return key[0] == "ConfigMap" and key[2].endswith("-config") and not key[2].endswith("-router-config")


def outcomes(path: str, value: Any) -> set[str]:
    """Return everything that becomes of a change, by the plan and the status that follow it."""
    if refused(path):
        return {REFUSED}
    plan, said = after(path, value)
    applied = [key for action in plan.actions if isinstance(action, act.ApplyObjects) for key in action.keys]
    pushed = [action for shard in plan.shards for action in shard.actions if isinstance(action, act.PushSpec)]
    found = {PENDING} if [f"spec.{path}"] == [change.field for change in said.pending_changes] else set()
    if any(not of_agents(key) for key in applied):
        found.add(OBJECTS)
    if any(of_agents(key) for key in applied) and len(pushed) == len(plan.shards):
        found.add(AGENTS)
    if (plan.reason, said.phase) == (events.PAUSED, "Paused"):
        found.add(PLANNER)
    if forces(fields.changed(BEFORE, path, value)):
        found.add(OUTAGE)
    if issues(fields.changed(BEFORE, path, value)):
        found.add(CERTIFICATES)
    if upgrades(fields.changed(BEFORE, path, value)) != upgrades(BEFORE):
        found.add(UPGRADE)
    return found


def forces(document: dict[str, Any]) -> bool:
    """Return whether a member that was left alone for long is made to lead."""
    facts = observed(document)
    shard = facts.shards[0]
    left = shard.instances[0]
    assert isinstance(left.agent, AgentStatus)
    alone = dataclasses.replace(left.agent, state=MemberState.STOPPED, quorum_missing="too few")
    gone = (InstanceFacts(seen.name) for seen in shard.instances[1:])
    outage = dataclasses.replace(
        shard, instances=(dataclasses.replace(left, agent=alone), *gone), stuck=forcing.PATIENCE
    )
    plan = cluster.plan_cluster(dataclasses.replace(facts, shards=(outage, *facts.shards[1:])), NOW)
    return any(isinstance(action, act.ForcePromotion) for action in plan.shards[0].actions)


def issues(document: dict[str, Any]) -> bool:
    """Return whether a server that shows the way to an authority of somebody else gets another certificate."""
    facts, now = observed(document), dt.datetime.now(dt.UTC)
    assert facts.spec is not None
    ref = ClusterRef(facts.name, facts.namespace, facts.uid)
    shard = facts.shards[0]
    instance = shard.instances[0].name
    addresses = certificates.instance_addresses(ref.name, shard.name, instance, ref.namespace)
    authority, company = certificates.make_authority(ref.name, now), outers.root(now)
    asked = outer.judge(
        "clients", {"data": secrets.coded(company.values())}, outer.Terms(addresses, now, dt.timedelta())
    )
    assert asked.authority is not None
    above = crosscertificates.sign(asked.authority, authority.certificate, addresses, now, certificates.Lifetimes())
    issued = certificates.issue_instance(authority, instance, addresses, now)
    issued = dataclasses.replace(issued, certificate=issued.certificate + above)
    objects = {
        ledger.key_of(manifest): manifest
        for manifest in (
            secrets.authority(ref, authority, spec.VolumeFate.KEEP),
            secrets.instance_certificate(ref, shard.name, instance, issued),
        )
    }
    wished = asked if facts.spec.certificates is not None else None
    found = reading.certificates_of(objects, ref, facts.shards, now, wished)
    alone = dataclasses.replace(facts.shards[0], instances=shard.instances[:1])
    seen = dataclasses.replace(facts, shards=(alone,), certificates={**facts.certificates, instance: found[instance]})
    plan = cluster.plan_cluster(seen, NOW)
    return any(isinstance(action, act.IssueCertificates) for action in plan.actions)


def upgrades(document: dict[str, Any]) -> list[dt.datetime]:
    """Return the moments at which a pod of an earlier version is made anew, by what a spec says of maintenance."""
    kept = filled(document).maintenance.model_copy(update={"paused": False})
    facts = observed(BEFORE)
    assert facts.spec is not None
    shard = facts.shards[0]
    replica = shard.instances[1]
    assert replica.pod is not None
    old = dataclasses.replace(replica, pod=dataclasses.replace(replica.pod, outdated=True))
    shards = (
        dataclasses.replace(shard, instances=(shard.instances[0], old, *shard.instances[2:])),
        *facts.shards[1:],
    )
    spec_now = facts.spec.model_copy(update={"maintenance": kept})
    later = dataclasses.replace(facts, spec=spec_now, shards=shards, stale=())
    return [
        moment
        for moment in MOMENTS
        if any(
            isinstance(action, act.RestartInstance) for action in cluster.plan_cluster(later, moment).shards[0].actions
        )
    ]


def ready(said: ClusterStatus) -> tuple[str, int]:
    """Return what Ready says, and of which generation."""
    (found,) = [entry for entry in said.conditions if entry.type == "Ready"]
    return found.status.value, found.observed_generation


def test_every_field_of_the_definition_is_tried() -> None:
    """A new field has to say here what becomes of its changes."""
    assert sorted(CHANGES) == sorted(fields.leaves(crd.schema()["properties"]["spec"]))


@pytest.mark.parametrize("path", CHANGES)
def test_a_change_is_applied_listed_or_refused(path: str) -> None:
    """No accepted change is ignored in silence."""
    value, outcome = CHANGES[path]
    assert set(outcome.split("+")) == outcomes(path, value)


@pytest.mark.parametrize("path", [path for path in CHANGES if CHANGES[path][1] in {OBJECTS, AGENTS, PENDING}])
def test_a_change_is_not_ready_before_it_is_in_force(path: str) -> None:
    """Right after an edit nobody is told that the cluster is as it was asked for."""
    _, said = after(path, CHANGES[path][0])
    assert ("False", 2) == ready(said)


@pytest.mark.parametrize("path", [path for path in CHANGES if CHANGES[path][1] != REFUSED])
def test_the_effective_spec_follows_what_is_carried_out(path: str) -> None:
    """What waits does not show in the status; everything else does."""
    value, outcome = CHANGES[path]
    _, said = after(path, value)
    expected = filled(BEFORE) if outcome == PENDING else filled(fields.changed(BEFORE, path, value))
    assert expected == said.effective


def test_a_change_of_nothing_does_nothing() -> None:
    """The checks above can fail."""
    plan, said = after("resources.requests.cpu", "1")
    assert set() == outcomes("resources.requests.cpu", "1")
    assert (True, ("True", 2), filled(BEFORE)) == (plan.empty, ready(said), said.effective)
