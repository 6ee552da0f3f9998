"""An API server for each test, and what runs on it."""

import asyncio
import gc
import logging
import threading
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from covet.testing.apiserver import ApiServer
from tests.e2e.process.operator.sites import Site

PATIENCE = 20.0
"""Seconds for what kopf's thread takes at most a few for on a machine that is not busy."""


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
    await asyncio.to_thread(watches_ended)
    # kopf leaves its session open where it is ended amid its start; a process that ends takes it along.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def watches_ended() -> None:
    """Wait for the threads that kopf runs in: an operator that ends does not, for its process ends with them."""
    for thread in threading.enumerate():
        if thread.name == "watches":
            thread.join(PATIENCE)
