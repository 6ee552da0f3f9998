"""What a kind of fault is, for the stage of any tier."""

import dataclasses
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

SceneT = TypeVar("SceneT")
"""What a fault is done to."""

BACK_SECONDS: Final = {"process": 10.0, "cluster": 30.0}
"""By tier: the former leader ought to be a healthy replica again within so long after the repair."""


@dataclasses.dataclass(frozen=True)
class Fault(Generic[SceneT]):
    """A kind of fault.

    Args:
        title: as the table names it.
        strike: does it; the gap counts from its begin.
        repair: undoes it after `plan.repair` seconds; None if nothing is to be done.
        goal: seconds that the gap may take: in the process tier at its p99 (at the p95 below 300 runs), in the
            cluster tier at its p90; None without a goal.
        fails_over: another member has to lead afterwards.
        silent: nothing but silence tells of it. Such a failover is held back for 10 s after another one, so
            the run waits for the end of that first.
        limit: seconds within which a write has to be acknowledged again.
        asks: it is an order that the API server takes.
    """

    title: str
    strike: Callable[[SceneT], Coroutine[Any, Any, None]]
    repair: Callable[[SceneT], Coroutine[Any, Any, None]] | None = None
    goal: float | None = None
    fails_over: bool = True
    silent: bool = False
    limit: float = 30.0
    asks: bool = False
