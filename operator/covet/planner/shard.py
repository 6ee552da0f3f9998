"""What to do next to one shard: birth, growth of the cohort, opening, and repair.

Pure and total: every combination of facts gives a plan. The order of the steps is what keeps
every prefix safe: the birth record precedes initdb, the system id precedes the first clone, and
`opened` precedes the order to open. An agent that did not answer is never taken for anything.
"""

import dataclasses
from collections.abc import Iterator

from covet.core import events
from covet.core.agentapi import AgentStatus, MemberState, Serving, ShardSpec
from covet.planner import findings, scaling
from covet.planner.actions import (
    Bootstrap,
    Clone,
    Open,
    PushSpec,
    PutDatabase,
    PutMap,
    RecordOpened,
    RecordSystemId,
    ShardAction,
)
from covet.planner.facts import InstanceFacts, MapFacts, ShardFacts
from covet.planner.loginactions import PutLogin
from covet.planner.plan import ShardPlan
from covet.planner.record import ShardRecord
from covet.planner.scaling import Roster


@dataclasses.dataclass(frozen=True)
class Wish:
    """What one shard should become.

    Args:
        database: name of the application's database.
        ring_map: the published map, None before there is one.
        password: digest of the application's password, None if it is not known.
        login: role that logs in for the owner, None if the owner does.
    """

    spec: ShardSpec
    database: str
    ring_map: MapFacts | None
    password: str | None = None
    login: str | None = None

    @property
    def acks(self) -> int:
        """Return W of the full cohort."""
        return self.roster.acks

    @property
    def roster(self) -> Roster:
        """Return which instances the shard shall have."""
        return scaling.roster(self.spec)


@dataclasses.dataclass(frozen=True)
class _Step:
    """The next step of a shard, or what it waits for when there are no actions."""

    reason: str
    message: str
    actions: tuple[ShardAction, ...] = ()
    settled: bool = False


def plan_shard(seen: ShardFacts, record: ShardRecord, wish: Wish) -> ShardPlan:
    """Decide what to do next to one shard.

    Args:
        seen: what was observed of it.
        record: its birth record, as it was read in the same round.
        wish: what it should become.
    """
    found = tuple(findings.of_shard(seen, record))
    if any(finding.reason == events.IDENTITY_CONTRADICTED for finding in found):
        return ShardPlan(seen.name, (), events.IDENTITY_CONTRADICTED, found[0].message, findings=found)
    leaders = _leaders(seen, record)
    if len(leaders) > 1:
        finding = findings.two_leaders(seen, leaders)
        return ShardPlan(seen.name, (), finding.reason, finding.message, findings=(*found, finding))
    push = _push(seen, record, wish)
    if record.system_id is None:
        step = _birth(seen, record, leaders)
    elif not leaders:
        step = _leaderless(seen, record)
    else:
        step = _growth(seen, record, wish, leaders[0])
    lost = findings.lost_birth(seen, record, leaders)
    if lost is not None:
        found = (*found, lost)
    return ShardPlan(
        name=seen.name,
        actions=(*push, *step.actions),
        reason=step.reason,
        message=step.message,
        settled=step.settled and not found and not push,
        findings=found,
    )


def leader_of(seen: ShardFacts, record: ShardRecord | None) -> tuple[InstanceFacts, AgentStatus] | None:
    """Return the one instance that leads the shard and answered, None if there is none or there are two."""
    leaders = _leaders(seen, record)
    return leaders[0] if len(leaders) == 1 else None


Answer = tuple[InstanceFacts, AgentStatus]


def _leaders(seen: ShardFacts, record: ShardRecord | None) -> tuple[Answer, ...]:
    known = record.system_id if record is not None else None
    found = [
        (instance, answer)
        for instance, answer in seen.answers()
        if answer.state is MemberState.LEADER
        and answer.rule is not None
        and answer.rule.leader == answer.member
        and known in {None, answer.system_id}
        and (record is None or not findings.is_foreign(answer, record))
    ]
    newest = max((answer.rule.term for _, answer in found if answer.rule is not None), default=0)
    return tuple(entry for entry in found if entry[1].rule is not None and entry[1].rule.term == newest)


