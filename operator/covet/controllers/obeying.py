"""Orders of people: given to agents, watched for a moment, then settled: the annotation goes, and an Event says how.

An operator that dies amid this leaves the order standing; the next one finds it carried out, or gives it again.
"""

import asyncio
from typing import Final

from covet.api.spec import WhenUnsafe
from covet.controllers import agents, freshness
from covet.controllers.freshness import Means
from covet.controllers.observe import Seen
from covet.core import events, names
from covet.core.agentapi import AgentStatus, MemberState, Peer, Serving
from covet.core.agentorders import PromoteOrder, SwitchoverOrder
from covet.core.errors import ConflictError, RefusedError
from covet.kube import resources
from covet.planner import actions as act
from covet.planner import forcing, scaling
from covet.planner.telling import News

SWITCHOVER_SECONDS: Final = 15.0
"""How long a switchover may take; a checkpoint comes first."""
PROMOTION_SECONDS: Final = 30.0
"""How long a promotion may take; a log may have to be replayed first."""
LOOK_SECONDS: Final = 0.1
TAKE_UP_SECONDS: Final = 2.0
"""How long a leader that was told to hand over may go on saying that it leads."""
TRIES: Final = 3
"""How often a switchover is ordered where a third member was quicker, as on a machine without time to spare."""

PASSING: Final = frozenset({"NotLeader", "LeaderNotReady", "RuleUnconfirmed", "Stopping", "Busy", "NotBorn"})
"""Refusals that end by themselves: the order stands and is given again."""


async def order_switchover(means: Means, seen: Seen, action: act.OrderSwitchover) -> None:
    """Have the leader hand over.

    Raises:
        CovetError: it cannot be asked, or not yet; the order stands.
    """
    leader, order = action.leader, SwitchoverOrder(to=action.instance)
    for _ in range(TRIES):
        try:
            await means.agents.orders.switchover(_peer(seen, action.shard, leader), order)
        except RefusedError as error:
            await _refused(means, seen, action, events.SWITCHOVER_REFUSED, error)
            return
        found = await _leader_of(means, seen, action, SWITCHOVER_SECONDS)
        if found in {None, action.instance}:
            break
        leader = found or leader  # a third one was quicker, or nothing was handed over: once more
    await _settle_by_outcome(means, seen, action, events.SWITCHOVER_REFUSED)


async def order_promotion(means: Means, seen: Seen, action: act.OrderPromotion) -> None:
    """Have an instance lead from whoever answers.

    Raises:
        CovetError: it cannot be asked, or not yet; the order stands.
    """
    order = PromoteOrder(accept_loss=True)
    try:
        await means.agents.orders.promote(_peer(seen, action.shard, action.instance), order)
    except RefusedError as error:
        await _refused(means, seen, action, events.PROMOTE_REFUSED, error)
        return
    leader = await _leader_of(means, seen, action, PROMOTION_SECONDS)
    if leader is not None:
        await _tell_loss(means, seen, action, leader)
    await _settle_by_outcome(means, seen, action, events.PROMOTE_REFUSED)


async def _tell_loss(means: Means, seen: Seen, action: act.OrderPromotion, leader: str) -> None:
    """Say who was left out of the cohort; nobody is, if all answered after all."""
    answer = await means.agents.ask(_peer(seen, action.shard, leader))
    shard = next(found for found in seen.facts.shards if found.name == action.shard)
    without = forcing.left_out(shard, answer, seen.ref.name) if isinstance(answer, AgentStatus) else ()
    if without:
        message = forcing.tell(action.shard, leader, without, "as ordered")
        means.news.append(News(events.PROMOTED_WITH_LOSS, message, warning=True))


async def force_promotion(means: Means, seen: Seen, action: act.ForcePromotion) -> None:
    """Have an instance lead from whoever answers, if the shard still cannot elect a leader by itself.

    Raises:
        ConflictError: it can, or nobody leads afterwards; the next round looks again.
    """
    known = await freshness.fresh_record(means, seen, action.shard)
    shard = next(found for found in seen.facts.shards if found.name == action.shard)
    who = scaling.roster(seen.facts.wanted_specs[action.shard])
    case = forcing.Case(await freshness.asked_again(means, seen, shard), known, who, WhenUnsafe.PROMOTE_WITH_LOSS)
    if forcing.decide(case, means.clock.wall()) != action:
        raise ConflictError("ShardChanged", f"{action.shard} is not as it was seen: looking again.")
    await means.agents.orders.promote(_peer(seen, action.shard, action.instance), PromoteOrder(accept_loss=True))
    leader = await _leader_of(means, seen, action, PROMOTION_SECONDS)
    if leader is None:
        raise ConflictError("NobodyLeads", f"{action.instance} was promoted and does not take writes yet.")
    message = forcing.tell(action.shard, leader, action.missing, "as failover.whenUnsafe asks")
    means.news.append(News(events.PROMOTED_WITH_LOSS, message, warning=True))


