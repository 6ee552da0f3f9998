"""`doctor` finds what is wrong around a cluster, and says what, why, and what to do."""

import datetime as dt
import json
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from covet.kube import resources
from tests.unit.cli import surroundings
from tests.unit.cli.fakes import NOW
from tests.unit.cli.surroundings import SYSTEM, Caller, Surroundings

Fault = Callable[[Surroundings], None]


async def findings(caller: Caller, *arguments: str) -> list[dict[str, str]]:
    """Return what `doctor` finds and does not call good."""
    done = await caller.call("doctor", *arguments, "-o", "json")
    found: list[dict[str, str]] = json.loads(done.out)["findings"]
    assert (7 if any(one["grade"] == "bad" for one in found) else 0) == done.code
    return [one for one in found if one["grade"] != "good"]


async def test_a_healthy_cluster(caller: Caller) -> None:
    """One line for each thing that was looked at."""
    done = await caller.call("doctor", "shop")
    expected = """
        ok  Versions    Kubernetes v1.29.3.
        ok  Definition  CovetCluster v1alpha1 has every field.
        ok  Operator    Operator 0.1.0 of chart covet-0.1.0, as this command.
        ok  Images      Database pods run registry.example/covet-postgres:15-0.1.0.
        ok  Rights      You have every right that the command uses in namespace default.
        ok  Cluster     shop: every condition is as it should be.
        ok  Pods        All 6 are ready.
        ok  Storage     StorageClass fast (disk.example); its volumes can grow.
        ok  Clocks      The clock here agrees with the API server's; so do those of the operator, the leader
                        of s0, the leader of s1.
        ok  Network     Each shard has its NetworkPolicy, and the operator may reach the agents.
        ok  Budgets     Each shard lets one instance go at a time.
        ok  Metrics     Each of the 6 pods is to be scraped, and lets that in.

        All is well.
        """
    assert textwrap.dedent(expected).lstrip("\n") == done.out
    assert (0, "") == (done.code, done.err)


async def test_what_ails_is_told_with_why_and_what_to_do(caller: Caller, around: Surroundings) -> None:
    """Below each other, with the code by which a script knows, and what it comes to."""
    around.delete(resources.BUDGET, "default", "shop-s1")
    done = await caller.call("doctor", "shop")
    expected = """
        bad  Budgets     s1 has no PodDisruptionBudget.
             why         A drain of several nodes may take several of its instances at once, and with them
                         the quorum.
             do          The operator makes it anew in its next round; if it does not, look at its log.
        """
    assert textwrap.dedent(expected).lstrip("\n") in done.out
    assert done.out.endswith("\n\n1 to mend, 0 to think about.\n")
    assert (7, "Error: 1 finding to mend.\n") == (done.code, done.err)


def edited(kind: str, name: str, edit: Callable[[dict[str, Any]], None]) -> Fault:
    """Return the fault that an object was edited."""
    return lambda server: surroundings.change(server, kind, name, edit)


def gone(resource: resources.Resource, namespace: str, name: str) -> Fault:
    """Return the fault that an object is not there."""
    return lambda server: server.delete(resource, namespace, name)


def with_value(field: str, value: Any) -> Fault:
    """Return the fault that the server itself is different."""
    return lambda server: setattr(server, field, value)


def drop_field(body: dict[str, Any]) -> None:
    """Take a field out of the installed definition, as an older one lacks it."""
    del body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["maintenance"]


def of_version_nine(body: dict[str, Any]) -> None:
    """Let the operator be a newer one."""
    body["metadata"]["labels"]["app.kubernetes.io/version"] = "9.9"


def paused(body: dict[str, Any]) -> None:
    """Pause the operator, which has seen it."""
    body["spec"]["maintenance"] = {"paused": True}
    body["status"]["observedGeneration"] = 2


def unready(body: dict[str, Any]) -> None:
    """Let a pod wait for its image."""
    body["status"]["conditions"][1]["status"] = "False"
    waiting = {"reason": "ImagePullBackOff", "message": "no such image."}
    body["status"]["containerStatuses"][0]["state"] = {"waiting": waiting}


def unscheduled(body: dict[str, Any]) -> None:
    """Let no node take a pod."""
    conditions = [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes: Insufficient memory."}]
    body["status"] = {"phase": "Pending", "conditions": conditions}


def killed(body: dict[str, Any]) -> None:
    """Let a container have been killed for its memory."""
    ended = {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-23T07:00:00Z"}
    body["status"]["containerStatuses"][0] |= {"restartCount": 2, "lastState": {"terminated": ended}}


def second_budget(server: Surroundings) -> None:
    """Put a budget of somebody else's over the pods."""
    spec = {"selector": {"matchLabels": {"covet.dev/shard": "s0"}}, "maxUnavailable": 0}
    metadata = {"name": "all", "namespace": "default"}
    server.put({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec})


def locked_in(server: Surroundings) -> None:
    """Deny the operator's namespace every way out but DNS."""
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}]}
    metadata = {"name": "default-deny", "namespace": SYSTEM}
    server.put({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})