def _push(seen: ShardFacts, record: ShardRecord, wish: Wish) -> tuple[ShardAction, ...]:
    """Hand the spec to every agent that has an older one and may take it."""
    behind = tuple(
        instance.name
        for instance, answer in seen.answers()
        if answer.spec_generation < wish.spec.generation
        and answer.state is not MemberState.REFUSED
        and (record.system_id is None or answer.system_id in {None, record.system_id})
        and not findings.is_foreign(answer, record)
    )
    return (PushSpec(seen.name, behind),) if behind else ()


def _birth(seen: ShardFacts, record: ShardRecord, leaders: tuple[Answer, ...]) -> _Step:
    """Initialise the shard where its record says, then record the system id."""
    for instance, answer in leaders:
        named = answer.shard_uid == record.uid
        if instance.name == record.bootstrapped_by and answer.system_id is not None and named:
            return _Step(
                "SystemIdUnrecorded",
                f"{instance.name} initialised the shard; recording its system id.",
                (RecordSystemId(seen.name, answer.system_id),),
            )
    first = next((seen for seen in seen.instances if seen.name == record.bootstrapped_by), None)
    if first is None or not isinstance(first.agent, AgentStatus):
        return _Step("WaitingForAgent", f"Waiting for the agent of {record.bootstrapped_by}.")
    if record.opened:
        return _Step(events.IDENTITY_CONTRADICTED, "The record says opened and has no system id: nothing is done.")
    if first.agent.state is MemberState.EMPTY and not findings.is_foreign(first.agent, record):
        return _Step(
            "Bootstrapping",
            f"{first.name} initialises the shard.",
            (Bootstrap(seen.name, first.name),),
        )
    return _Step("Bootstrapping", f"{first.name} initialises the shard ({first.agent.reason}).")


def _leaderless(seen: ShardFacts, record: ShardRecord) -> _Step:
    silent = [instance.name for instance in seen.instances if not isinstance(instance.agent, AgentStatus)]
    alone = [answer for _, answer in seen.answers() if answer.quorum_missing]
    if alone and record.opened:
        return _Step(events.QUORUM_MISSING, alone[0].quorum_missing)
    starting = [instance.name for instance, answer in seen.answers() if answer.state is MemberState.STARTING]
    if starting:
        return _Step("WaitingForServer", f"The server is starting on {', '.join(starting)}.")
    if silent:
        return _Step("WaitingForAgent", f"No primary; no answer from the agents of {', '.join(silent)}.")
    what = "opened" if record.opened else "born"
    return _Step("WaitingForLeader", f"The shard is {what} and no instance leads it.")


def _growth(seen: ShardFacts, record: ShardRecord, wish: Wish, leader: Answer) -> _Step:
    """Clone what is empty, widen the cohort, open, and afterwards keep it so."""
    instance, answer = leader
    actions: list[ShardAction] = []
    empty = tuple(name for name in _empty(seen, record, instance.name) if name in wish.roster.staying)
    if record.opened:
        # Clients are served meanwhile: one copy at a time is enough for a leader that has other work.
        copying = any(status.state is MemberState.CLONING for _, status in seen.answers())
        empty = () if copying else empty[:1]
    if empty and record.system_id is not None:
        actions.append(Clone(seen.name, empty, instance.name, record.system_id))
    actions.extend(_scale(seen, record, wish, leader))
    complete = scaling.complete(seen, wish.roster, answer.rule)
    if (complete and not record.opened) or answer.serving is Serving.READ_WRITE:
        actions.extend(_furnish(seen, record, wish, leader))
    if complete and not record.opened and wish.ring_map is not None:
        actions.append(RecordOpened(seen.name))
        return _Step("Opening", "Every instance votes; the shard opens.", tuple(actions))
    if record.opened and wish.spec.opened and answer.serving is not Serving.READ_WRITE:
        if not _resumes(instance, answer):
            actions.append(Open(seen.name, instance.name))
        return _Step("Opening", f"{instance.name} lets clients in ({answer.reason}).", tuple(actions))
    reason, message = _waits_for(seen, wish, leader)
    settled = reason == events.SETTLED and not actions and record.opened
    return _Step(reason, message, tuple(actions), settled=settled)


