"""Ordered restarts of a shard: which instance comes next, and what a restart waits for. Pure.

Replicas first, one at a time; then the primary hands over to one of them, and comes last. Nothing that serves is taken
away unless every other instance of the shard does its work: then a shard is never short of more than one, and every
commit has its quorum. What is down already may be replaced at any time.

An edit of the user's is carried out by itself. What only an upgrade of the operator brings waits for the maintenance
window or a person's word (`covet.dev/restart`), for an upgrade changes no running pod.
"""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Final

from covet.core import names
from covet.core.agentapi import AgentStatus, MemberState, Serving, ShardSpec
from covet.planner import findings, scaling, shard
from covet.planner.actions import HandOver, RestartInstance
from covet.planner.facts import InstanceFacts, ShardFacts
from covet.planner.record import ShardRecord

CLOSE_BYTES: Final = 16 << 20
"""A replica has its place when it is at most this far behind: one segment of the log."""
_BUSY: Final = frozenset({MemberState.BOOTSTRAPPING, MemberState.CLONING})

Answer = tuple[InstanceFacts, AgentStatus]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a shard is judged by.

    Args:
        since: instances whose pods are older shall be restarted; None for no such order.
        upgrading: whether pods that only an upgrade of the operator made old shall be restarted too.
    """

    record: ShardRecord
    spec: ShardSpec
    since: dt.datetime | None = None
    upgrading: bool = False


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the restarts of a shard come to now.

    Args:
        due: instances that shall be restarted.
        step: what to do next, None for nothing.
        waits: why nothing is done though something is due.
    """

    due: tuple[str, ...] = ()
    step: RestartInstance | HandOver | None = None
    waits: str = ""

    @property
    def disturbs(self) -> bool:
        """Return whether the step takes something away that serves."""
        return isinstance(self.step, HandOver) or (self.step is not None and self.step.serves)


def since(annotations: Mapping[str, str], now: dt.datetime) -> dt.datetime | None:
    """Return the moment that a person ordered restarts for, None if there is none that is past.

    A pod that is made now is older than a moment that lies ahead: it would be restarted again and again.
    """
    found = moment_in(annotations)
    return found if found is not None and found <= now else None


def moment_in(annotations: Mapping[str, str]) -> dt.datetime | None:
    """Return the moment that a person wrote, None if there is none that can be read."""
    try:
        found = dt.datetime.fromisoformat(annotations.get(names.ANNOTATION_RESTART, "").strip())
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def judge(seen: ShardFacts, wanted: Wanted) -> Verdict:
    """Decide what to restart next in a shard.

    Args:
        seen: what was observed of it.
        wanted: what it should be.
    """
    reasons = {instance.name: reason for instance in seen.instances if (reason := _reason(instance, wanted))}
    broken = next((instance for instance in seen.instances if _is_replaceable(instance)), None)
    if broken is not None:
        why = reasons.get(broken.name, "its pod cannot run, and its template has changed")
        due = tuple(dict.fromkeys((broken.name, *reasons)))
        return Verdict(due, RestartInstance(seen.name, broken.name, why, serves=False))
    leader = shard.leader_of(seen, wanted.record)
    if not reasons or leader is None or not wanted.record.opened:
        return Verdict(tuple(reasons), waits=f"{seen.name} has no primary that answers." if reasons else "")
    obstacles = {instance.name: _obstacle(instance, leader, wanted.spec) for instance in seen.instances}
    chosen = _next(seen, leader[0].name, reasons, obstacles)
    if chosen is None:
        return Verdict(tuple(reasons), waits=_first(obstacles, "") or f"An instance of {seen.name} has work to finish.")
    serves = obstacles[chosen.name] is None
    waits = _first(obstacles, chosen.name) or (_unsettled(seen, wanted.spec, leader) if serves else None)
    if waits is not None:
        return Verdict(tuple(reasons), waits=waits)
    return _step(seen, leader, chosen, reasons, serves=serves)


def _step(
    seen: ShardFacts, leader: Answer, chosen: InstanceFacts, reasons: Mapping[str, str], *, serves: bool
) -> Verdict:
    """Return what is done about an instance whose turn it is: a primary that is not alone hands over first."""
    others = [(status.lag_bytes or 0, other.name) for other, status in seen.answers() if other.name != chosen.name]
    if chosen.name == leader[0].name and others:
        return Verdict(tuple(reasons), HandOver(seen.name, chosen.name, min(others)[1]))
    return Verdict(tuple(reasons), RestartInstance(seen.name, chosen.name, reasons[chosen.name], serves=serves))