def two_defaults(server: Surroundings) -> None:
    """Mark a second storage class as the default one."""
    server.put(surroundings.storage_class("slow", default=True))


def renewed(delta: dt.timedelta) -> Callable[[dict[str, Any]], None]:
    """Return what lets a Lease have been renewed at another time."""
    return lambda body: body["spec"].update(renewTime=(NOW + delta).isoformat())


def put(field: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    """Return what changes a part of an object."""
    return lambda body: body[field].update(values)


FAULTS: dict[str, tuple[Fault, str, str, str]] = {
    "an old Kubernetes": (with_value("version", "v1.27.9"), "bad", "Versions", "Kubernetes is v1.27.9."),
    "no definition": (
        gone(resources.CUSTOM_RESOURCE, "", "covetclusters.covet.dev"), "bad", "Definition", "has no CovetCluster",
    ),
    "an old definition": (
        edited("CustomResourceDefinition", "covetclusters.covet.dev", drop_field),
        "bad", "Definition", "does not know spec.maintenance, spec.maintenance.paused,",
    ),
    "no operator": (
        gone(resources.POD, SYSTEM, "covet-7d9-x"),
        "bad", "Operator", f"No pod of the operator is in namespace {SYSTEM}.",
    ),
    "an operator of another version": (
        edited("Pod", "covet-7d9-x", of_version_nine),
        "doubtful", "Operator", "The operator is 9.9, this command 0.1.0.",
    ),
    "an old image": (
        edited("Pod", "shop-s0-a-0", lambda body: body["spec"]["containers"][0].update(image="old:1")),
        "doubtful", "Images", "shop-s0-a-0 run old:1; the operator would start registry.example/covet-postgres:15-0",
    ),
    "a condition": (
        edited("CovetCluster", "shop", lambda body: body["status"]["conditions"][1].update(status="False")),
        "bad", "Cluster", "Available is False: PrimariesServe.",
    ),
    "a pause": (
        edited("CovetCluster", "shop", paused),
        "doubtful", "Cluster", "It is paused.",
    ),
    "a fence": (
        edited("CovetCluster", "shop", put("metadata", annotations={"covet.dev/fenced": "shop-s0-c"})),
        "doubtful", "Cluster", "shop-s0-c: kept out of service by a person.",
    ),
    "a pod that waits": (edited("Pod", "shop-s0-b-0", unready), "bad", "Pods", "shop-s0-b-0 is not ready (Running)."),
    "a pod without a node": (
        edited("Pod", "shop-s0-b-0", unscheduled), "bad", "Pods", "shop-s0-b-0 is not ready (Pending).",
    ),
    "a missing pod": (gone(resources.POD, "default", "shop-s1-c-0"), "bad", "Pods", "shop-s1-c has no pod."),
    "a killed container": (
        edited("Pod", "shop-s0-b-0", killed),
        "doubtful", "Pods", "restarted 2 times, the last time at 2026-11-23T07:00:00Z",
    ),
    "no storage class": (
        gone(resources.STORAGE_CLASS, "", "fast"), "bad", "Storage", "No StorageClass is the default one.",
    ),
    "two default classes": (two_defaults, "doubtful", "Storage", "fast, slow are default StorageClasses all at once."),
    "a class that binds at once": (
        edited("StorageClass", "fast", lambda body: body.update(volumeBindingMode="Immediate")),
        "doubtful", "Storage", "makes volumes before it is known where the pod will run",
    ),
    "an unbound claim": (
        edited("PersistentVolumeClaim", "data-shop-s0-a-0", put("status", phase="Pending")),
        "bad", "Storage", "Claim data-shop-s0-a-0 is Pending.",
    ),
    "a clock here": (
        with_value("now", NOW + dt.timedelta(seconds=10)), "doubtful", "Clocks", "is 10 s behind the API server's.",
    ),
    "a leader's clock ahead": (
        edited("Lease", "shop-s1", renewed(dt.timedelta(seconds=90))),
        "bad", "Clocks", "The clock of the leader of s1 (shop-s1-a) is 90 s ahead of the API server's.",
    ),
    "a Lease that is not renewed": (
        edited("Lease", "covet", renewed(dt.timedelta(seconds=-60))),
        "doubtful", "Clocks", "The Lease of the operator (covet-7d9-x) was renewed 60 s ago by its own clock.",
    ),
    "no policy": (
        gone(resources.NETWORK_POLICY, "default", "shop-s0"), "bad", "Network", "s0 has no NetworkPolicy.",
    ),
    "a policy for another operator": (
        edited("NetworkPolicy", "shop-s0", lambda body: body["spec"]["ingress"].pop(1)),
        "bad", "Network", f"does not let in an operator of {SYSTEM}",
    ),
    "an operator that is locked in": (locked_in, "bad", "Network", "default-deny let the operator reach no agent."),
    "a spent budget": (
        edited("PodDisruptionBudget", "shop-s0", put("status", disruptionsAllowed=0, currentHealthy=2)),
        "doubtful", "Budgets", "No pod of s0 may be drained now: 2 of 3 are ready.",
    ),
    "two budgets": (second_budget, "bad", "Budgets", "PodDisruptionBudget all selects pods of s0 too."),
    "no monitor": (with_value("monitors", []), "doubtful", "Metrics", "No PodMonitor selects shop-s0-a-0,"),
    "no Prometheus operator": (
        with_value("monitors", None), "doubtful", "Metrics", "shop-s0-a-0, shop-s0-b-0, shop-s0-c-0 and 3 more.",
    ),
    "a monitor of its own namespace": (
        with_value("monitors", [surroundings.monitor() | {"spec": {}}]), "doubtful", "Metrics", "No PodMonitor selects",
    ),
    "metrics that nobody may read": (
        edited("NetworkPolicy", "shop-s1", lambda body: body["spec"]["ingress"].pop()),
        "bad", "Metrics", "NetworkPolicy shop-s1 lets nobody read the metrics of shop-s1-a-0 (TCP port 7445).",
    ),
    "a monitor of another port": (
        with_value("monitors", [surroundings.monitor("web")]),
        "bad", "Metrics", "PodMonitor covet-instances scrapes port web, which the pods do not have.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_is_found_and_nothing_else(caller: Caller, around: Surroundings, fault: str) -> None:
    """By its grade and words; with why, and with what to do."""
    break_it, grade, area, words = FAULTS[fault]
    break_it(around)
    found = await findings(caller, "shop")
    assert [(grade, area)] == [(one["grade"], one["area"]) for one in found]
    assert words in found[0]["what"]
    assert [True, True] == [len(found[0][part]) > 20 for part in ("why", "todo")]


async def test_a_pod_that_is_fenced_is_no_riddle(caller: Caller, around: Surroundings) -> None:
    """It is not ready because somebody wanted so; nobody is sent looking for another cause."""
    edited("CovetCluster", "shop", put("metadata", annotations={"covet.dev/fenced": "shop-s0-c"}))(around)
    edited("Pod", "shop-s0-c-0", unready)(around)
    told = [(one["grade"], one["what"]) for one in await findings(caller, "shop") if one["area"] == "Pods"]
    assert [("doubtful", "shop-s0-c-0 is not ready: its instance is fenced.")] == told


async def test_what_may_not_be_seen_is_said_with_the_rule(caller: Caller, around: Surroundings) -> None:
    """It is no fault of the cluster's; the rest is judged all the same."""
    around.denied |= {("list", "storageclasses"), ("list", "podmonitors"), ("get", "leases")}
    done = await caller.call("doctor", "shop")
    assert 0 == done.code
    expected = """
        ?     Storage     You may not list storageclasses.
              do          To have it looked at, ask for this rule:
                            - apiGroups: ["storage.k8s.io"]
                              resources: ["storageclasses"]
                              verbs: ["list"]
        """
    assert textwrap.dedent(expected).lstrip("\n") in done.out
    assert "In namespace default you may not: get leases, list podmonitors." in done.out
    assert done.out.endswith("\n\nNothing to mend, 1 to think about. 5 could not be looked at.\n")


async def test_a_cluster_that_no_operator_serves(caller: Caller, around: Surroundings) -> None:
    """The most likely reason comes with it: the namespaces that it watches."""
    surroundings.change(around, "CovetCluster", "shop", lambda body: body["status"].pop("operator"))
    found = await findings(caller, "shop")
    assert ["No operator has taken up shop."] == [one["what"] for one in found]
    assert "watchNamespaces" in found[0]["todo"]


async def test_without_a_cluster_what_concerns_all_is_looked_at(caller: Caller, around: Surroundings) -> None:
    """The operator is found by whichever cluster names it."""
    around.delete(resources.POD, SYSTEM, "covet-7d9-x")
    found = await findings(caller)
    assert [("bad", "Operator")] == [(one["grade"], one["area"]) for one in found]


async def test_an_api_server_that_is_away_is_no_finding(caller: Caller, around: Surroundings) -> None:
    """Nothing can be said: the code is that of an API server which does not answer."""
    await around.stop()
    done = await caller.call("doctor", "shop")
    assert (5, "") == (done.code, done.out)
