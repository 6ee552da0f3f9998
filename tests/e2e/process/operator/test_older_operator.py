"""An operator of an older commit and this one follow each other on the same clusters: no pod is made anew."""

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from covet.kube import resources
from covet.testing import operating
from covet.testing.operating import Ground
from tests.e2e.process.operator.sites import until

ROOT = Path(__file__).resolve().parents[4]
OLDER = "0ef257a"
"""A commit that knows neither two logins, nor the change of an authority, nor a maintenance window."""
SECONDS = 120.0
"""Time for what takes a few on a machine that is not busy."""


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules of the older commit."""
    folder = tmp_path_factory.mktemp("older")
    archive = folder / "operator.tar"
    git = ["git", "-C", str(ROOT), "archive", "--output", str(archive), OLDER, "operator"]
    done = subprocess.run(git, capture_output=True, text=True, timeout=60.0, check=False)
    if done.returncode:
        pytest.skip(f"the history has no commit {OLDER}: {done.stderr.strip()}")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    source = folder / "operator"
    words = [sys.executable, "-c", "import covet.app; print(covet.app.__file__)"]
    found = subprocess.run(words, env={"PYTHONPATH": str(source)}, capture_output=True, text=True, check=True)
    assert str(source / "covet" / "app.py") == found.stdout.strip()
    return source


def pods(ground: Ground) -> dict[str, str]:
    """Return the uid of each pod: one that is made anew has another."""
    return {
        name: item["metadata"]["uid"]
        for (kind, _, name), item in ground.server.objects.items()
        if kind == resources.POD
    }


def status(ground: Ground) -> dict[str, Any]:
    """Return what is said of the cluster."""
    found: dict[str, Any] = ground.server.objects[resources.CLUSTER, "ns", "shop"].get("status") or {}
    return found


def condition(ground: Ground, kind: str) -> dict[str, Any]:
    """Return a condition, empty if it does not stand."""
    return next((entry for entry in status(ground).get("conditions") or [] if entry["type"] == kind), {})


async def edited(ground: Ground, value: str) -> None:
    """Edit a parameter, and wait until the operator has nothing left to do but what waits for a person."""
    engine = {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": value}}
    declared = operating.declare(ground.server, "shop", shards={"count": 1, "instances": 3}, engine=engine)
    generation = declared["metadata"]["generation"]

    def done() -> bool:
        ready = condition(ground, "Ready")
        if ready.get("observedGeneration") != generation:
            return False
        return bool("True" == ready["status"] or "RestartPending" == ready["reason"])

    await until(done, SECONDS)


async def test_an_upgrade_and_its_rollback_restart_nothing(older: Path, tmp_path: Path) -> None:
    """What one version made or wrote the other one understands: its edits are carried out, and every pod runs on."""
    async with Ground(tmp_path, source=older).running() as ground:
        operating.declare(ground.server, "shop", shards={"count": 1, "instances": 3})
        await until(lambda: operating.is_ready(ground.server, "shop"), SECONDS)
        before, term = pods(ground), status(ground)["shards"][0]["rule"]["term"]
        for source, value in ((None, "11MB"), (older, "12MB")):
            await ground.exchange(source)
            await edited(ground, value)
            assert value in str(ground.server.objects[resources.CONFIG_MAP, "ns", "shop-s0-config"]["data"])
            assert value == status(ground)["effective"]["engine"]["parameters"]["work_mem"]
            assert (before, term) == (pods(ground), status(ground)["shards"][0]["rule"]["term"])
            assert {"UpgradeWaits"} >= {entry["reason"] for entry in status(ground).get("pendingChanges") or []}
            assert ("True", {}) == (condition(ground, "Available")["status"], condition(ground, "Stalled"))
