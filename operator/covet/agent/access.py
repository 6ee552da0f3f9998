"""Letting clients in and shutting them out: two access files, one in force.

Closed means proven closed: the agent dials as a client until it is refused, then ends every
session that came in before, those that were still authenticating included.
"""

import asyncio
import logging
import signal
import ssl
from typing import Final

from covet.agent import configuring
from covet.agent.instance import Instance
from covet.core.errors import CovetError, UnreachableError
from covet.engines import clients, processes, sessions

LOG: Final = logging.getLogger("covet.access")

BOUND_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.005


async def close(inst: Instance) -> None:
    """Shut clients out; when this returns none has a session and none gets one.

    Raises:
        CovetError: not proven within the bound; clients may still be in.
    """
    inst.gate = False
    await configuring.apply(inst)
    await _dial_until(inst, admitted=False)
    # Whoever was forked until now may have read the file of before; whoever comes later has not.
    suspects = _children(inst)
    deadline = inst.clock.monotonic() + BOUND_SECONDS
    async with inst.sql() as session:
        while True:
            known = await clients.known_processes(session)
            suspects &= _children(inst)
            ended = await clients.end_sessions(session)
            authenticating = suspects - known
            for pid in authenticating:
                processes.send(pid, signal.SIGTERM)
            if not ended and not authenticating:
                break
            if inst.clock.monotonic() > deadline:
                raise CovetError("SessionsRemain", f"{ended} sessions did not end within {BOUND_SECONDS:.0f} s.")
            await asyncio.sleep(POLL_SECONDS)
    inst.admitting = False
    inst.news.set()
    LOG.info("Closed to clients.")


async def open_to_clients(inst: Instance) -> None:
    """Let clients in; when this returns they are.

    Raises:
        CovetError: the server did not take up the access file within the bound.
    """
    inst.admitting = inst.gate = True
    inst.ready_until = 0.0
    await configuring.apply(inst)
    await _dial_until(inst, admitted=True)
    inst.election.admitted.set()
    inst.news.set()
    LOG.info("Open to clients.")


def _children(inst: Instance) -> set[int]:
    """Return the server's processes, those included that it does not show because they still authenticate."""
    return set(processes.children(inst.server.pid)) if inst.server.pid else set()


async def _dial_until(inst: Instance, *, admitted: bool) -> None:
    """Dial the own server until it lets clients in, or no longer does."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE  # a dial to ourselves, which carries no secret
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(inst.settings.listen, inst.settings.listen)  # noqa: S104  compared
    deadline = inst.clock.monotonic() + BOUND_SECONDS
    cause = "it answered otherwise"
    while inst.clock.monotonic() < deadline:
        try:
            if await sessions.admits_clients(address, inst.own.sql_port, tls) is admitted:
                return
        except UnreachableError as error:
            cause = error.message
        await asyncio.sleep(POLL_SECONDS)
    raise CovetError(
        "AccessUnproven", f"The server did not {'admit' if admitted else 'refuse'} a dial in time: {cause}"
    )
