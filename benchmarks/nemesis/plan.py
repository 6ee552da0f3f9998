"""What a run does, drawn from its seed: the same seed gives the same fault, victims and moments."""

import dataclasses
import random
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
    """

    fault: str
    seed: int
    run: int
    warm: float
    repair: float
    victim: int
    choice: float
    second: float


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


def order(kinds: tuple[str, ...], runs: int, seed: int, done: set[tuple[str, int, int]]) -> list[Plan]:
    """Return the runs that are not done yet, kinds in turn, so that the machine's moods meet all of them.

    Args:
        kinds: names of faults.
        runs: of each fault.
        seed: that all of them are drawn from.
        done: (fault, seed, run) of earlier results.
    """
    plans = (draw(kind, seed, run) for run in range(runs) for kind in kinds)
    return [plan for plan in plans if (plan.fault, plan.seed, plan.run) not in done]
