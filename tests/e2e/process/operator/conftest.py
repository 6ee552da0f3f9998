"""An API server for each test, and what runs on it."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from covet.testing.apiserver import ApiServer
from tests.e2e.process.operator.sites import Site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """An API server without anything on it."""
    logging.getLogger("kopf").setLevel(logging.ERROR)
    server = ApiServer()
    await server.start()
    site = Site(server, tmp_path)
    yield site
    await site.close()
    await server.stop()
