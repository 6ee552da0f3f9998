"""Restarts over a whole cluster: one instance that serves at a time, what waits, and a person's order of them. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

from covet.api.effective import EffectiveWindow
from covet.core import events, names
from covet.core.agentapi import ShardSpec
from covet.planner import restarts, windows
from covet.planner.actions import HandOver, SettleOrder
from covet.planner.facts import ClusterFacts
from covet.planner.plan import PendingChange, ShardPlan
from covet.planner.record import Identity, ShardRecord
from covet.planner.restarts import Verdict, Wanted

SKEW: Final = dt.timedelta(minutes=1)
"""How far in the future a person's moment may lie: clocks differ."""
REASONS: Final = ("RestartNeeded", "PodRestartNeeded", "RestartOrdered", "UpgradeWaits")
"""Why a change is listed that waits for restarts."""


def arrange(
    facts: ClusterFacts, identity: Identity, plans: tuple[ShardPlan, ...], now: dt.datetime
) -> tuple[tuple[ShardPlan, ...], Mapping[str, Verdict]]:
    """Return the plans of all shards with the next restarts, and what was decided about each shard.

    A shard is restarted once its plan has nothing else to do, and an instance that serves only while the whole
    cluster is whole: the restarts of a cluster go one after the other.

    Args:
        facts: what was observed.
        identity: the birth record.
        plans: what is to be done otherwise.
        now: wall-clock time; an order is judged by it.
    """
    judged = {
        seen.name: (seen, wishes(facts, record, spec, now))
        for seen in facts.shards
        if (record := identity.shard(seen.name)) is not None and (spec := facts.wanted_specs.get(seen.name)) is not None
    }
    verdicts = {name: restarts.judge(seen, wanted) for name, (seen, wanted) in judged.items()}
    if any(verdict.due for verdict in verdicts.values()):
        lacking = {name: restarts.lacking(seen, wanted) for name, (seen, wanted) in judged.items()}
        busy = {plan.name: plan.message for plan in plans if plan.actions or any(f.stalls for f in plan.findings)}
        busy |= {name: sentence for name, sentence in lacking.items() if sentence is not None}
        verdicts = bound(facts, verdicts, busy)
    return tuple(_with_step(plan, verdicts.get(plan.name)) for plan in plans), verdicts


def wishes(facts: ClusterFacts, record: ShardRecord, spec: ShardSpec, now: dt.datetime) -> Wanted:
    """Return what a shard's restarts are judged by at a moment: its record, its spec, an order, the window."""
    return Wanted(record, spec, restarts.since(facts.annotations, now), windows.is_open(_window(facts), now))


def _window(facts: ClusterFacts) -> EffectiveWindow | None:
    return facts.spec.maintenance.window if facts.spec is not None else None


def _with_step(plan: ShardPlan, verdict: Verdict | None) -> ShardPlan:
    if verdict is None or verdict.step is None:
        return plan
    step = verdict.step
    if isinstance(step, HandOver):
        message = f"{step.leader} is restarted last and hands over to {step.to}."
    else:
        message = f"{step.instance} is restarted: {step.why}."
    actions = (*plan.actions, step)
    return dataclasses.replace(plan, actions=actions, reason=events.RESTARTING, message=message, settled=False)


def bound(facts: ClusterFacts, verdicts: Mapping[str, Verdict], busy: Mapping[str, str]) -> dict[str, Verdict]:
    """Return the verdicts such that at most one instance that serves is taken away at a time.

    Args:
        facts: what was observed.
        verdicts: by shard, each judged alone.
        busy: what is under way or missing, by shard; a shard that is whole and has nothing to do has no entry.
    """
    stale = any(kind == "StatefulSet" for kind, _, _ in facts.stale)
    found: dict[str, Verdict] = {}
    turn = ""
    for name, verdict in verdicts.items():
        waits = ""
        if verdict.step is not None and stale:
            waits = "A StatefulSet is brought up to date first."
        elif verdict.disturbs:
            waits = next(iter(busy.values()), "") or turn
            turn = turn or f"{name} comes first."
        found[name] = dataclasses.replace(verdict, step=None, waits=waits) if waits else verdict
    return found


