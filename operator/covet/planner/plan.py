"""A plan: what to do next to a cluster and to each of its shards, and what to tell its user."""

import dataclasses
from typing import Final

from covet.planner.actions import Action, ClusterAction, RepeatObjects, ShardAction
from covet.planner.authorityactions import AnnounceAuthority, DropAuthority, SwitchAuthority
from covet.planner.facts import Finding
from covet.planner.loginactions import BeginRotation, EndRotation, PutLogin, RetireLogin, StageLogin, SwitchLogin

ROUTINE: Final = (
    RepeatObjects,
    BeginRotation,
    StageLogin,
    PutLogin,
    SwitchLogin,
    RetireLogin,
    EndRotation,
    AnnounceAuthority,
    SwitchAuthority,
    DropAuthority,
)
"""Actions that say nothing against a cluster: it is as it was asked for before, during and after them."""


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """What to do to one shard, in order.

    Args:
        reason: a CamelCase fact: what the shard waits for, or `Settled`.
        message: the same as a sentence.
        settled: True if every instance is where it should be.
        findings: what is wrong with it.
    """

    name: str
    actions: tuple[ShardAction, ...]
    reason: str
    message: str
    settled: bool = False
    findings: tuple[Finding, ...] = ()


@dataclasses.dataclass(frozen=True)
class PendingChange:
    """An edit that is not carried out, with the reason."""

    field: str
    reason: str
    message: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to do next.

    Actions of the cluster come first, in order; then those of the shards, each shard in its own
    order and independent of the others, and beside them `upkeep`, each by itself. The first failure ends a sequence;
    that of upkeep ends nothing else, not even the round. Beside all of them goes `beside`, which waits for nobody.

    Args:
        upkeep: what replaces passwords, certificates and authorities that still work, and the like. The cluster is
            none the worse while it fails, so it holds up nothing.
    """

    actions: tuple[ClusterAction, ...]
    reason: str
    message: str
    shards: tuple[ShardPlan, ...] = ()
    findings: tuple[Finding, ...] = ()
    pending: tuple[PendingChange, ...] = ()
    beside: tuple[ClusterAction, ...] = ()
    upkeep: tuple[Action, ...] = ()
    growing: bool = False
    """Storage, or whoever starts routers, works on it, and its end is looked for."""

    @property
    def everything(self) -> tuple[Action, ...]:
        """Return all actions, in the order of a run without failures that does one at a time."""
        of_shards = (action for shard in self.shards for action in shard.actions)
        return (*self.actions, *self.beside, *of_shards, *self.upkeep)

    @property
    def empty(self) -> bool:
        """Return whether there is nothing to do."""
        return not self.everything

    @property
    def settled(self) -> bool:
        """Return whether there is nothing to mend and nothing to wait for."""
        mends = [action for action in (*self.actions, *self.beside, *self.upkeep) if not isinstance(action, ROUTINE)]
        return not mends and not self.growing and bool(self.shards) and all(shard.settled for shard in self.shards)
