"""A follower's side of streaming: lineage first, then credentials, then the server's settings.

A member off the leader's lineage neither streams nor acknowledges (I8). PostgreSQL itself would stream to it
and find out late, or never; so the end of the own log is compared before the server hears of the leader.
"""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Final

from covet.agent import configuring, durable, fencing, positions, running, threads
from covet.agent.instance import Instance
from covet.core import names
from covet.core.agentapi import Position, Rule
from covet.core.agentorders import JoinAnswer, JoinRequest
from covet.core.errors import RefusedError, UnreachableError
from covet.engines import timelines, wal
from covet.engines.configuration import Upstream
from covet.engines.sessions import SqlError
from covet.planner import lineage
from covet.planner.election.events import ServerDied

LOG: Final = logging.getLogger("covet.following")

JOIN_SECONDS: Final = 4.0
"""How long the leader's agent may take: it may have to end a stream that still runs in our name."""
BEGIN_SECONDS: Final = 0.25
"""How long the receiver may take to appear before the answer is given without it."""
ROW_SECONDS: Final = 3.0
POLL_SECONDS: Final = 0.005
READ_SECONDS: Final = 10.0
"""How long the end of the own log may take to be read."""


async def follow(inst: Instance, leader: str, term: int) -> bool:
    """Follow a leader, if the end of the own log lies on its lineage.

    Args:
        inst: a standby's agent; its promise is `term`.
        leader: member name of the leader.
        term: the one it leads.

    Returns:
        True once the server's settings point to the leader; streaming may begin a moment later. False if this
        member is off its lineage, or if the leader no longer has the log that comes next.

    Raises:
        CovetError: the leader's agent is unreachable or does not lead that term, or the own log cannot be read.
    """
    identity = inst.identity
    if identity is None:
        raise RefusedError("NotBorn", f"{inst.settings.instance} holds no finished database.")
    if follows(inst, leader, term):
        await configuring.apply(inst)
        return True
    known = fencing.position_of(inst, term)
    if known is None:
        await detach(inst, term)
    try:
        own, answer = await _compare(inst, leader, term, known)
    except RefusedError as error:
        if error.reason != "LogMissing":
            raise
        LOG.warning("%s", error.message, extra={"fields": {"reason": error.reason}})
        return False
    if (fault := fault_of(own, leader, answer)) is not None:
        LOG.warning("Not following %s: %s", leader, fault[1], extra={"fields": {"reason": fault[0]}})
        return False
    await align(inst, own.term, answer)
    await point(inst, Rule(term, 0, leader, (), 0), identity.member)
    LOG.info("Following %s in term %s.", leader, term)
    return True


async def _compare(
    inst: Instance, leader: str, term: int, known: Position | None = None
) -> tuple[Position, JoinAnswer]:
    """Return the end of the own log and where the leader stands; both are asked for at once."""
    if known is not None:
        return known, await _hear(inst, leader, term)
    asking = asyncio.create_task(_hear(inst, leader, term), name="join")
    reading = asyncio.create_task(read_position(inst), name="position")
    try:
        return await reading, await asking
    finally:
        for task in (asking, reading):
            task.cancel()
        await asyncio.gather(asking, reading, return_exceptions=True)


def greet(inst: Instance, leader: str, term: int) -> None:
    """Ask the leader to come, which is being promoted, where it will stand."""
    inst.greeting.begin(leader, term, lambda: ask(inst, leader, term, early=True))


async def _hear(inst: Instance, leader: str, term: int) -> JoinAnswer:
    return await inst.greeting.answer(leader, term) or await ask(inst, leader, term)


async def ask(inst: Instance, leader: str, term: int, *, early: bool = False) -> JoinAnswer:
    """Have the leader's agent make the own role and slot, and say where it stands.

    Args:
        inst: the follower's agent.
        leader: member name of the leader.
        term: the one it leads.
        early: it is being promoted still.

    Raises:
        UnreachableError: it did not answer.
        RefusedError: it leads another term or system, or refused.
    """
    identity, peer = inst.identity, inst.peer(inst.instance_of(leader))
    if identity is None:
        raise RefusedError("NotBorn", f"{inst.settings.instance} holds no finished database.")
    try:
        async with asyncio.timeout(JOIN_SECONDS):
            answer = await inst.client.join(peer, JoinRequest(inst.settings.instance, identity.member, early=early))
    except TimeoutError as error:
        raise UnreachableError("LeaderUnreachable", f"{peer.instance} did not answer in time.") from error
    if answer.system_id != identity.system_id:
        raise RefusedError(
            "SystemForeign", f"{peer.instance} has system id {answer.system_id}, this volume {identity.system_id}."
        )
    if (answer.rule.leader, answer.rule.term, answer.timeline) != (leader, term, term) or answer.flushed is None:
        raise RefusedError("TermForeign", f"{peer.instance} does not lead term {term} as {leader}.")
    return answer