def _next(
    seen: ShardFacts, leader: str, reasons: Mapping[str, str], obstacles: Mapping[str, str | None]
) -> InstanceFacts | None:
    """Return whose turn it is: replicas that do not do their work, the other replicas, then the primary."""
    due = [instance for instance in seen.instances if instance.name in reasons]
    replicas = [instance for instance in due if instance.name != leader]
    able = [instance for instance in replicas if _is_able(instance)]
    if replicas:
        return min(able, key=lambda instance: obstacles[instance.name] is None, default=None)
    return next(iter(due), None)


def _is_able(instance: InstanceFacts) -> bool:
    """Return whether an instance can be restarted without undoing work that it has to do all the same."""
    answer, pod = instance.agent, instance.pod
    return isinstance(answer, AgentStatus) and answer.state not in _BUSY and pod is not None and not pod.deleting


def lacking(seen: ShardFacts, wanted: Wanted) -> str | None:
    """Return what a shard lacks to be whole, None if every instance does its work."""
    leader = shard.leader_of(seen, wanted.record)
    if leader is None or not wanted.record.opened:
        return f"{seen.name} has no primary that answers."
    obstacles = {instance.name: _obstacle(instance, leader, wanted.spec) for instance in seen.instances}
    return _first(obstacles, "") or _unsettled(seen, wanted.spec, leader)


def is_older(instance: InstanceFacts, moment: dt.datetime | None) -> bool:
    """Return whether the pod of an instance was made before a moment."""
    created = instance.pod.created if instance.pod is not None else None
    return moment is not None and created is not None and created < moment


def _reason(instance: InstanceFacts, wanted: Wanted) -> str | None:
    """Return why an instance shall be restarted, None if it shall not."""
    pod, answer = instance.pod, instance.agent
    if pod is None:
        return None
    if pod.edited:
        return "resources or scheduling of its pod have changed"
    if isinstance(answer, AgentStatus) and answer.pending_restart and answer.parameter_problem is None:
        return f"{', '.join(answer.pending_restart)} takes effect with a start of the server"
    if is_older(instance, wanted.since):
        return "a restart was ordered"
    return "an upgrade is due in the maintenance window" if wanted.upgrading and pod.outdated else None


def _is_replaceable(instance: InstanceFacts) -> bool:
    """Return whether a pod with an old template does nothing that could be disturbed."""
    pod, answer = instance.pod, instance.agent
    if pod is None or pod.deleting or not pod.outdated:
        return False
    if not pod.running:
        return True
    if not isinstance(answer, AgentStatus) or answer.state is not MemberState.STOPPED:
        return False
    return pod.edited and answer.reason not in findings.QUIET_STOPS


def _first(obstacles: Mapping[str, str | None], besides: str) -> str | None:
    """Return the first obstacle of an instance other than the given one."""
    return next((found for name, found in obstacles.items() if name != besides and found is not None), None)


def _unsettled(seen: ShardFacts, spec: ShardSpec, leader: Answer) -> str | None:
    """Return what the shard as a whole is about, None if its cohort is as it shall be."""
    who = scaling.roster(spec)
    if who.leaving or not scaling.complete(seen, who, leader[1].rule):
        return f"The cohort of {seen.name} is changing."
    return None


def _obstacle(instance: InstanceFacts, leader: Answer, spec: ShardSpec) -> str | None:
    """Return what an instance lacks to do its work, None if it lacks nothing."""
    name, answer, pod = instance.name, instance.agent, instance.pod
    if not isinstance(answer, AgentStatus):
        return f"The agent of {name} does not answer."
    behind = answer.applied_generation is not None and answer.applied_generation < spec.generation
    lacks = {
        f"The pod of {name} is not ready.": pod is None or pod.deleting or not pod.ready,
        f"Kubernetes has not taken up the newest StatefulSet of {name}.": not instance.observed,
        f"The server of {name} cannot go by its parameters.": answer.parameter_problem is not None,
        f"{name} has not taken up its newest settings.": behind or answer.spec_generation < spec.generation,
        f"{name} does not take writes.": name == leader[0].name and answer.serving is not Serving.READ_WRITE,
        f"{name} does not stream close behind its primary.": name != leader[0].name
        and not _has_its_place(answer, leader[1]),
    }
    return next((sentence for sentence, holds in lacks.items() if holds), None)


def _has_its_place(answer: AgentStatus, leader: AgentStatus) -> bool:
    """Return whether a replica votes, streams, is close behind, and counts for acknowledgements where any are asked."""
    rule = leader.rule
    link = next((found for found in leader.followers if found.member == answer.member), None)
    if rule is None or link is None or answer.member not in rule.cohort:
        return False
    if answer.state is not MemberState.FOLLOWER or not answer.streaming or answer.serving is Serving.CLOSED:
        return False
    near = link.lag_bytes is not None and link.lag_bytes <= CLOSE_BYTES
    return near and link.state == "streaming" and (link.synchronous or rule.acks == 0)
