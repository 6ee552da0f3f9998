"""What the status and Events say of a shard's elections, from what its agents answered; nothing moves by itself.

Whatever nobody can say now stays as it was said last, so that a silent agent makes no history vanish.
"""

import dataclasses
from typing import Final

from covet.api import status as api
from covet.core import events
from covet.core.agentapi import AgentStatus, MemberState, Rule
from covet.planner.facts import ShardFacts, Unreachable

SLOW_MS: Final = 5000
"""A failover that took longer is worth a warning: what kept it stands in the agents' logs."""
PLANNED: Final = "Switchover"
"""Reason of a failover that was ordered."""


@dataclasses.dataclass(frozen=True)
class News:
    """Something that happened since the status was written last.

    Args:
        warning: a person should look at it.
    """

    reason: str
    message: str
    warning: bool = False


def describe(
    seen: ShardFacts, uid: str | None, status: api.ShardStatus, before: api.ShardStatus | None
) -> api.ShardStatus:
    """Return a shard's status with rule, members, last failover and decision filled in.

    Args:
        seen: what was observed of it.
        uid: of the shard by its birth record; answers of other shards' volumes are left out.
        status: what is known of it otherwise.
        before: as it was reported last.
    """
    answers = {
        instance.name: answer for instance, answer in seen.answers() if uid is None or answer.shard_uid in {None, uid}
    }
    return status.model_copy(
        update={
            "rule": _rule(answers, before),
            "members": tuple(_member(seen, instance.name, answers) for instance in seen.instances),
            "last_failover": _last_failover(answers, before),
            "decision": _decision(answers, before),
        }
    )


def news(before: api.ClusterStatus | None, now: api.ClusterStatus) -> tuple[News, ...]:
    """Return what is worth an Event in the step from one status to the next."""
    known = {shard.name: shard.last_failover for shard in before.shards} if before is not None else {}
    found: list[News] = []
    for shard in now.shards:
        last, old = shard.last_failover, known.get(shard.name)
        if last is None or (old is not None and old.term >= last.term):
            continue
        planned = last.reason == PLANNED
        came = f"{last.from_} -> {last.to}" if last.from_ is not None else f"to {last.to}"
        took = f", writable after {last.writable_ms} ms" if last.writable_ms is not None else ""
        message = f"{shard.name}: {came}, term {last.term} ({last.reason}{took})."
        found.append(News(events.SWITCHED_OVER if planned else events.FAILED_OVER, message))
        if last.writable_ms is not None and last.writable_ms > SLOW_MS:
            slow = (
                f"{shard.name}: nobody could write for {last.writable_ms} ms (term {last.term}); see the agents' logs."
            )
            found.append(News(events.FAILOVER_SLOW, slow, warning=True))
    return tuple(found)


def _rule(answers: dict[str, AgentStatus], before: api.ShardStatus | None) -> api.RuleStatus | None:
    rules = [answer.rule for answer in answers.values() if answer.rule is not None]
    newest = max(rules, key=_age, default=None)
    if newest is None:
        return before.rule if before is not None else None
    return api.RuleStatus(
        term=newest.term, seq=newest.seq, leader=newest.leader, cohort=newest.cohort, acks=newest.acks
    )


def _age(rule: Rule) -> tuple[int, int]:
    return rule.term, rule.seq


def _member(seen: ShardFacts, name: str, answers: dict[str, AgentStatus]) -> api.MemberStatus:
    answer = answers.get(name)
    if answer is not None:
        return api.MemberStatus(
            instance=name,
            member=answer.member,
            state=answer.state.value,
            reason=answer.reason[:253] or None,
            promise=answer.promise,
        )
    agent = next(instance.agent for instance in seen.instances if instance.name == name)
    state = "Unreachable" if isinstance(agent, Unreachable) else MemberState.REFUSED.value if agent else "Pending"
    return api.MemberStatus(instance=name, state=state)


def _last_failover(answers: dict[str, AgentStatus], before: api.ShardStatus | None) -> api.LastFailover | None:
    told = [answer.last_failover for answer in answers.values() if answer.last_failover is not None]
    newest = max(told, key=lambda last: last.term, default=None)
    known = before.last_failover if before is not None else None
    if newest is None or (known is not None and known.term > newest.term):
        if known is None or known.discarded is not None:
            return known
        return known.model_copy(update={"discarded": _discarded(answers, known.from_, known.term)})
    discarded = _discarded(answers, newest.former, newest.term, newest.former_member)
    if discarded is None and known is not None and known.term == newest.term:
        discarded = known.discarded
    return api.LastFailover(
        at=newest.at,
        reason=newest.reason[:253],
        from_=newest.former,
        to=newest.to,
        term=newest.term,
        detect_ms=newest.detect_ms,
        fence_ms=newest.fence_ms,
        promote_ms=newest.promote_ms,
        writable_ms=newest.writable_ms,
        discarded=discarded,
    )


def _discarded(answers: dict[str, AgentStatus], former: str | None, term: int, member: str | None = None) -> int | None:
    """Return what the former primary gave up to follow the leader of a term.

    None before it does, and for good if its instance is another member by now: what the old volume held is not known.
    """
    answer = answers.get(former or "")
    if answer is None or member not in {None, answer.member}:
        return None
    if answer.discarded is not None and answer.discarded.term == term:
        return answer.discarded.size
    back = answer.state is MemberState.FOLLOWER and answer.streaming
    return 0 if back and answer.rule is not None and answer.rule.term == term else None


def _decision(answers: dict[str, AgentStatus], before: api.ShardStatus | None) -> api.Decision | None:
    told = [answer.decided for answer in answers.values() if answer.decided is not None]
    newest = max(told, key=lambda decided: decided.at, default=None)
    known = before.decision if before is not None else None
    if newest is None or (known is not None and known.at >= newest.at):
        return known
    return api.Decision(at=newest.at, reason=newest.reason[:253], message=newest.message[:4096])
