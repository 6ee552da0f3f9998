"""Are the database pods there and ready?"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from covet.cli.doctoring import finding
from covet.cli.doctoring.facts import Facts
from covet.cli.doctoring.finding import Finding
from covet.cli.raw import Manifest
from covet.core import names

AREA: Final = "Pods"


def check(facts: Facts) -> Iterator[Finding]:
    """Yield what there is to say about pods."""
    yield from finding.seen_or_not(AREA, facts.pods)
    there = finding.objects(facts.pods)
    fenced = facts.seen.fenced if facts.seen is not None else ()
    found = [*_missing(facts), *(one for pod in there for one in _pod(pod, fenced))]
    yield from found
    if there and not found:
        yield finding.good(AREA, f"All {len(there)} are ready.")
    if not there and facts.seen is not None and facts.pods == ():
        yield finding.bad(
            AREA,
            f"Cluster {facts.seen.name} has no pods.",
            "Nothing of it runs.",
            f"`kubectl covet status {facts.seen.name}` shows what the operator waits for.",
        )


def _missing(facts: Facts) -> Iterator[Finding]:
    """Yield the instances that should have a pod and have none."""
    if facts.seen is None or isinstance(facts.pods, Exception) or not facts.pods:
        return
    there = {finding.name_of(pod) for pod in facts.pods}
    for shard in facts.seen.status.shards:
        for server in shard.instances:
            if names.pod(server.name) not in there:
                yield finding.bad(
                    AREA,
                    f"{server.name} has no pod.",
                    "It neither serves nor votes.",
                    f"`kubectl describe statefulset {server.name}` says why none is made.",
                )


def _pod(pod: Manifest, fenced: Sequence[str]) -> Iterator[Finding]:
    name, status = finding.name_of(pod), pod.get("status") or {}
    conditions = {str(entry["type"]): entry for entry in status.get("conditions") or []}
    containers = status.get("containerStatuses") or []
    ready = (conditions.get("Ready") or {}).get("status") == "True"
    if not ready and (pod["metadata"].get("labels") or {}).get(names.LABEL_INSTANCE) in fenced:
        yield finding.doubtful(
            AREA,
            f"{name} is not ready: its instance is fenced.",
            "That is what was asked for: its server is stopped.",
            "Let it back when it may serve again, as said above.",
        )
    elif not ready:
        why, todo = _cause(pod, conditions, containers)
        leaving = " and is being deleted" if pod["metadata"].get("deletionTimestamp") else ""
        yield finding.bad(AREA, f"{name} is not ready ({status.get('phase') or 'Unknown'}){leaving}.", why, todo)
    for container in containers:
        ended = (container.get("lastState") or {}).get("terminated")
        if ended and container.get("restartCount", 0) > 0 and ended.get("exitCode") not in {0, None}:
            yield finding.doubtful(
                AREA,
                f"{name} was restarted {_times(container['restartCount'])}, the last time"
                f" at {ended.get('finishedAt')}: {ended.get('reason') or 'Error'}, exit code {ended['exitCode']}.",
                "An agent ends by itself only to be started anew; OOMKilled means that its memory limit is too low.",
                f"`kubectl logs {name} --previous` shows its last words.",
            )


def _cause(pod: Manifest, conditions: dict[str, Any], containers: list[Any]) -> tuple[str, str]:
    """Return why a pod is not ready, and what to do."""
    name = finding.name_of(pod)
    for container in containers:
        waiting = (container.get("state") or {}).get("waiting")
        if waiting:
            said = str(waiting.get("message") or "").rstrip(".")
            why = f"Its container waits: {waiting.get('reason')}{': ' + said if said else ''}."
            return why, f"`kubectl describe pod {name}` shows its Events."
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":
        said = str(scheduled.get("message") or "no reason is given").rstrip(".")
        return f"No node takes it: {said}.", "Make room, or change spec.resources or spec.scheduling."
    labels = pod["metadata"].get("labels") or {}
    cluster, shard = labels.get(names.LABEL_CLUSTER), labels.get(names.LABEL_SHARD)
    more = f"`kubectl covet logs {cluster} --instance {labels.get(names.LABEL_INSTANCE)} --level warning`"
    return (
        "It runs and says that it neither leads nor streams.",
        f"`kubectl covet why {cluster} --shard {shard}` says where the shard stands, {more} what it complains of.",
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