def _scale(seen: ShardFacts, record: ShardRecord, wish: Wish, leader: Answer) -> Iterator[ShardAction]:
    """Bring the cohort nearer to whom the shard shall have; who left it may go."""
    trusted = tuple(instance.name for instance, answer in seen.answers() if not findings.is_foreign(answer, record))
    departure = scaling.departure(seen, wish.roster, leader)
    order = scaling.cohort_order(seen, wish.roster, leader, trusted)
    removal = scaling.removal(seen, wish.roster, leader[1].rule)
    replacement = scaling.replacement(seen, wish.roster, leader) if record.opened else None
    yield from (action for action in (departure, order, removal, replacement) if action is not None)


def _resumes(leader: InstanceFacts, answer: AgentStatus) -> bool:
    """Return whether the leader is on its way by itself, or on its way out: an order would be refused."""
    leaves = leader.pod is not None and leader.pod.deleting
    return leaves or answer.reason in {"RuleUnconfirmed", "Leading"}


def _empty(seen: ShardFacts, record: ShardRecord, leader: str) -> tuple[str, ...]:
    return tuple(
        instance.name
        for instance, answer in seen.answers()
        if answer.state is MemberState.EMPTY
        and answer.system_id is None
        and not findings.is_foreign(answer, record)
        and instance.name != leader
    )


def _furnish(seen: ShardFacts, record: ShardRecord, wish: Wish, leader: Answer) -> Iterator[ShardAction]:
    instance, answer = leader
    given = wish.password in {None, record.password, record.staged}
    if answer.database != wish.database or (wish.login is None and not given):
        yield PutDatabase(seen.name, instance.name)
    elif wish.login is not None and not given:
        yield PutLogin(seen.name, instance.name, wish.login, staged=False)
    if wish.ring_map is not None and (answer.map_epoch or 0) < wish.ring_map.epoch:
        yield PutMap(seen.name, instance.name, wish.ring_map.epoch)


def _waits_for(seen: ShardFacts, wish: Wish, leader: Answer) -> tuple[str, str]:
    """Say what is not where it should be yet."""
    instance, answer = leader
    who = wish.roster
    for other in seen.instances:
        if other.name not in who.staying:
            continue
        status = other.agent
        if not isinstance(status, AgentStatus):
            return "WaitingForAgent", f"No answer from the agent of {other.name}."
        if status.reason == findings.FENCED:
            return "InstanceFenced", f"{other.name} is fenced and stays out of service until it is let back."
        if other.name != instance.name and not (status.state is MemberState.FOLLOWER and status.streaming):
            return f"Waiting{status.state.value}", f"{other.name} does not stream yet: {status.message}"
    if not scaling.complete(seen, who, answer.rule):
        return (
            "ChangingCohort",
            f"{instance.name} brings the cohort to the {len(who.staying)} instances that shall vote.",
        )
    if who.leaving:
        return "InstancesLeave", f"{', '.join(who.leaving)} votes no longer and is removed."
    return _takes_up(seen, wish) or (events.SETTLED, "Every instance is where it should be.")


def _takes_up(seen: ShardFacts, wish: Wish) -> tuple[str, str] | None:
    """Say which instance, all being in place, does not go by what was asked for last."""
    for instance, answer in seen.answers():
        if answer.applied_generation is not None and answer.applied_generation < wish.spec.generation:
            return "WaitingForSpec", f"{instance.name} has not taken up its newest settings yet."
        if not instance.observed:
            sentence = f"Kubernetes has not taken up the newest StatefulSet of {instance.name} yet."
            return "WaitingForStatefulSet", sentence
        if instance.pod is None or not instance.pod.ready:
            return "WaitingForPod", f"The pod of {instance.name} is not ready."
    return None
