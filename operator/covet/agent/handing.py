"""The leader's side of a switchover: everything to the successor, then the server stops for good.

Clients are in until the stop itself ends their sessions: before it the successor has proven that it flushes, and the
stop goes on until every walsender that is left has sent its follower the whole log. After it the former leader
needs a new term like anyone.
"""

import asyncio
import contextlib
import logging
from typing import Final

from covet.agent import positions, running
from covet.agent.instance import Instance
from covet.core.agentorders import PrepareOrder
from covet.core.errors import CovetError, RefusedError, UnreachableError
from covet.engines import wal, walsenders
from covet.engines.sessions import Session

LOG: Final = logging.getLogger("covet.handing")

CHECKPOINT_SECONDS: Final = 30.0
"""How long the checkpoint before may take; clients are in meanwhile."""
AGAIN_SECONDS: Final = 0.5
"""A checkpoint that took longer than this is followed by another, so that the one of the stop is short."""
FLUSH_SECONDS: Final = 1.0
"""How long the successor may take to flush what the checkpoint wrote; clients are in meanwhile."""
READY_SECONDS: Final = 2.0
"""How long the successor's agent may take to make ready; clients are in meanwhile."""
DISMISS_SECONDS: Final = 1.0
"""How long the streams to the other followers may take to end; clients are in meanwhile."""
DRAIN_SECONDS: Final = 1.0
"""How long a fast stop may take; past that the server is stopped at once."""
ASK_SECONDS: Final = 0.7
"""How long the successor may take to say how far it is; its agent looks four times a second."""
POLL_SECONDS: Final = 0.005


class HandOffBrokenError(CovetError):
    """The server is gone, and the successor may lack the end of its log."""


async def hand_off(inst: Instance, to: str, term: int) -> bool:
    """Stop the leader's server in such a way that a follower holds its whole log.

    Args:
        inst: the leader's agent.
        to: member name of the successor; it has to stream.
        term: the one this member leads.

    Returns:
        True once no process of the server is left and the successor has everything. False if nothing was
        stopped and no client noticed.

    Raises:
        HandOffBrokenError: the server is gone, but did not drain.
    """
    if inst.server.pid is None:
        raise HandOffBrokenError("ServerGone", "The server does not run: there is nothing to hand over.")
    started = inst.clock.monotonic()
    try:
        async with inst.sql() as session:
            await _write_out(inst, session, to, term)
            written = inst.clock.monotonic()
            await make_ready(inst, to, term)
            ready = inst.clock.monotonic()
            await _await_flush(inst, session, to)
            # A follower that stands still would hold up the stop; it goes on from the successor.
            await walsenders.end(session, "application_name <> $1", to, limit=DISMISS_SECONDS)
            session.terminate()  # nobody waits for its end
    except CovetError as error:
        if inst.server.pid is None:
            raise HandOffBrokenError("ServerDied", f"The server died amid the switchover: {error.message}") from error
        LOG.warning("Not handed to %s: %s", to, error.message, extra={"fields": {"reason": error.reason}})
        return False
    flushed = inst.clock.monotonic()
    await stop(inst, to)
    stopped = inst.clock.monotonic()
    LOG.info(
        "Handed to %s: checkpoint %.0f ms, ready there in %.0f ms, flushed in %.0f ms, stopped in %.0f ms.",
        to,
        *(1000 * seconds for seconds in (written - started, ready - written, flushed - ready, stopped - flushed)),
    )
    return True


async def _write_out(inst: Instance, session: Session, to: str, term: int) -> None:
    """See that the successor streams, and write what is dirty, so that the checkpoint of the stop is short."""
    if await walsenders.flushed_by(session, to) is None:
        raise RefusedError("NotStreaming", f"{to} does not stream from the leader of term {term}.")
    # Whoever follows the successor receives the segment of the fork from its start, twice: let it have begun just now.
    await wal.switch_segment(session)
    began = inst.clock.monotonic()
    await wal.checkpoint(session, CHECKPOINT_SECONDS)
    if inst.clock.monotonic() - began > AGAIN_SECONDS:
        await wal.checkpoint(session, CHECKPOINT_SECONDS)


async def make_ready(inst: Instance, to: str, term: int) -> None:
    """Have the successor's agent make ready: it is there, and nobody waits for what it does now.

    An agent of an earlier version does not know the order; it does all of it later.

    Raises:
        CovetError: it is not there, is another member by now, or could not lead soon.
    """
    order = PrepareOrder(inst.identity.member if inst.identity else "", term)
    try:
        answer = await inst.client.prepare(inst.peer(inst.instance_of(to)), order, READY_SECONDS)
    except UnreachableError as error:
        if error.reason != "AnswerInvalid":
            raise
        LOG.info("%s makes ready once it is elected: %s", to, error.message)
        return
    if answer.member != to:
        raise RefusedError("SuccessorUnknown", f"{inst.instance_of(to)} is {answer.member} now, not {to}.")


async def _await_flush(inst: Instance, session: Session, to: str) -> None:
    """Wait until the successor flushed what the checkpoint wrote: it is there, and keeps up.

    Raises:
        RefusedError: it does not stream, or did not get there in time.
    """
    wanted = await wal.flushed_end(session)
    deadline = inst.clock.monotonic() + FLUSH_SECONDS
    while (reached := await walsenders.flushed_by(session, to)) is None or reached < wanted:
        if reached is None:
            raise RefusedError("NotStreaming", f"{to} no longer streams.")
        if inst.clock.monotonic() > deadline:
            raise RefusedError("SuccessorBehind", f"{to} lacks {wanted - reached} bytes of the log.")
        await asyncio.sleep(POLL_SECONDS)


async def stop(inst: Instance, to: str) -> None:
    """Stop fast, and reap. A server that ends in time has drained its walsenders; its exit code would not tell.

    Raises:
        HandOffBrokenError: it did not end in time, and the successor does not say that it has everything.
    """
    began = inst.clock.monotonic()
    try:
        await running.stop(inst, DRAIN_SECONDS)
    except CovetError as error:
        raise HandOffBrokenError(error.reason, error.message) from error
    if inst.clock.monotonic() - began >= DRAIN_SECONDS and not await _holds_all(inst, to):
        raise HandOffBrokenError("NotDrained", f"The server was stopped at once; {to} may lack the end of its log.")


async def _holds_all(inst: Instance, to: str) -> bool:
    """Tell whether the successor's agent says that it has the whole log of the stopped server."""
    own = await positions.read(inst)
    deadline = inst.clock.monotonic() + ASK_SECONDS
    while own is not None and inst.clock.monotonic() < deadline:
        with contextlib.suppress(CovetError, TimeoutError):
            async with asyncio.timeout(ASK_SECONDS):
                status = await inst.client.status(inst.peer(inst.instance_of(to)))
            if status.member == to and status.position is not None and status.position.lsn >= own.lsn:
                return True
        await asyncio.sleep(0.05)
    return False
