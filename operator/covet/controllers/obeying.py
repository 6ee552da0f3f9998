"""Orders of people: given to agents, watched for a moment, then settled: the annotation goes, and an Event says how.

An operator that dies amid this leaves the order standing; the next one finds it carried out, or gives it again.
"""

import asyncio
from typing import Final

from covet.controllers import agents
from covet.controllers.freshness import Means
from covet.controllers.observe import Seen
from covet.core import events, names
from covet.core.agentapi import AgentStatus, MemberState, Peer, PromoteOrder, Serving, SwitchoverOrder
from covet.core.errors import ConflictError, RefusedError
from covet.kube import resources
from covet.planner import actions as act
from covet.planner.telling import News

SWITCHOVER_SECONDS: Final = 15.0
"""How long a switchover may take; a checkpoint comes first."""
PROMOTION_SECONDS: Final = 30.0
"""How long a promotion may take; a log may have to be replayed first."""
LOOK_SECONDS: Final = 0.1

PASSING: Final = frozenset({"NotLeader", "LeaderNotReady", "RuleUnconfirmed", "Stopping", "Busy", "NotBorn"})
"""Refusals that end by themselves: the order stands and is given again."""


async def order_switchover(means: Means, seen: Seen, action: act.OrderSwitchover) -> None:
    """Have the leader hand over.

    Raises:
        CovetError: it cannot be asked, or not yet; the order stands.
    """
    order = SwitchoverOrder(to=action.instance)
    try:
        await means.agents.orders.switchover(_peer(seen, action.shard, action.leader), order)
    except RefusedError as error:
        await _refused(means, seen, action, events.SWITCHOVER_REFUSED, error)
        return
    await _settle_by_outcome(means, seen, action, events.SWITCHOVER_REFUSED, SWITCHOVER_SECONDS)


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
    await _settle_by_outcome(means, seen, action, events.PROMOTE_REFUSED, PROMOTION_SECONDS)


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


async def _settle_by_outcome(
    means: Means, seen: Seen, action: act.OrderSwitchover | act.OrderPromotion, reason: str, limit: float
) -> None:
    """Wait until the instance leads and takes writes, and say whether it came to that."""
    deadline = means.clock.monotonic() + limit
    peer = _peer(seen, action.shard, action.instance)
    answer = None
    while means.clock.monotonic() < deadline:
        answer = await means.agents.ask(peer)
        if _leads(answer):
            message = f"{action.shard}: {action.instance} leads, as ordered."
            await settle(means, seen, _settled(action, events.ORDER_DONE, message))
            return
        await asyncio.sleep(LOOK_SECONDS)
    said = f" ({answer.state.value}: {answer.message})" if isinstance(answer, AgentStatus) else ""
    message = f"{action.shard}: {action.instance} does not lead {limit:.0f} s after the order{said}."
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
