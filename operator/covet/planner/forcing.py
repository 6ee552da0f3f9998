"""What becomes of a shard with too few members for an election: it waits, or goes on with a loss. Pure.

The forced leader and the members that are missing could both acknowledge commits if those came back among themselves.
So nobody is promoted before the API server says that the pods of all missing members have ended. A pod on a node that
does not answer never ends by itself: somebody has to say that the machine is off, by deleting the Node or
tainting it `node.kubernetes.io/out-of-service`.
"""

import dataclasses
import datetime as dt
from typing import Final

from covet.api.spec import WhenUnsafe
from covet.core.agentapi import AgentStatus, MemberState, Rule
from covet.planner import findings, quorum
from covet.planner.actions import EndPods, ForcePromotion
from covet.planner.facts import InstanceFacts, ShardFacts
from covet.planner.plan import ShardPlan
from covet.planner.record import ShardRecord
from covet.planner.scaling import Roster

PATIENCE: Final = 300.0
"""Seconds of an outage after which PromoteWithLoss goes on: nodes that start again are back by then."""


def is_stuck(seen: ShardFacts, record: ShardRecord, cluster: str) -> bool:
    """Return whether too few members of a shard are left for an election, as far as anybody can see.

    Nobody leads, those who answer say that a quorum is missing, they are too few even if they all reached each other,
    and the kubelet of no other member says that its server serves.
    """
    rule = _newest(seen, record)
    if rule is None or not record.opened:
        return False
    answers = [answer for _, answer in seen.answers()]
    if any(answer.state is MemberState.LEADER for answer in answers) or not any(a.quorum_missing for a in answers):
        return False
    voters = _voters(seen, record, rule)
    served = any(seen.pod is not None and seen.pod.ready for seen in _missing(seen, voters, rule, cluster))
    return len(voters) < quorum.recruit_size(len(rule.cohort), rule.acks) and not served


@dataclasses.dataclass(frozen=True)
class Case:
    """A shard that may be stuck, and what its user asks for then."""

    seen: ShardFacts
    record: ShardRecord
    who: Roster
    mode: WhenUnsafe


def decide(case: Case, now: dt.datetime) -> EndPods | ForcePromotion | str:
    """Return what is done about a shard that is stuck, or what is waited for; empty if nothing is to be said.

    Args:
        case: the shard.
        now: wall-clock time; a pod that has begun lately is given time.
    """
    seen, rule = case.seen, _newest(case.seen, case.record)
    if case.mode is WhenUnsafe.WAIT or rule is None or not is_stuck(seen, case.record, case.who.cluster):
        return ""
    if seen.stuck < PATIENCE:
        return f"PromoteWithLoss: after {PATIENCE:.0f} s of this the others go on without them."
    voters = _voters(seen, case.record, rule)
    missing = _missing(seen, voters, rule, case.who.cluster)
    first = _put_off(seen.name, [instance for instance in missing if not _is_off(instance)], now)
    if first is not None:
        return first
    if not voters:
        return "PromoteWithLoss: no member answers that could lead."
    best = max(voters, key=lambda name: (_reach(voters[name]), name))
    return ForcePromotion(seen.name, best, tuple(sorted(instance.name for instance in missing)))


def _put_off(shard_name: str, running: list[InstanceFacts], now: dt.datetime) -> EndPods | str | None:
    """Return how the missing members are brought to an end that the API server vouches for, None if they are."""
    ending = [instance.name for instance in running if instance.pod is not None and instance.pod.deleting]
    silent = [instance for instance in running if instance.name not in ending]
    young = [instance.name for instance in silent if _age(instance, now) < PATIENCE]
    if young:
        return f"PromoteWithLoss: the pods of {', '.join(young)} have begun lately and may answer yet."
    if silent:
        return EndPods(shard_name, tuple(instance.name for instance in silent))
    if ending:
        return (
            f"PromoteWithLoss: the pods of {', '.join(ending)} have to end first. If their machines are off, delete"
            " the Node objects or taint them node.kubernetes.io/out-of-service."
        )
    return None


def arrange(plan: ShardPlan, case: Case, now: dt.datetime) -> ShardPlan:
    """Return the plan of a shard with what is done about an outage that it cannot end by itself."""
    answer = decide(case, now)
    if isinstance(answer, str):
        return dataclasses.replace(plan, message=f"{plan.message} {answer}".rstrip())
    return dataclasses.replace(plan, actions=(*plan.actions, answer), settled=False)


def left_out(seen: ShardFacts, leader: AgentStatus, cluster: str) -> tuple[str, ...]:
    """Return the instances that voted by the newest rule seen before, and do not by the rule of the new leader."""
    before = max((a.rule for _, a in seen.answers() if a.rule is not None), key=lambda r: (r.term, r.seq), default=None)
    if before is None or leader.rule is None:
        return ()
    who = Roster(cluster, (), (), 0)
    return tuple(sorted({who.instance_of(member) for member in set(before.cohort) - set(leader.rule.cohort)}))


def tell(shard: str, leader: str, without: tuple[str, ...], why: str) -> str:
    """Return what is said of a promotion that may have lost commits, and what becomes of those left out."""
    return (
        f"{shard}: {leader} leads without {', '.join(without)}, {why}: commits that only they hold are lost. Coming"
        " back, they give up what the new leader does not have."
    )


def _newest(seen: ShardFacts, record: ShardRecord) -> Rule | None:
    """Return the newest rule that a member of the shard tells."""
    rules = [answer.rule for _, answer in seen.answers() if answer.rule is not None and _is_own(answer, record)]
    return max(rules, key=lambda rule: (rule.term, rule.seq), default=None)


def _is_own(answer: AgentStatus, record: ShardRecord) -> bool:
    return answer.shard_uid in {None, record.uid} and answer.system_id in {None, record.system_id}


def _voters(seen: ShardFacts, record: ShardRecord, rule: Rule) -> dict[str, AgentStatus]:
    """Return the instances that answer, vote, and could promise."""
    return {
        instance.name: answer
        for instance, answer in seen.answers()
        if answer.member in rule.cohort
        and _is_own(answer, record)
        and answer.state is not MemberState.REFUSED
        and answer.reason != findings.FENCED
    }


def _missing(seen: ShardFacts, voters: dict[str, AgentStatus], rule: Rule, cluster: str) -> list[InstanceFacts]:
    """Return the instances that hold a vote and do not use it; one that is not there at all is off."""
    who = Roster(cluster, (), (), 0)
    voting = {who.instance_of(member) for member in rule.cohort}
    return [instance for instance in seen.instances if instance.name in voting and instance.name not in voters]


def _is_off(instance: InstanceFacts) -> bool:
    """Return whether an instance cannot acknowledge anything: it does not run, or says itself that it does not vote."""
    if instance.pod is None or isinstance(instance.agent, AgentStatus):
        return True
    return not instance.pod.running


def _age(instance: InstanceFacts, now: dt.datetime) -> float:
    """Return the seconds since the pod of an instance was made; one that does not say is old."""
    created = instance.pod.created if instance.pod is not None else None
    return (now - created).total_seconds() if created is not None else PATIENCE


def _reach(answer: AgentStatus) -> tuple[int, int]:
    return (answer.position.term, answer.position.lsn) if answer.position is not None else (-1, -1)
