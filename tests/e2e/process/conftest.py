"""Fixtures of the process tier: shards that are born in seconds, broken on purpose, and shared once they healed."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.process.benches import Benches
from tests.e2e.process.shard import Shard
from tests.e2e.process.verbs import Cohort


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder; those of shards share one event loop, as they share shards."""
    for item in items:
        if "tests/e2e/process" not in str(item.path):
            continue
        item.add_marker(pytest.mark.process)
        if pytest_asyncio.is_async_test(item) and "tests/e2e/process/operator" not in str(item.path):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


class Nursery:
    """Keeps one open shard of each size; one that does not heal from a test is replaced."""

    def __init__(self) -> None:
        self._shards: dict[int, Shard] = {}

    async def take(self, instances: int) -> Shard:
        """Return a shard that serves, with the application's tables gone."""
        known = self._shards.pop(instances, None)
        if known is not None:
            if await known.heal():
                self._shards[instances] = known
                return known
            await known.close()
        shard = Shard(instances)
        self._shards[instances] = await shard.__aenter__()
        await shard.birth()
        return shard

    async def close(self) -> None:
        """End all shards."""
        for shard in self._shards.values():
            await shard.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def nursery() -> AsyncIterator[Nursery]:
    """The shards that tests share."""
    kept = Nursery()
    yield kept
    await kept.close()


@pytest_asyncio.fixture(loop_scope="session")
async def one(nursery: Nursery) -> AsyncIterator[Shard]:
    """A shard of one instance, open to clients; a test may break it."""
    shard = await nursery.take(1)
    yield shard
    shard.show_logs()


@pytest_asyncio.fixture(loop_scope="session")
async def three(nursery: Nursery) -> AsyncIterator[Shard]:
    """A shard of three instances, open to clients; a test may break it."""
    shard = await nursery.take(3)
    yield shard
    shard.show_logs()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def origin() -> AsyncIterator[Benches]:
    """Benches whose first one has made a database."""
    async with Benches() as made:
        await made.a.call("birth")
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def benches(origin: Benches) -> AsyncIterator[Benches]:
    """Three instances over copies of it."""
    async with Benches(origin) as fresh:
        yield fresh


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def born() -> AsyncIterator[Cohort]:
    """Three members, born once."""
    cohort = Cohort()
    try:
        await cohort.birth()
        yield cohort
    finally:
        await cohort.close()
