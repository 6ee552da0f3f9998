"""Starting and stopping the server: always closed, never read-write by accident."""

import asyncio
import logging
from pathlib import Path
from typing import Final

from covet.agent import configuring, durable, positions, threads
from covet.agent.damage import Kind
from covet.agent.instance import Instance
from covet.core.errors import CovetError, UnreachableError
from covet.engines import configuration, unled
from covet.engines.sessions import Session

LOG: Final = logging.getLogger("covet.running")

FAST_SECONDS: Final = 15.0
"""Bound of a fast shutdown; past it the server stops immediately and recovers at the next start."""
READY_SECONDS: Final = 60.0
"""How long a closed follower may replay before somebody is told that it does."""
DOUBTFUL_SECONDS: Final = 10.0
"""How long it may take if its log was found too short: it would wait for the rest for ever."""
STANDBY: Final = "standby.signal"
"""The file that makes a server start as a standby; a promotion removes it."""


async def start(inst: Instance, *, primary: bool) -> None:
    """Start the server, closed to clients; it may still recover when this returns.

    A standby starts with nobody to follow: whom it follows is decided once it is up.

    Raises:
        CovetError: the server's program could not be started.
    """
    inst.upstream, inst.still, inst.admitting, inst.gate = None, None, False, False
    await threads.finish(_prepare, inst.volume.pgdata, primary)
    await configuring.install_certificate(inst)
    await configuring.apply(inst)
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
    _let_go(inst)
    try:
        await inst.server.stop(fast_seconds)
    except TimeoutError as error:
        raise CovetError("ServerWontStop", f"The server could not be stopped: {error}.") from error


async def start_closed(inst: Instance) -> None:
    """Start the server as a closed follower of nobody, and return once it takes sessions.

    Whatever runs over the data directory is ended first, but for a start like this one that is under way.

    Raises:
        CovetError: it could not be started, ended, or took no session in time; it may still be replaying.
    """
    pgdata = inst.volume.pgdata
    doubtful = inst.damage.suspected(Kind.LOG)
    closed = inst.upstream is None and not inst.gate and not inst.admitting and not inst.stop_wanted
    if inst.server.pid is None or not closed or not await asyncio.to_thread((pgdata / STANDBY).exists):
        await stop_at_once(inst)
        await _mend_histories(inst)
        doubtful = inst.damage.suspected(Kind.LOG)
        await start(inst, primary=False)
    try:
        await await_ready(inst, DOUBTFUL_SECONDS if doubtful else READY_SECONDS)
    except CovetError:
        if doubtful:  # the next start looks at the log once more
            await stop_at_once(inst)
            inst.back_off.died(inst.clock.monotonic())
        raise
    inst.damage.disprove(Kind.LOG)


async def _mend_histories(inst: Instance) -> None:
    """Leave the history files by which a start finds the timeline of the last byte, and no later one.

    Files above it are of promotions that came to nothing, here or elsewhere; a start would look for their log and
    never find it. One missing below it would hide it.

    Raises:
        CovetError: what the data directory holds cannot be read.
    """
    pgdata = inst.volume.pgdata
    known, position = await positions.read_resting(inst)
    timeline = position.term if position is not None else known
    removed = await threads.finish(unled.remove_above, pgdata, timeline)
    filled = await threads.finish(unled.fill, pgdata, timeline)
    await threads.finish(durable.sync_folder, pgdata / "pg_wal")
    if removed or filled:
        LOG.info("On timeline %s: %s removed, %s files of unled terms made.", timeline, removed, filled)


async def stop_at_once(inst: Instance) -> None:
    """Stop the server immediately; when this returns no process of the data directory is left.

    Raises:
        CovetError: processes of it are left, which nothing ends.
    """
    _let_go(inst)
    try:
        await inst.server.end()
    except TimeoutError as error:
        raise CovetError("ServerWontStop", f"The server could not be stopped: {error}.") from error


def _let_go(inst: Instance) -> None:
    """Expect the server's end, and look at it no more."""
    inst.stop_wanted = True
    if inst.session is not None:
        inst.session.terminate()
        inst.session = None
    inst.vitals = None


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
            await asyncio.sleep(0.01)
            continue
        await session.close()
        return
    raise CovetError("ServerTooSlow", f"The server took no session within {limit:.0f} s.")


def _prepare(pgdata: Path, primary: bool) -> None:
    """Bring PGDATA's own files into the shape of the role; everything else of it is the server's."""
    # A kubelet that applies fsGroup widens the mode, and the server refuses a wider one.
    pgdata.chmod(0o700)
    durable.sweep(pgdata)
    signal_file = pgdata / STANDBY
    if primary and signal_file.exists():
        signal_file.unlink()
    elif not primary and not signal_file.exists():
        durable.write(signal_file, b"")
    # ALTER SYSTEM writes here and would win over our files.
    durable.write(pgdata / "postgresql.auto.conf", b"# Not used: covet-agent owns the settings.\n")
    durable.sync_folder(pgdata)
