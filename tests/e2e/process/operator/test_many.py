"""One operator process and several clusters: all are made, every change is acted upon, memory stays in bounds."""

from pathlib import Path

from covet.kube import resources
from covet.testing import operating
from covet.testing.operating import Ground
from tests.e2e.process.operator.sites import until

NAMES = tuple(f"c{number}" for number in range(5))
LIMIT_MIB = 400.0
"""The gate of benchmarks/fleet.py, for two hundred of them."""


def published(ground: Ground, name: str) -> str:
    """Return what the agents of a cluster should work by."""
    return str(ground.server.objects[resources.CONFIG_MAP, "ns", f"{name}-s0-config"]["data"]["spec.json"])


async def test_changes_of_many_clusters_are_acted_upon(tmp_path: Path) -> None:
    """All are edited at once; each is given its own value."""
    async with Ground(tmp_path).running() as ground:
        for name in NAMES:
            operating.declare(ground.server, name)
        await until(lambda: all(operating.is_ready(ground.server, name) for name in NAMES), 120)
        wanted = {name: f"{number}MB" for number, name in enumerate(NAMES, start=21)}
        for name, value in wanted.items():
            engine = {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": value}}
            operating.declare(ground.server, name, engine=engine)
        await until(lambda: all(value in published(ground, name) for name, value in wanted.items()), 120)
        await until(lambda: all(operating.is_ready(ground.server, name) for name in NAMES), 120)
        assert dict.fromkeys(wanted, 1) == {
            name.removesuffix("-s0-a"): agent.bootstraps for name, agent in ground.kubelet.agents.items()
        }
        assert 0.0 < ground.operator.processor_seconds()
        assert 0.0 < ground.operator.memory()["resident"] <= ground.operator.memory()["highest"] < LIMIT_MIB
