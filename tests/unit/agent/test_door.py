"""Whoever waits at the agent's door is let in or cut off, and never forgotten."""

import asyncio
import gc
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from covet.agent import door
from tests.e2e.process.shard import free_ports

ADDRESS = "127.0.1.9"


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Keep the garbage collector from closing what was forgotten."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def turned_away() -> list[None]:
    """One entry for each connection that the door said to have cut off."""
    return []


@pytest.fixture
async def port(turned_away: list[None]) -> AsyncIterator[int]:
    """Return the port of an open door whose visitors never get through TLS."""
    opened = door.Door(asyncio.Protocol, time.monotonic, lambda: turned_away.append(None))
    opened.admit_with(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    port = free_ports([ADDRESS])[0]
    opened.open(ADDRESS, port)
    yield port
    await opened.close()


async def is_cut(caller: socket.socket, seconds: float = 1.0) -> bool:
    """Return whether the other end closes in time."""
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.get_running_loop().sock_recv(caller, 1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


@pytest.mark.usefixtures("no_collector")
async def test_of_a_crowd_that_came_at_once_whoever_makes_room_is_cut(port: int, turned_away: list[None]) -> None:
    """One more than there are places, all waiting before the agent looks: exactly the first is cut off, and at once."""
    # These dial without giving the event loop a turn.
    crowd = [socket.create_connection((ADDRESS, port), 1.0) for _ in range(door.PLACES + 1)]
    for caller in crowd:
        caller.setblocking(False)  # noqa: FBT003  the socket API
    cut = [await is_cut(crowd[0], 3.5), *await asyncio.gather(*(is_cut(caller) for caller in crowd[1:]))]
    for caller in crowd:
        caller.close()
    assert [True] + [False] * door.PLACES == cut
    assert 1 <= len(turned_away)
