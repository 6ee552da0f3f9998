"""An operator that is killed again and again at random moments: every creation and every change ends well."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from covet.core import names
from covet.kube import resources
from covet.testing import operating
from covet.testing.operating import Ground
from tests.e2e.process.operator.sites import until

SECONDS = 120.0
"""Longest time that a creation or change may take once nobody kills any more."""
MOST_WRITES = 8
"""An operator is killed after one to so many writes: amid its work, however fast the machine is."""


async def killed(ground: Ground, dice: random.Random, times: int, holds: Callable[[], bool]) -> int:
    """Kill the operator at random moments while something is not reached yet, then wait for it; return how often."""
    kills = 0
    for _ in range(times):
        await written(ground, dice.randint(1, MOST_WRITES), holds)
        if holds():
            break
        ground.operator.kill()
        kills += 1
    await until(holds, SECONDS)
    return kills


async def written(ground: Ground, writes: int, holds: Callable[[], bool]) -> None:
    """Wait until the API server has taken so many more writes, or something holds."""
    goal = len(ground.server.writes) + writes
    await until(lambda: len(ground.server.writes) >= goal or holds(), SECONDS)


async def created(ground: Ground, dice: random.Random, name: str, times: int, shards: int = 2) -> int:
    """Create a cluster with shards of three under an operator that is killed; return how often it was."""
    operating.declare(ground.server, name, shards={"count": shards, "instances": 3})
    return await killed(ground, dice, times, lambda: operating.is_ready(ground.server, name))


def parameter(ground: Ground, name: str) -> None:
    """Ask for another value of a setting that takes effect with a start: pods are made anew in order."""
    _edit(ground, name, engine={"name": "PostgreSQL", "version": "15", "parameters": {"max_connections": "150"}})


def fewer(ground: Ground, name: str) -> None:
    """Ask for one instance a shard."""
    _edit(ground, name, shards={"count": 2, "instances": 1})


def placed(ground: Ground, name: str) -> None:
    """Ask for other nodes: every pod is made anew in order."""
    _edit(ground, name, scheduling={"nodeSelector": {"disk": "ssd"}})


def rotated(ground: Ground, name: str) -> None:
    """Ask for another password."""
    found = ground.server.objects[resources.CLUSTER, "ns", name]
    metadata = {**found["metadata"], "annotations": {"covet.dev/rotate": "now"}}
    ground.server.put({**found, "metadata": metadata})


def _edit(ground: Ground, name: str, **spec: Any) -> None:
    operating.declare(ground.server, name, **{"shards": {"count": 2, "instances": 3}, **spec})


def password(ground: Ground, name: str) -> str:
    """Return the application's password, coded."""
    return str(ground.server.objects[resources.SECRET, "ns", names.user_secret(name, "app")]["data"]["password"])


async def changed(ground: Ground, dice: random.Random, name: str, change: Any, times: int) -> int:
    """Change a cluster under an operator that is killed; return how often it was."""
    before = password(ground, name)
    change(ground, name)
    done = change is not rotated

    def holds() -> bool:
        return operating.is_ready(ground.server, name) and (done or password(ground, name) != before)

    return await killed(ground, dice, times, holds)


def births(ground: Ground) -> set[int]:
    """Return how often shards were initialised; orders that must never be given are judged at the end."""
    shards: dict[tuple[str, str], int] = {}
    for instance, agent in ground.kubelet.agents.items():
        key = (instance.partition("-")[0], agent.shard)
        shards[key] = shards.get(key, 0) + agent.bootstraps
    return set(shards.values())


async def test_a_killed_operator_ends_what_it_began(tmp_path: Path) -> None:
    """Three kills amid a creation and the making of another password."""
    dice = random.Random(11)
    async with Ground(tmp_path).running() as ground:
        await created(ground, dice, "shop", 2, shards=1)
        await changed(ground, dice, "shop", rotated, 1)
        assert {1} == births(ground)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_twenty_kills_amid_four_creations_and_four_changes(tmp_path: Path) -> None:
    """SIGKILL at 20 random moments: every cluster is made, every change is made, and nothing was done twice."""
    dice = random.Random(12)
    kills = 0
    async with Ground(tmp_path).running() as ground:
        for number in range(4):
            kills += await created(ground, dice, f"c{number}", 4)
        for number, change in enumerate((parameter, fewer, placed, rotated)):
            kills += await changed(ground, dice, f"c{number}", change, 4)
        assert {1} == births(ground)
    print(f"{kills} kills")  # noqa: T201 -- a figure of a long test
    assert kills >= 20
