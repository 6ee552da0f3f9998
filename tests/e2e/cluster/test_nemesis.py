"""The failure bench's runs on a real cluster, a few of each kind: what is promised, not how fast it is."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from benchmarks.nemesis import clusterfaults, plan
from benchmarks.nemesis.bench import Bench
from benchmarks.nemesis.clustertier import ClusterStage
from tests.e2e.conftest import LOGS
from tests.e2e.installation import Installation
from tests.e2e.target import Target

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),
    pytest.mark.asyncio(loop_scope="module"),
]

SEED = 5
"""Of these twelve runs six lack the API server, and three the operator."""
PATIENCE = 4.0
"""A machine that is busy with other things is slow, not wrong."""
RUNS = 2
KINDS = ("server-killed", "pod-killed", "pod-deleted", "node-killed", "node-cut", "pod-frozen")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(place: Target, covet: Installation) -> AsyncIterator[Bench[clusterfaults.Scene]]:
    """A shard of three with eight writers, half of them over the Service."""
    name = place.devcluster_name()
    if name is None:
        pytest.skip("only a devcluster's nodes can be killed")
    async with Bench(ClusterStage(covet, name), LOGS / "nemesis", PATIENCE) as stage:
        yield stage


@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_acknowledged_is_lost_and_nobody_leads_twice(
    bench: Bench[clusterfaults.Scene], kind: str, run: int
) -> None:
    """Another leads and takes writes over both ways, every acknowledged write is on every member, all are back."""
    result = await bench.run(plan.draw_in_cluster(kind, SEED, run))
    assert [] == result["problems"]
    assert ([], []) == (result["lost"], result["second_leader"])
    assert result["new_term"] > result["term"]
