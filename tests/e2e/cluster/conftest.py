"""What tests on a real Kubernetes share."""

import pytest

from tests.e2e.cluster.shops import Shop
from tests.e2e.installation import Installation
from tests.e2e.target import Target


@pytest.fixture
def shop(covet: Installation, namespace: str, place: Target) -> Shop:
    """One shard of three, ready, whose Services this machine reaches; who needs another one makes it."""
    if place.devcluster_name() is None:
        pytest.skip("only the Services of a devcluster are reached from here")
    found = Shop(covet, namespace)
    found.declare(shards={"count": 1})
    found.await_ready()
    return found