def settle(facts: ClusterFacts, now: dt.datetime) -> SettleOrder | None:
    """Return what ends a person's order of restarts: it is done, or cannot be understood. None while it stands."""
    text = facts.annotations.get(names.ANNOTATION_RESTART)
    if text is None:
        return None
    moment, annotation, value = restarts.moment_in(facts.annotations), names.ANNOTATION_RESTART, text.strip()
    if moment is None or moment > now + SKEW:
        message = f"{value!r} is no moment of the past: write one as in RFC 3339, e.g. {now:%Y-%m-%dT%H:%M:%SZ}."
        return SettleOrder("", annotation, value, events.RESTART_REFUSED, message, refused=True)
    pods = [instance.pod for seen in facts.shards for instance in seen.instances]
    if any(pod is None or pod.created is None or pod.deleting or pod.created < moment for pod in pods):
        return None
    return SettleOrder("", annotation, value, events.ORDER_DONE, f"Every pod was made after {value}, as ordered.")


def pending(facts: ClusterFacts, verdicts: Mapping[str, Verdict], now: dt.datetime) -> tuple[PendingChange, ...]:
    """Return the changes that wait for a restart of pods or servers.

    Args:
        facts: what was observed.
        verdicts: by shard, what is done about it now.
        now: wall-clock time; an order is judged by it.
    """
    waits = " ".join(dict.fromkeys(verdict.waits for verdict in verdicts.values() if verdict.waits))
    return tuple(_pending(facts, f" It waits: {waits}" if waits else "", now))


def _pending(facts: ClusterFacts, tail: str, now: dt.datetime) -> Iterator[PendingChange]:
    for setting, waiting in sorted(_settings(facts).items()):
        message = f"Takes effect when the server restarts on {', '.join(waiting)}, replicas first.{tail}"
        yield PendingChange(f"spec.engine.parameters.{setting}", "RestartNeeded", message)
    edited, ordered, outdated = _pods(facts, restarts.since(facts.annotations, now))
    if edited:
        message = f"Pods are made anew, replicas first; left are {', '.join(edited)}.{tail}"
        yield PendingChange("spec", "PodRestartNeeded", message)
    if ordered:
        message = f"Restarts were ordered; left are {', '.join(ordered)}.{tail}"
        yield PendingChange(f"metadata.annotations[{names.ANNOTATION_RESTART}]", "RestartOrdered", message)
    if outdated:
        message = f"{', '.join(outdated)} started before the operator or its images changed"
        yield PendingChange("upgrade", "UpgradeWaits", f"{message}, and {_way(_window(facts), tail, now)}")


def _way(window: EffectiveWindow | None, tail: str, now: dt.datetime) -> str:
    """Return how pods of an earlier version are made anew, as the end of a sentence."""
    if window is not None and windows.is_open(window, now):
        return f"are made anew in order, for the maintenance window is open.{tail}"
    until = f" until the maintenance window ({windows.described(window)})" if window is not None else ""
    early = " now" if window is not None else ""
    return (
        f"run on{until}. To restart them in order{early}, annotate the cluster with"
        f" {names.ANNOTATION_RESTART}=<the moment of now, RFC 3339>."
    )


def _settings(facts: ClusterFacts) -> dict[str, list[str]]:
    """Return the settings that wait for a start of a server, each with the instances."""
    found: dict[str, list[str]] = {}
    for seen in facts.shards:
        for instance, answer in seen.answers():
            for setting in answer.pending_restart:
                found.setdefault(setting, []).append(instance.name)
    return {setting: sorted(waiting) for setting, waiting in found.items()}


def _pods(facts: ClusterFacts, moment: dt.datetime | None) -> tuple[list[str], list[str], list[str]]:
    """Return the instances whose pods were made for other wishes, before an ordered moment, from an older template."""
    edited, ordered, outdated = [], [], []
    for instance in sorted((found for seen in facts.shards for found in seen.instances), key=lambda found: found.name):
        if instance.pod is None:
            continue
        if instance.pod.edited:
            edited.append(instance.name)
        elif restarts.is_older(instance, moment):
            ordered.append(instance.name)
        elif instance.pod.outdated:
            outdated.append(instance.name)
    return edited, ordered, outdated
