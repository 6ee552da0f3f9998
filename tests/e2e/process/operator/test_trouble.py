"""An API server that is slow, busy, broken or gone: databases are left alone, and the operator is back soon."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from covet.kube import resources
from covet.testing import operating
from covet.testing.apiserver import NO_TROUBLE
from covet.testing.operating import Ground
from covet.testing.trouble import Trouble
from tests.e2e.process.operator.sites import until

PATIENCE = 120.0
"""Seconds for what takes at most 30 on a machine that is not busy."""
Record = Callable[[str, object], None]
TROUBLES = {
    "slow": Trouble(delay=0.4),
    "conflicts": Trouble(status=409, share=0.6),
    "too many requests": Trouble(status=429, share=0.4),
    "errors": Trouble(status=500, share=0.4),
    "lost answers": Trouble(lost=0.5),
}


def published(ground: Ground) -> str:
    """Return what the agents should work by."""
    found = ground.server.objects[resources.CONFIG_MAP, "ns", "shop-s0-config"]
    return str(found["data"]["spec.json"])


def pods(ground: Ground) -> dict[str, str]:
    """Return the uid of each pod: one that is made anew has another."""
    return {
        name: item["metadata"]["uid"]
        for (kind, _, name), item in ground.server.objects.items()
        if kind == resources.POD
    }


async def edited(ground: Ground, value: str) -> float:
    """Wait until agents are given the newest value of a parameter and the cluster is ready; return the seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await until(lambda: value in published(ground) and operating.is_ready(ground.server, "shop"), PATIENCE)
    return round(loop.time() - began, 2)


def edit(ground: Ground, value: str) -> None:
    """Ask for another value of a parameter."""
    engine: dict[str, Any] = {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": value}}
    operating.declare(ground.server, "shop", engine=engine)


async def test_trouble_with_the_api_server_ends_nothing_but_delays(tmp_path: Path, record_property: Record) -> None:
    """Whatever it answers, an edit is in force soon after it is well again, and no pod or database was touched."""
    async with Ground(tmp_path).running() as ground:
        operating.declare(ground.server, "shop")
        await until(lambda: operating.is_ready(ground.server, "shop"))
        before = pods(ground)
        for number, (name, trouble) in enumerate(TROUBLES.items(), start=11):
            ground.server.trouble = trouble
            edit(ground, f"{number}MB")
            await until(lambda trouble=trouble: trouble.struck >= 4)  # type: ignore[misc]  # defaults are not inferred
            ground.server.trouble = NO_TROUBLE
            record_property(f"seconds after {name}", await edited(ground, f"{number}MB"))
        assert before == pods(ground)
        assert {"shop-s0-a": 1} == {name: agent.bootstraps for name, agent in ground.kubelet.agents.items()}


async def test_an_api_server_that_was_gone_is_worked_with_again(tmp_path: Path, record_property: Record) -> None:
    """Away for longer than the Lease is good: the operator has ended its work, and begins anew by itself."""
    async with Ground(tmp_path).running() as ground:
        operating.declare(ground.server, "shop")
        await until(lambda: operating.is_ready(ground.server, "shop"))
        before = pods(ground)
        port = int(ground.server.url.rpartition(":")[2])
        await ground.server.stop()
        edit(ground, "21MB")
        await until(lambda: "lost the lease" in ground.operator.log.read_text())
        await ground.server.start(port)
        record_property("seconds after it was gone", await edited(ground, "21MB"))
        assert before == pods(ground)
        assert {"shop-s0-a": 1} == {name: agent.bootstraps for name, agent in ground.kubelet.agents.items()}