def fault_of(own: Position, leader: str, answer: JoinAnswer) -> lineage.Fault | None:
    """Return why a leader must not be followed from a position, None if it may."""
    end = Position(answer.timeline, answer.flushed or 0)
    fault = lineage.fault_of_position(own, leader, end, answer.history)
    if fault is None and own.lsn // timelines.SEGMENT_BYTES * timelines.SEGMENT_BYTES < answer.oldest:
        return "LogMissing", f"{leader} has its log from {answer.oldest} on, needed is {own.lsn}."
    return fault


async def read_position(inst: Instance) -> Position:
    """Return the end of the own log, what is not replayed yet included; nothing is received meanwhile.

    Raises:
        RefusedError: it cannot be read.
    """
    try:
        async with asyncio.timeout(READ_SECONDS):
            found = await positions.read(inst)
    except TimeoutError as error:
        raise RefusedError("PositionUnknown", "The end of the own log was not found in time.") from error
    if found is None:
        raise RefusedError("PositionUnknown", "The end of the own log cannot be read.")
    return found


async def detach(inst: Instance, term: int) -> None:
    """Follow nobody: no credentials of leaders before a term, settings emptied, and no receiver left.

    Raises:
        CovetError: a receiver does not end, or the volume refused.
    """
    await threads.finish(fencing.remove_credentials, inst.volume.credentials_root, term)
    await fencing.end_receiving(inst)


async def align(inst: Instance, above: int, answer: JoinAnswer) -> None:
    """Give the server the history of its leader's timelines, and none other after the last byte's.

    A server that saw a history of another line may have made that one its aim and is started anew.
    """
    pgdata = inst.volume.pgdata
    strangers = await asyncio.to_thread(timelines.strangers, pgdata, answer.timeline, answer.history, above)
    if strangers:
        LOG.warning("Removing %s: not of the leader's line.", ", ".join(path.name for path in strangers))
        try:
            await running.stop(inst)
            await threads.finish(_remove, inst, strangers)
            await running.start_closed(inst)
        finally:
            # Cut off or failed in between, the server is down or about to be: that is news, though its end was wanted.
            inst.stop_wanted = False
            if inst.server.pid is None:
                inst.election.put(ServerDied())
    await threads.finish(write_chain, inst, answer, above)


def _remove(inst: Instance, paths: tuple[Path, ...]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
    durable.sync_folder(inst.volume.pgdata / "pg_wal")


def write_chain(inst: Instance, answer: JoinAnswer, above: int) -> None:
    """Write the history files that are missing after a timeline, up to the leader's; the newest first."""
    folder = inst.volume.pgdata / "pg_wal"
    for name, text in timelines.chain(answer.timeline, answer.history, above).items():
        path = folder / name
        if path.exists():
            continue
        if text == timelines.UNLED:  # there may be thousands, and a start writes anew what a crash took of them
            path.write_text(text)
            path.chmod(0o600)
        else:
            durable.write(path, text.encode())
    durable.sync_folder(folder)


async def point(inst: Instance, rule: Rule, member: str) -> None:
    """Have the server stream from the leader of a rule, under a name; wait a moment for the receiver."""
    await threads.finish(inst.certificates.copy_to, inst.volume.credentials(rule.term))
    inst.still, inst.upstream = None, upstream(inst, rule, member)
    await configuring.apply(inst)
    with contextlib.suppress(TimeoutError, UnreachableError, SqlError):
        async with asyncio.timeout(BEGIN_SECONDS), inst.standing() as session:
            while await wal.receiving(session) is None:  # noqa: ASYNC110  the server tells of no such event
                await asyncio.sleep(POLL_SECONDS)


def upstream(inst: Instance, rule: Rule, member: str) -> Upstream:
    """Return what the server needs to stream from the leader of a rule, under a name."""
    own = inst.identity.member if inst.identity else member
    return Upstream(
        peer=inst.peer(inst.instance_of(rule.leader)),
        role=inst.role(inst.settings.instance),
        member=member,
        slot=names.slot(own),
        credentials=inst.volume.credentials(rule.term),
        addresses=inst.names.known(inst.peer(inst.instance_of(rule.leader)).address),
    )


def follows(inst: Instance, leader: str, term: int) -> bool:
    """Tell whether the settings name this leader in this term."""
    known = inst.upstream
    return (
        known is not None
        and inst.server.pid is not None
        and known.peer.instance == inst.instance_of(leader)
        and known.credentials == inst.volume.credentials(term)
    )


async def await_row(inst: Instance, rule: Rule, lsn: int) -> None:
    """Wait until the log is flushed here up to an LSN, streamed from the rule's leader in its term.

    Raises:
        RefusedError: it was not within the bound, or the rule's leader is not followed.
    """
    deadline = inst.clock.monotonic() + ROW_SECONDS
    while inst.clock.monotonic() < deadline:
        if not follows(inst, rule.leader, rule.term):
            raise RefusedError("NotFollowing", f"{inst.settings.instance} does not follow {rule.leader}.")
        with contextlib.suppress(SqlError, UnreachableError):
            async with inst.standing() as session:
                seen = await wal.receiving(session)
            if seen is not None and seen.streaming and seen.timeline == rule.term and seen.flushed >= lsn:
                return
        await asyncio.sleep(POLL_SECONDS)
    raise RefusedError("LogBehind", f"{inst.settings.instance} has not flushed the log up to {lsn} yet.")
