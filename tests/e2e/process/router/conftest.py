"""One server and one router for the tests of this folder; a test that needs another router starts its own."""

import pathlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import pytest_asyncio

from tests.e2e.process.authority import Authority
from tests.e2e.process.router import front
from tests.e2e.process.router.front import Front, Server
from tests.e2e.process.router.sessions import connect
from tests.e2e.process.router.trio import Trio


@pytest.fixture(scope="session")
def program() -> pathlib.Path:
    """The router, compiled."""
    return front.binary()


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Issues all certificates."""
    return Authority()


@pytest.fixture
def folder() -> Iterator[pathlib.Path]:
    """A folder that the server's user can look into."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="covet-router-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def server(authority: Authority) -> Iterator[Server]:
    """A server that all tests share."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="covet-router-pg-"))
    made.chmod(0o755)
    running = Server(made, authority)
    running.start()
    yield running
    running.stop()
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def router(program: pathlib.Path, authority: Authority, server: Server) -> Iterator[Front]:
    """A router with two server connections that all tests share."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="covet-router-front-"))
    with Front(program, made, authority, server) as running:
        yield running
    shutil.rmtree(made)


@pytest_asyncio.fixture(loop_scope="session")
async def session(router: Front) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A session through the shared router."""
    made = await connect(router)
    yield made
    await made.close(timeout=front.LIMIT)


@pytest.fixture(scope="session")
def three_servers(program: pathlib.Path, authority: Authority) -> Iterator[Trio]:
    """Three shards that all tests share."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="covet-router-trio-"))
    made.chmod(0o755)
    running = Trio(program, made, authority)
    running.start()
    yield running
    running.stop()
    shutil.rmtree(made)


@pytest.fixture
def trio(three_servers: Trio) -> Trio:
    """Three shards without a table."""
    three_servers.clear()
    return three_servers
