"""Fixtures of the process tier: shards that are born in seconds and broken on purpose."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.process.shard import Shard


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if "tests/e2e/process" in str(item.path):
            item.add_marker(pytest.mark.process)


@pytest.fixture
async def one() -> AsyncIterator[Shard]:
    """A shard of one instance, open to clients."""
    async with Shard(1) as shard:
        await shard.birth()
        yield shard


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calm() -> AsyncIterator[Shard]:
    """A shard of three that the tests of a module share and leave as it was."""
    async with Shard(3) as shard:
        await shard.birth()
        yield shard


@pytest.fixture
async def three() -> AsyncIterator[Shard]:
    """A shard of three instances, open to clients."""
    async with Shard(3) as shard:
        await shard.birth()
        yield shard
