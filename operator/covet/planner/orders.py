"""Orders that people write as annotations: what each one means now. Pure.

An order stands until it is carried out or refused; then its annotation goes, and an Event says which. What it
waits for may still come by itself. `covet.dev/fenced` is no order but a level: it holds as long as it stands.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Final

from covet.core import events, names
from covet.core.agentapi import AgentStatus, MemberState
from covet.planner import shard as shards
from covet.planner.actions import OrderPromotion, OrderSwitchover, SettleOrder, ShardAction
from covet.planner.facts import InstanceFacts, ShardFacts
from covet.planner.record import ShardRecord

_SWITCHOVER: Final = names.switchover_annotation("")
_PROMOTE: Final = names.promote_annotation("")


@dataclasses.dataclass(frozen=True)
class Order:
    """An order as it was written.

    Args:
        annotation: its name; the shard's stands in it.
        instance: its value.
    """

    annotation: str
    shard: str
    instance: str
    promotes: bool

    @property
    def refusal(self) -> str:
        """Reason of the Event that refuses it."""
        return events.PROMOTE_REFUSED if self.promotes else events.SWITCHOVER_REFUSED


def read(annotations: Mapping[str, str]) -> tuple[Order, ...]:
    """Return the orders among the annotations of a cluster; switchovers come before promotions."""
    return tuple(
        Order(key, key.removeprefix(prefix), annotations[key].strip(), promotes=promotes)
        for prefix, promotes in ((_SWITCHOVER, False), (_PROMOTE, True))
        for key in sorted(annotations)
        if key.startswith(prefix)
    )


def fenced(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Return the instances that a person keeps out of service, sorted."""
    found = {name.strip() for name in annotations.get(names.ANNOTATION_FENCED, "").split(",")}
    return tuple(sorted(found - {""}))


def strays(orders: tuple[Order, ...], known: tuple[str, ...]) -> Iterator[SettleOrder]:
    """Yield what refuses the orders for shards that there are not."""
    for order in orders:
        if order.shard not in known:
            yield _refuse(order, f"{order.shard}: the cluster has no such shard.")


def decide(order: Order, seen: ShardFacts, record: ShardRecord, kept_out: tuple[str, ...]) -> ShardAction | str:
    """Return what to do about an order, or what it waits for.

    Args:
        order: for this shard.
        seen: what was observed of it.
        record: its birth record.
        kept_out: the instances that are fenced.
    """
    target = next((instance for instance in seen.instances if instance.name == order.instance), None)
    if target is None:
        return _refuse(order, f"{seen.name}: it has no instance {order.instance or 'without a name'}.")
    leader = shards.leader_of(seen, record)
    if leader is not None and leader[0].name == target.name:
        message = f"{seen.name}: {target.name} leads, as ordered."
        return SettleOrder(seen.name, order.annotation, order.instance, events.ORDER_DONE, message)
    if target.name in kept_out:
        return _refuse(order, f"{seen.name}: {target.name} is fenced; let it back first.")
    if order.promotes:
        return _promote(order, seen, target, leader[0].name if leader is not None else None)
    if leader is None:
        return f"{seen.name} has no primary to hand over from."
    return OrderSwitchover(seen.name, order.annotation, order.instance, leader[0].name)


def _promote(order: Order, seen: ShardFacts, target: InstanceFacts, leader: str | None) -> ShardAction | str:
    if leader is not None:
        return _refuse(order, f"{seen.name}: {leader} leads; order a switchover, which loses nothing.")
    answer = target.agent
    if not isinstance(answer, AgentStatus):
        return f"{target.name} does not answer."
    if answer.member is None or answer.state in {MemberState.EMPTY, MemberState.REFUSED}:
        return _refuse(order, f"{seen.name}: {target.name} holds no database to lead with ({answer.state.value}).")
    return OrderPromotion(seen.name, order.annotation, order.instance)


def _refuse(order: Order, message: str) -> SettleOrder:
    return SettleOrder(order.shard, order.annotation, order.instance, order.refusal, message, refused=True)
