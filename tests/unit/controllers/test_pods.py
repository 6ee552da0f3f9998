"""What pods and their lack say about an instance."""

import datetime as dt
from typing import Any

import pytest

from covet.controllers import pods
from covet.core import events, names
from covet.planner.facts import Finding, PodFacts

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def pod(
    *containers: dict[str, Any], conditions: tuple[dict[str, Any], ...] = (), labels: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return a pod with these container statuses."""
    return {
        "metadata": {"name": "shop-s0-a-0", "labels": labels or {}},
        "spec": {"nodeName": "n1"},
        "status": {"podIP": "10.0.0.1", "containerStatuses": list(containers), "conditions": list(conditions)},
    }


def problem(*containers: dict[str, Any], conditions: tuple[dict[str, Any], ...] = ()) -> Finding | None:
    """Return what is wrong with such a pod."""
    return pods.read(pod(*containers, conditions=conditions), None, NOW).problem


def waiting(reason: str) -> dict[str, Any]:
    """Return a container that waits."""
    return {"image": "image:15", "state": {"waiting": {"reason": reason, "message": "details that change"}}}


def crashed(seconds_ago: int, restarts: int = 3, *, waits: bool = False, ready: bool = False) -> dict[str, Any]:
    """Return a container that ended some time ago and runs or waits now."""
    at = (NOW - dt.timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = {"waiting": {"reason": "CrashLoopBackOff"}} if waits else {"running": {}}
    ended = {"terminated": {"exitCode": 3, "finishedAt": at}}
    return {"state": state, "lastState": ended, "restartCount": restarts, "ready": ready}


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"])
def test_an_image_that_cannot_be_pulled(reason: str) -> None:
    """Whatever the kubelet calls it at the moment, the sentence is the same, so it is said once."""
    found = problem(waiting(reason))
    assert found is not None
    assert events.IMAGE_UNAVAILABLE == found.reason
    assert "image:15" in found.message
    assert "details that change" not in found.message


def test_a_container_that_cannot_be_made() -> None:
    """The kubelet's message says what is missing."""
    found = problem(waiting("CreateContainerConfigError"))
    assert found is not None
    assert (events.POD_BLOCKED, True) == (found.reason, "details that change" in found.message)


@pytest.mark.parametrize(
    ("container", "told"),
    [
        (crashed(5, waits=True), True),
        (crashed(5), True),
        (crashed(300), False),
        (crashed(5, restarts=1), False),
        (crashed(5, ready=True), False),
    ],
)
def test_a_crash_loop_is_one_fact(container: dict[str, Any], told: bool) -> None:
    """Between two attempts a container seems to run: the loop is told until a minute passed without an end."""
    assert told is (problem(container) is not None)


@pytest.mark.parametrize(("age", "told"), [(5, False), (30, True)])
def test_a_pod_that_no_node_takes(age: int, told: bool) -> None:
    """Volumes take seconds to be bound; after ten, the scheduler's words are passed on."""
    since = (NOW - dt.timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes are available.",
        "lastTransitionTime": since,
    }
    found = problem(conditions=(condition,))
    assert told is (found is not None)
    if found is not None:
        assert (events.UNSCHEDULABLE, True) == (found.reason, "0/3 nodes" in found.message)


def test_a_pod_in_order() -> None:
    """A running pod is read as it is."""
    ready = {"type": "Ready", "status": "True"}
    found = pods.read(
        pod({"state": {"running": {}}}, conditions=(ready,), labels={"covet.dev/role": "primary"}), None, NOW
    )
    expected = PodFacts("shop-s0-a-0", "10.0.0.1", "n1", running=True, ready=True, role="primary")
    assert expected == found


@pytest.mark.parametrize(("observed", "revision", "outdated"), [(2, "new", True), (1, "new", False), (2, "old", False)])
def test_an_outdated_pod(observed: int, revision: str, outdated: bool) -> None:
    """A pod is outdated once the controller has seen the newest template and the pod is of another."""
    stateful_set = {
        "metadata": {"generation": 2},
        "status": {"observedGeneration": observed, "updateRevision": revision},
    }
    found = pods.read(pod(labels={"controller-revision-hash": "old"}), stateful_set, NOW)
    assert outdated is found.outdated


@pytest.mark.parametrize(("had", "edited"), [("old", True), ("new", False), (None, False)])
def test_an_edit_is_told_from_an_upgrade(had: str | None, edited: bool) -> None:
    """An outdated pod is edited if it says that it was made for other wishes; one that says nothing is not."""
    stateful_set = {
        "metadata": {"generation": 1},
        "spec": {"template": {"metadata": {"annotations": {names.ANNOTATION_ASKED: "new"}}}},
        "status": {"observedGeneration": 1, "updateRevision": "new"},
    }
    body = pod(labels={"controller-revision-hash": "old"})
    body["metadata"]["annotations"] = {names.ANNOTATION_ASKED: had} if had is not None else {}
    found = pods.read(body, stateful_set, NOW)
    assert (True, edited) == (found.outdated, found.edited)


def event(message: str, age: int, reason: str = "FailedCreate") -> dict[str, Any]:
    """Return an Event about a StatefulSet."""
    at = (NOW - dt.timedelta(minutes=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"metadata": {}, "reason": reason, "message": message, "lastTimestamp": at}


def test_the_newest_reason_for_no_pod_counts() -> None:
    """Of several refusals the newest one is told; those of long ago are not."""
    found = pods.creation_problem(
        "shop-s0-a", [event("old", 5), event("exceeded quota: q", 1), event("ancient", 60)], NOW
    )
    assert found is not None
    assert events.QUOTA_EXCEEDED == found.reason


def test_another_refusal_is_passed_on() -> None:
    """A webhook's refusal is told in its own words."""
    found = pods.creation_problem("shop-s0-a", [event("webhook says no", 1)], NOW)
    assert found is not None
    assert (events.CREATION_REFUSED, True) == (found.reason, "webhook says no" in found.message)


def test_no_event_no_problem() -> None:
    """Without a fresh refusal the pod is on its way."""
    assert None is pods.creation_problem("shop-s0-a", [event("x", 1, "Other"), event("x", 60)], NOW)
