"""A world with the cluster `shop` in it, all well."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.cli import samples, surroundings
from tests.unit.cli.fakes import FakeAccess, World


@pytest.fixture
def world() -> World:
    """The command, and a cluster that it may steer."""
    return World(FakeAccess(samples.cluster()))


@pytest.fixture
async def around() -> AsyncIterator[surroundings.Surroundings]:
    """An API server with the cluster, its operator, and all that belongs to them."""
    server = surroundings.Surroundings()
    surroundings.healthy(server)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def caller(around: surroundings.Surroundings) -> surroundings.Caller:
    """The command, by way of the real adapter."""
    return surroundings.Caller(around)
