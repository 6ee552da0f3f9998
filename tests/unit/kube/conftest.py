"""A real adapter on an API server in this process."""

import collections
from collections.abc import AsyncIterator

import pytest

from covet.kube.client import Kube
from covet.testing import reach
from covet.testing.apiserver import ApiServer


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    """An empty API server on loopback."""
    server = ApiServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def counted() -> collections.Counter[tuple[str, str]]:
    """Writes by verb and resource, as the adapter counted them."""
    return collections.Counter()


@pytest.fixture
async def kube(server: ApiServer, counted: collections.Counter[tuple[str, str]]) -> AsyncIterator[Kube]:
    """The adapter, connected to the server."""

    def count(verb: str, resource: str) -> None:
        counted[verb, resource] += 1

    loaded = reach.configured(server.url)
    kube = Kube(loaded, count, timeout=2.0)
    yield kube
    await kube.close()
