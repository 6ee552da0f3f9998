"""Carrying out a plan: in order, stopping at the first failure; then we look again.

Actions of the cluster come first; then every shard goes its own way, so that a slow or broken shard holds up no other.
Beside the shards goes upkeep, which holds up nothing at all. What cannot be taken back reads what it depends on once
more, straight from the API server.
"""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from covet.controllers import authorities, freshness, making, mapping, obeying, ordering, replacing, rotating, shaping
from covet.controllers.freshness import Means
from covet.controllers.observe import Seen
from covet.core.errors import CovetError
from covet.planner import actions as act
from covet.planner import authorityactions
from covet.planner.loginactions import BeginRotation, EndRotation, PutLogin, RetireLogin, StageLogin, SwitchLogin
from covet.planner.plan import Plan
from covet.planner.shapeactions import (
    BeginChange,
    CancelChange,
    DecideChange,
    EndChange,
    RemoveShard,
    SealShard,
    UnsealShard,
)

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
    act.CreateMap: mapping.create_map,
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
    BeginChange: shaping.begin,
    CancelChange: shaping.cancel,
    DecideChange: shaping.decide,
    EndChange: shaping.end,
    RemoveShard: shaping.remove,
    SealShard: shaping.seal,
    UnsealShard: shaping.unseal,
    act.PutMap: ordering.put_map,
    act.RecordOpened: ordering.record_opened,
    act.Open: ordering.open_shard,
    act.OrderSwitchover: obeying.order_switchover,
    act.OrderPromotion: obeying.order_promotion,
    act.EndPods: replacing.end_pods,
    act.ForcePromotion: obeying.force_promotion,
    act.SettleOrder: obeying.settle,
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a plan, also where it raises.

    Args:
        done: every action that was done.
        failed: every one that failed.
    """

    done: list[act.Action] = dataclasses.field(default_factory=list)
    failed: list[ActionError] = dataclasses.field(default_factory=list)


async def carry_out(means: Means, seen: Seen, plan: Plan, count: CountAction, outcome: Outcome) -> None:
    """Carry out a plan.

    Args:
        means: what to do it with.
        seen: the look that the plan was made from.
        plan: what to do.
        count: told of every action.
        outcome: gets what came of each.

    Raises:
        ActionError: an action failed that something waits for; of several, one of the cluster or of the first shard.
            Upkeep that failed stands in the outcome only.
    """
    walk = _Walk(means, seen, count, outcome)
    freshness.raise_first(
        await asyncio.gather(_in_order(walk, plan), walk.sequence(plan.beside), return_exceptions=True)
    )


async def _in_order(walk: "_Walk", plan: Plan) -> None:
    await walk.sequence(plan.actions)
    shards = [walk.sequence(shard.actions) for shard in plan.shards if shard.actions]
    upkeep = [walk.alone(action) for action in plan.upkeep]
    freshness.raise_first(await asyncio.gather(*shards, *upkeep, return_exceptions=True))


@dataclasses.dataclass(frozen=True)
class _Walk:
    """What every action of a plan is carried out with, and where its outcome goes."""

    means: Means
    seen: Seen
    count: CountAction
    outcome: Outcome

    async def sequence(self, actions: Iterable[act.Action]) -> None:
        """Carry out actions in order; the first failure ends it."""
        for action in actions:
            await self._one(action)

    async def alone(self, action: act.Action) -> None:
        """Carry out an action that nothing waits for."""
        with contextlib.suppress(ActionError):
            await self._one(action)

    async def _one(self, action: act.Action) -> None:
        kind = type(action).__name__
        try:
            self.means.kube.require_leave()
            await _CARRIERS[type(action)](self.means, self.seen, action)
        except CovetError as error:
            self.count(kind, error.reason)
            failure = ActionError(action, error)
            self.outcome.failed.append(failure)
            raise failure from error
        self.count(kind, "Done")
        self.outcome.done.append(action)
        _log.info(f"{kind} done", extra={"shard": getattr(action, "shard", None), "action": _brief(action)})


def _brief(action: act.Action) -> str:
    """Return an action as one line for the log; objects by name, never their content."""
    if isinstance(action, act.RecordIdentity):
        return type(action).__name__
    return str(action)
