"""What a run does, drawn from its seed: the same seed gives the same fault, victims and moments."""

import dataclasses
import random
from collections.abc import Callable
from typing import Final

MEMBERS: Final = 3


@dataclasses.dataclass(frozen=True)
class Plan:
    """One run.

    Args:
        fault: kind, by its name in `faults.FAULTS`.
        seed, run: what it was drawn from.
        warm: seconds of writes before the fault.
        repair: seconds from the fault until it is undone, where it does not heal by itself.
        victim: which follower, from 0, where a fault needs one.
        choice: a number below 1 for whatever else a fault leaves open.
        second: seconds from the fault until the next one, where there are two.
        api_away: the API server is stopped while the fault is.
        operator_away: the operator does not run.
    """

    fault: str
    seed: int
    run: int
    warm: float
    repair: float
    victim: int
    choice: float
    second: float
    api_away: bool = False
    operator_away: bool = False


REPAIR: Final = {
    "voter-killed": (1.0, 2.0),
    "agent-killed": (1.0, 2.0),
    "follower-killed": (1.0, 2.0),
    "pod-killed": (1.0, 2.0),
    "shard-killed": (1.0, 2.0),
    "disk-full": (4.0, 6.0),
    "volume-lost": (1.0, 2.0),
    "two-faults": (1.0, 2.0),
    "node-gone": (2.5, 3.5),
    "node-cut": (4.0, 6.0),
    "cut-one-way": (4.0, 6.0),
    "pod-frozen": (4.0, 6.0),
    "agent-frozen": (4.0, 6.0),
    "followers-cut": (2.0, 6.0),
    "node-killed": (2.5, 3.5),
}
"""Bounds in seconds. A kubelet restarts the processes of a pod after a second or two."""


def draw(fault: str, seed: int, run: int) -> Plan:
    """Draw one run."""
    chance = random.Random(f"{seed}/{fault}/{run}")
    return Plan(
        fault=fault,
        seed=seed,
        run=run,
        warm=chance.uniform(0.3, 0.8),
        repair=chance.uniform(*REPAIR.get(fault, (0.0, 0.0))),
        victim=chance.randrange(MEMBERS - 1),
        choice=chance.random(),
        second=chance.uniform(0.1, 3.0),
    )


DECK: Final = ((True, True), (True, False), (True, False), (True, False), (False, True), *((False, False),) * 3)
"""(API server away, operator away) of eight runs: half of them, and a quarter."""


ORDERS: Final = frozenset({"switchover"})
"""Carried out by the operator, who is told by the API server: neither can be away."""


def draw_in_cluster(fault: str, seed: int, run: int) -> Plan:
    """Draw one run of the cluster tier: who is away besides is dealt, so that the shares hold for any eight runs."""
    if fault in ORDERS:
        return draw(fault, seed, run)
    deck = list(DECK)
    random.Random(f"{seed}/{fault}/deck/{run // len(DECK)}").shuffle(deck)
    api, operator = deck[run % len(DECK)]
    return dataclasses.replace(draw(fault, seed, run), api_away=api, operator_away=operator)


def order(
    kinds: tuple[str, ...],
    runs: int,
    seed: int,
    done: set[tuple[str, int, int]],
    draw_one: Callable[[str, int, int], Plan] = draw,
) -> list[Plan]:
    """Return the runs that are not done yet, kinds in turn, so that the machine's moods meet all of them.

    Args:
        kinds: names of faults.
        runs: of each fault.
        seed: that all of them are drawn from.
        done: (fault, seed, run) of earlier results.
        draw_one: `draw`, or that of the tier.
    """
    plans = (draw_one(kind, seed, run) for run in range(runs) for kind in kinds)
    return [plan for plan in plans if (plan.fault, plan.seed, plan.run) not in done]
