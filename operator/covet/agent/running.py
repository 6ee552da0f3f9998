"""Starting and stopping the server: always closed, never read-write by accident."""

import asyncio
import logging
from pathlib import Path
from typing import Final

from covet.agent import configuring, durable
from covet.agent.instance import Instance
from covet.core.errors import CovetError, UnreachableError
from covet.engines import configuration
from covet.engines.sessions import Session

LOG: Final = logging.getLogger("covet.running")

FAST_SECONDS: Final = 15.0
"""Bound of a fast shutdown; past it the server stops immediately and recovers at the next start."""


async def start(inst: Instance, *, primary: bool) -> None:
    """Start the server, closed to clients; it may still recover when this returns.

    A standby starts with nobody to follow: whom it follows is decided once it is up.

    Raises:
        CovetError: the server's program could not be started.
    """
    inst.upstream, inst.admitting, inst.confirmed, inst.join_at = None, False, False, 0.0
    inst.sealed = primary and inst.identity is not None and inst.identity.born
    await asyncio.to_thread(_prepare, inst.volume.pgdata, primary)
    await configuring.install_certificate(inst)
    await configuring.apply(inst, admitting=False)
    inst.stop_wanted = False
    inst.tuning.started()
    inst.back_off.started(inst.clock.monotonic())
    inst.metrics.server_starts.inc()
    try:
        await inst.server.start(*inst.leftovers())
    except OSError as error:
        inst.back_off.died(inst.clock.monotonic())
        raise CovetError("ServerStartFailed", f"The server could not be started: {error}.") from error
    inst.setting = configuration.standby_names(inst.setting_rule)
    LOG.info("Started the server as a %s.", "primary" if primary else "standby")


async def stop(inst: Instance, fast_seconds: float = FAST_SECONDS) -> None:
    """Stop the server and reap what is left of it.

    Raises:
        CovetError: processes of it are left, which nothing ends: nobody may take the volume for free.
    """
    inst.stop_wanted = True
    if inst.session is not None:
        inst.session.terminate()
        inst.session = None
    inst.vitals = None
    try:
        await inst.server.stop(fast_seconds)
    except TimeoutError as error:
        raise CovetError("ServerWontStop", f"The server could not be stopped: {error}.") from error


async def await_ready(inst: Instance, limit: float) -> None:
    """Wait until the server takes sessions.

    Raises:
        CovetError: it ended, or the time is over.
    """
    deadline = inst.clock.monotonic() + limit
    while inst.clock.monotonic() < deadline:
        if inst.server.pid is None:
            raise CovetError("ServerDied", f"The server ended with {inst.last_exit} while it started.")
        try:
            session = await Session.connect(inst.settings.sockets, inst.own.sql_port)
        except UnreachableError:
            await asyncio.sleep(0.05)
            continue
        await session.close()
        return
    raise CovetError("ServerTooSlow", f"The server took no session within {limit:.0f} s.")


def _prepare(pgdata: Path, primary: bool) -> None:
    """Bring PGDATA's own files into the shape of the role; everything else of it is the server's."""
    # A kubelet that applies fsGroup widens the mode, and the server refuses a wider one.
    pgdata.chmod(0o700)
    durable.sweep(pgdata)
    signal_file = pgdata / "standby.signal"
    if primary and signal_file.exists():
        signal_file.unlink()
    elif not primary and not signal_file.exists():
        durable.write(signal_file, b"")
    # ALTER SYSTEM writes here and would win over our files.
    durable.write(pgdata / "postgresql.auto.conf", b"# Not used: covet-agent owns the settings.\n")
    durable.sync_folder(pgdata)
