"""The fence of a follower: afterwards it acknowledges nothing to the leader that it followed (I3).

The promise stands on the volume already. The order of the steps is what makes them hold: a receiver may be forked
at any moment with the connection string of before, so the certificates that it would log in with go first.
"""

import asyncio
import logging
import shutil
import signal
from pathlib import Path
from typing import Final

from covet.agent import configuring, positions
from covet.agent.instance import Instance
from covet.core.agentapi import Position
from covet.core.errors import CovetError
from covet.engines import processes

LOG: Final = logging.getLogger("covet.fencing")

BOUND_SECONDS: Final = 5.0
"""How long a receiver may take to end; one that does not leaves this member without a vote."""
_PACE: Final = 0.005


async def fence(inst: Instance, term: int) -> Position | None:
    """Stop receiving from every leader below a term and return how far the log reaches.

    Args:
        inst: the agent; its server may be up or down.
        term: the term that was promised.

    Returns:
        None if the position cannot be read.

    Raises:
        CovetError: a receiver is left, or the volume refused.
    """
    inst.still = None
    await asyncio.to_thread(remove_credentials, inst.volume.credentials_root, term)
    await end_receiving(inst)
    # The certificate may have been renewed in the old place while the receiver ended.
    await asyncio.to_thread(remove_credentials, inst.volume.credentials_root, term)
    position = await positions.read(inst)
    inst.still = None if position is None else (term, position)
    LOG.info("Fenced for term %s at %s.", term, position)
    return position


def position_of(inst: Instance, term: int) -> Position | None:
    """Return what the fence for a term found, None if there was none or something may have been received since.

    To look again would cost what a promotion, and the way to a new leader, can do without.
    """
    if inst.still is None or inst.still[0] != term or inst.upstream is not None or inst.server.pid is None:
        return None
    return None if receivers(inst.server.pid, inst.settings.instance) else inst.still[1]


def remove_credentials(root: Path, term: int) -> None:
    """Remove the certificates by which the server logs in to leaders below a term.

    Raises:
        OSError: one of them stays.
    """
    if not root.is_dir():
        return
    for folder in root.iterdir():
        if folder.name.isdigit() and int(folder.name) < term:
            shutil.rmtree(folder)


async def end_receiving(inst: Instance) -> None:
    """Follow nobody from now on, and return once no process of the server receives or restores log.

    A server that this agent did not start is ended: nothing but /proc would tell of its receiver.

    Raises:
        CovetError: a receiver is left.
    """
    inst.upstream = None
    await inst.server.await_handlers()  # a start may have been cut off a moment ago
    await configuring.apply(inst)
    postmaster = inst.server.pid
    if postmaster is None:
        if not await processes.reap_folder(inst.volume.pgdata):
            raise CovetError("ReceiverRemains", "Processes of an earlier server do not end.")
        return
    # An earlier attempt may have written the file and not come to tell the server.
    inst.server.reload()
    deadline = inst.clock.monotonic() + BOUND_SECONDS
    told: set[int] = set()
    while receiving := receivers(postmaster, inst.settings.instance):
        for pid in receiving:
            if pid not in told:
                processes.send(pid, signal.SIGTERM)
        told.update(receiving)
        if inst.clock.monotonic() > deadline:
            raise CovetError("ReceiverRemains", f"Processes {receiving} were told to end and still receive log.")
        await asyncio.sleep(_PACE)


def receivers(postmaster: int, instance: str) -> tuple[int, ...]:
    """Return the processes of a server that receive log, or restore it for the startup process.

    A child that does not carry its title yet has not read a certificate either.
    """
    found: list[int] = []
    for pid in processes.children(postmaster):
        title = processes.command(pid)
        if title.startswith(f"postgres: {instance}: walreceiver".encode()):
            found.append(pid)
        elif title.startswith(f"postgres: {instance}: startup".encode()):
            found.extend(processes.children(pid))
    return tuple(found)