async def settle(means: Means, seen: Seen, action: act.SettleOrder) -> None:
    """Remove an order, unless there is another one in its place, and say what came of it.

    Raises:
        CovetError: the object could not be changed; the order stands.
    """
    body = await means.kube.get(resources.CLUSTER, seen.ref.namespace, seen.ref.name)
    metadata = (body or {}).get("metadata") or {}
    standing = str((metadata.get("annotations") or {}).get(action.annotation, ""))
    if metadata.get("uid") != seen.ref.uid or standing.strip() != action.instance:
        return
    patch = {
        "metadata": {
            "uid": seen.ref.uid,
            "resourceVersion": metadata["resourceVersion"],
            "annotations": {action.annotation: None},
        }
    }
    await means.kube.merge(resources.CLUSTER, seen.ref.namespace, seen.ref.name, patch)
    means.news.append(News(action.reason, action.message, warning=action.refused))


async def _refused(
    means: Means, seen: Seen, action: act.OrderSwitchover | act.OrderPromotion, reason: str, error: RefusedError
) -> None:
    if error.reason in PASSING:
        raise ConflictError(error.reason, error.message) from error
    message = f"{action.shard}: {error.message}"
    await settle(means, seen, _settled(action, reason, message, refused=True))


async def _leader_of(
    means: Means,
    seen: Seen,
    action: act.OrderSwitchover | act.OrderPromotion | act.ForcePromotion,
    limit: float,
) -> str | None:
    """Wait until somebody leads and takes writes; return who, None if nobody does within the limit.

    For a moment the former leader may still say that it does: it counts only after that.
    """
    now = means.clock.monotonic()
    deadline, trusted = now + limit, now + TAKE_UP_SECONDS
    shard = next(found for found in seen.facts.shards if found.name == action.shard)
    others = [instance.name for instance in shard.instances if instance.name != action.instance]
    while (now := means.clock.monotonic()) < deadline:
        if _leads(await means.agents.ask(_peer(seen, action.shard, action.instance))):
            return action.instance
        if now >= trusted:
            answers = await asyncio.gather(*(means.agents.ask(_peer(seen, action.shard, name)) for name in others))
            for name, answer in zip(others, answers, strict=True):
                if _leads(answer):
                    return name
        await asyncio.sleep(LOOK_SECONDS)
    return None


async def _settle_by_outcome(
    means: Means, seen: Seen, action: act.OrderSwitchover | act.OrderPromotion, reason: str
) -> None:
    """Settle the order by whether the instance leads now."""
    answer = await means.agents.ask(_peer(seen, action.shard, action.instance))
    if _leads(answer):
        message = f"{action.shard}: {action.instance} leads, as ordered."
        await settle(means, seen, _settled(action, events.ORDER_DONE, message))
        return
    said = f" ({answer.state.value}: {answer.message})" if isinstance(answer, AgentStatus) else ""
    message = f"{action.shard}: {action.instance} was ordered to lead and does not{said}."
    await settle(means, seen, _settled(action, reason, message, refused=True))


def _leads(answer: object) -> bool:
    if not isinstance(answer, AgentStatus) or answer.state is not MemberState.LEADER:
        return False
    return answer.serving is Serving.READ_WRITE or answer.reason == "ShardNotOpened"


def _settled(
    action: act.OrderSwitchover | act.OrderPromotion, reason: str, message: str, *, refused: bool = False
) -> act.SettleOrder:
    return act.SettleOrder(action.shard, action.annotation, action.instance, reason, message, refused=refused)


def _peer(seen: Seen, shard: str, instance: str) -> Peer:
    return agents.peer_of(instance, names.shard_set(seen.ref.name, shard), seen.ref.namespace)
