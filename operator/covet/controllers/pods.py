"""What a pod, or the lack of one, says about an instance."""

import datetime as dt
from collections.abc import Iterable
from typing import Any, Final

from covet.core import events, names
from covet.kube.resources import Manifest
from covet.planner.facts import Finding, PodFacts

UNSCHEDULABLE_AFTER: Final = dt.timedelta(seconds=10)
"""Volumes are provisioned and bound within seconds; only then is a pod called unschedulable."""
EVENT_AGE: Final = dt.timedelta(minutes=20)
"""The StatefulSet controller tries again within this time, so older Events say nothing about now."""

CRASHES: Final = 2
"""Restarts of a container from which it is said to end again and again."""
CRASH_AGE: Final = dt.timedelta(seconds=60)
"""Time without another end after which it is no longer said."""

_IMAGE_REASONS: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
_BLOCKED_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


def read(pod: Manifest, stateful_set: Manifest | None, now: dt.datetime) -> PodFacts:
    """Return what a pod says.

    Args:
        pod: as the API server returned it.
        stateful_set: the StatefulSet it belongs to, None if that is gone.
        now: wall-clock time, for the age of a condition.
    """
    metadata, status = pod["metadata"], pod.get("status") or {}
    labels = metadata.get("labels") or {}
    containers = status.get("containerStatuses") or []
    outdated = _outdated(labels, stateful_set)
    return PodFacts(
        name=metadata["name"],
        address=status.get("podIP"),
        node=pod["spec"].get("nodeName"),
        running=any("running" in (entry.get("state") or {}) for entry in containers),
        ready=any(entry["type"] == "Ready" and entry["status"] == "True" for entry in status.get("conditions") or []),
        deleting="deletionTimestamp" in metadata,
        role=labels.get(names.LABEL_ROLE),
        outdated=outdated,
        edited=outdated and _edited(metadata, stateful_set),
        created=_moment(metadata.get("creationTimestamp")),
        problem=_problem(pod, containers, now),
    )


def is_observed(stateful_set: Manifest | None) -> bool:
    """Return whether Kubernetes has taken up the newest version of a StatefulSet."""
    if stateful_set is None:
        return False
    observed = (stateful_set.get("status") or {}).get("observedGeneration", 0)
    return bool(observed == stateful_set["metadata"].get("generation"))


def _outdated(labels: dict[str, str], stateful_set: Manifest | None) -> bool:
    if stateful_set is None or not is_observed(stateful_set):
        return False
    newest = (stateful_set.get("status") or {}).get("updateRevision")
    return newest is not None and labels.get("controller-revision-hash", newest) != newest


def _edited(metadata: Manifest, stateful_set: Manifest | None) -> bool:
    """Return whether a pod was made for other wishes than its StatefulSet's; one that does not say is of an upgrade."""
    had = (metadata.get("annotations") or {}).get(names.ANNOTATION_ASKED)
    template = ((stateful_set or {}).get("spec") or {}).get("template") or {}
    asked = ((template.get("metadata") or {}).get("annotations") or {}).get(names.ANNOTATION_ASKED)
    return had is not None and asked is not None and had != asked


def _problem(pod: Manifest, containers: list[dict[str, Any]], now: dt.datetime) -> Finding | None:
    name = pod["metadata"]["name"]
    subject = f"Pod/{name}"
    for entry in containers:
        waiting = (entry.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason in _IMAGE_REASONS:
            # The kubelet's own sentence changes with every attempt; ours stands still.
            return Finding(
                events.IMAGE_UNAVAILABLE,
                f"The image {entry.get('image')} of pod {name} cannot be pulled. Check its name, that the nodes reach"
                f" the registry, and the pull Secrets; `kubectl describe pod {name}` shows the kubelet's words.",
                subject=subject,
            )
        if reason in _BLOCKED_REASONS:
            return Finding(
                events.POD_BLOCKED,
                f"The container of pod {name} cannot be made ({reason}): {waiting.get('message', '')}",
                subject=subject,
            )
        ended = _crashed(entry, now)
        if ended is not None:
            return Finding(
                events.POD_BLOCKED,
                f"The agent of pod {name} ends again and again (exit code {ended.get('exitCode')});"
                f" `kubectl logs --previous {name}` shows why.",
                subject=subject,
            )
    return _unscheduled(pod, subject, now)


def _crashed(entry: dict[str, Any], now: dt.datetime) -> dict[str, Any] | None:
    """Return how the container ended, if it ends again and again: between two attempts it seems to run."""
    states = (entry.get("state") or {}, entry.get("lastState") or {})
    ends: list[dict[str, Any]] = [state["terminated"] for state in states if "terminated" in state]
    if not ends or entry.get("restartCount", 0) < CRASHES or entry.get("ready"):
        return None
    at = _moment(ends[0].get("finishedAt"))
    waiting = (states[0].get("waiting") or {}).get("reason") == "CrashLoopBackOff"
    recent = at is not None and now - at < CRASH_AGE
    return ends[0] if waiting or recent else None


def _unscheduled(pod: Manifest, subject: str, now: dt.datetime) -> Finding | None:
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] != "PodScheduled" or condition.get("reason") != "Unschedulable":
            continue
        since = _moment(condition.get("lastTransitionTime"))
        if since is not None and now - since >= UNSCHEDULABLE_AFTER:
            return Finding(
                events.UNSCHEDULABLE,
                f"No node takes pod {pod['metadata']['name']}: {condition.get('message', '')} Add nodes or capacity,"
                " or change spec.scheduling or spec.resources.",
                subject=subject,
            )
    return None


def creation_problem(instance: str, found: Iterable[Manifest], now: dt.datetime) -> Finding | None:
    """Return why the StatefulSet of an instance makes no pod, from the Events about it.

    Args:
        instance: name of the instance.
        found: Events whose subject is its StatefulSet.
        now: wall-clock time.
    """
    newest: tuple[dt.datetime, str] | None = None
    for event in found:
        at = _moment(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp"))
        if event.get("reason") != "FailedCreate" or at is None or now - at > EVENT_AGE:
            continue
        if newest is None or at > newest[0]:
            newest = (at, str(event.get("message", "")))
    if newest is None:
        return None
    subject = f"StatefulSet/{instance}"
    if "exceeded quota" in newest[1]:
        return Finding(
            events.QUOTA_EXCEEDED,
            f"The quota of the namespace leaves no room for {instance}: {newest[1]}. Raise the quota or ask for less.",
            subject=subject,
        )
    return Finding(events.CREATION_REFUSED, f"Kubernetes makes no pod for {instance}: {newest[1]}", subject=subject)


def _moment(text: str | None) -> dt.datetime | None:
    if not text:
        return None
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None
