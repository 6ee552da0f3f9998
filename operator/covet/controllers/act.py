"""Carrying out a plan: in order, stopping at the first failure; then we look again.

Actions of the cluster come first; then every shard goes its own way, so that a slow or broken shard
holds up no other. What cannot be taken back reads what it depends on once more, straight
from the API server.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from covet.controllers import authorities, freshness, making, obeying, ordering, replacing, rotating
from covet.controllers.freshness import Means
from covet.controllers.observe import Seen
from covet.core.errors import CovetError
from covet.planner import actions as act
from covet.planner import authorityactions
from covet.planner.loginactions import BeginRotation, EndRotation, PutLogin, RetireLogin, StageLogin, SwitchLogin
from covet.planner.plan import Plan

_log = logging.getLogger(__name__)

CountAction = Callable[[str, str], None]
"""Called with the kind of an action and its outcome."""


class ActionError(Exception):
    """An action failed.

    Args:
        action: what was tried.
        cause: what it ended with.
    """

    def __init__(self, action: act.Action, cause: CovetError) -> None:
        super().__init__(f"{type(action).__name__}: {cause}")
        self.action = action
        self.cause = cause


_Carrier = Callable[[Means, Seen, Any], Coroutine[Any, Any, None]]

_CARRIERS: Final[dict[type[act.Action], _Carrier]] = {
    act.RecordIdentity: making.record_identity,
    act.AdoptIdentity: making.adopt_identity,
    act.CreateAuthority: making.create_authority,
    act.IssueCertificates: making.issue_certificates,
    authorityactions.AnnounceAuthority: authorities.announce,
    authorityactions.SwitchAuthority: authorities.switch,
    authorityactions.DropAuthority: authorities.drop,
    act.CreateUser: making.create_user,
    act.CreateMap: making.create_map,
    act.ApplyObjects: making.apply_objects,
    act.RepeatObjects: making.apply_objects,
    act.LabelRoles: making.label_roles,
    act.GrowVolumes: replacing.grow_volumes,
    act.PushSpec: ordering.push_spec,
    act.Bootstrap: ordering.bootstrap,
    act.RecordSystemId: ordering.record_system_id,
    act.Clone: ordering.clone,
    act.GrowCohort: ordering.grow_cohort,
    act.HandOver: ordering.hand_over,
    act.RestartInstance: replacing.restart_instance,
    act.RemoveInstances: replacing.remove_instances,
    act.ReplaceVolume: replacing.replace_volume,
    act.PutDatabase: ordering.put_database,
    BeginRotation: rotating.begin,
    StageLogin: rotating.stage,
    PutLogin: rotating.put_login,
    SwitchLogin: rotating.switch,
    RetireLogin: rotating.retire,
    EndRotation: rotating.end,
    act.PutMap: ordering.put_map,
    act.RecordOpened: ordering.record_opened,
    act.Open: ordering.open_shard,
    act.OrderSwitchover: obeying.order_switchover,
    act.OrderPromotion: obeying.order_promotion,
    act.EndPods: replacing.end_pods,
    act.ForcePromotion: obeying.force_promotion,
    act.SettleOrder: obeying.settle,
}


async def carry_out(means: Means, seen: Seen, plan: Plan, count: CountAction, done: list[act.Action]) -> None:
    """Carry out a plan.

    Args:
        means: what to do it with.
        seen: the look that the plan was made from.
        plan: what to do.
        count: told of every action.
        done: gets every action that was done, also when another one failed.

    Raises:
        ActionError: an action failed; of several, one of the cluster or of the first shard.
    """
    beside = _sequence(means, seen, plan.beside, count, done)
    freshness.raise_first(
        await asyncio.gather(_in_order(means, seen, plan, count, done), beside, return_exceptions=True)
    )


async def _in_order(means: Means, seen: Seen, plan: Plan, count: CountAction, done: list[act.Action]) -> None:
    await _sequence(means, seen, plan.actions, count, done)
    lanes = [_sequence(means, seen, shard.actions, count, done) for shard in plan.shards if shard.actions]
    freshness.raise_first(await asyncio.gather(*lanes, return_exceptions=True))


async def _sequence(
    means: Means, seen: Seen, actions: Iterable[act.Action], count: CountAction, done: list[act.Action]
) -> None:
    for action in actions:
        kind = type(action).__name__
        try:
            means.kube.require_leave()
            await _CARRIERS[type(action)](means, seen, action)
        except CovetError as error:
            count(kind, error.reason)
            raise ActionError(action, error) from error
        count(kind, "Done")
        done.append(action)
        _log.info(f"{kind} done", extra={"shard": getattr(action, "shard", None), "action": _brief(action)})


def _brief(action: act.Action) -> str:
    """Return an action as one line for the log; objects by name, never their content."""
    if isinstance(action, act.RecordIdentity):
        return type(action).__name__
    return str(action)
