"""The leader's side of members that follow it: role, slot, no second stream in one name, and where it stands.

It works as soon as the server is promoted: the row of the term's rule is confirmed only by members that follow.
Followers keep slots for all others too, so that the log they need is still there after a failover.
"""

import asyncio
import contextlib
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from covet.agent import ruling
from covet.agent.damage import Leave
from covet.agent.instance import Instance
from covet.core import names
from covet.core.agentapi import Ancestor, Position, Rule
from covet.core.agentorders import CheckpointAnswer, CheckpointRequest, JoinAnswer, JoinRequest
from covet.core.errors import RefusedError, UnreachableError
from covet.engines import slots, timelines, wal, walsenders
from covet.engines.sessions import Session, SqlError

LOG: Final = logging.getLogger("covet.joining")

PROMOTION_SECONDS: Final = 3.0
"""How long a member that asks early waits for the promotion; less than it gives an answer."""
POLL_SECONDS: Final = 0.005
CHECKPOINT_SECONDS: Final = 120.0
"""How long a checkpoint for a rewind may take: it is not spread, but the disk may be busy."""
LEAVE_SECONDS: Final = 60.0
"""How long after one member was given leave to wipe itself nobody else is."""


async def admit(inst: Instance, caller: str, request: JoinRequest) -> JoinAnswer:
    """Make a member's role and exclusive slot, and end a stream that still runs in its name.

    Args:
        inst: the leader's agent.
        caller: subject of the caller's certificate.
        request: who joins.

    Raises:
        RefusedError: this is not the leader, the caller speaks for somebody else, or it may not leave now.
    """
    if request.early:
        await _await_promotion(inst)
    rule = inst.leading() if request.leave else inst.reigning()
    inst.peer(request.instance)
    prefix = names.member(inst.spec.shard, inst.letters(request.instance), "")
    if caller != request.instance or not request.member.startswith(prefix) or len(request.member) != len(prefix) + 12:
        raise RefusedError("MemberMismatch", f"{caller} cannot join as {request.member} of {request.instance}.")
    if request.instance == inst.settings.instance:
        raise RefusedError("MemberMismatch", "The leader does not join itself.")
    if inst.identity is None or inst.identity.system_id is None:
        raise RefusedError("LeaderNotReady", "The leader has no system identifier yet.")
    who = (inst.role(request.instance), request.member, names.slot(request.member), names.slot(prefix))
    end = None if request.leave else await _admitted(inst, who, rule.term)
    if end is None:
        async with inst.sql() as session:
            if request.leave:
                await _give_leave(inst, session, rule, request)
            else:
                await slots.admit(session, *who)
            end = await _end(inst, session, rule.term)
    history, oldest = await asyncio.to_thread(_log, inst.volume.pgdata, end.term)
    LOG.info("%s %s.", "Gave leave to" if request.leave else "Admitted", request.member)
    return JoinAnswer(rule, inst.identity.system_id, end.term, end.lsn, history, oldest, request.leave)


async def _admitted(inst: Instance, who: tuple[str, str, str, str], term: int) -> Position | None:
    """Return where the leader stands if the member has all that it needs here; None if that is not so, or not known."""
    with contextlib.suppress(SqlError, UnreachableError):
        async with inst.standing() as session:
            end = await slots.admitted(session, *who)
        return end if end is not None and end.term == term else None
    return None


async def _await_promotion(inst: Instance) -> None:
    """Wait while this member is being promoted; whatever comes of it, the caller is answered."""
    deadline = inst.clock.monotonic() + PROMOTION_SECONDS
    while inst.clock.monotonic() < deadline:
        reign = inst.election.reign
        if reign is None or reign.promoted_at is not None:
            return
        await asyncio.sleep(POLL_SECONDS)


async def _give_leave(inst: Instance, session: Session, rule: Rule, request: JoinRequest) -> None:
    """Let one member wipe itself: commits have to go on being acknowledged without it, and one at a time goes.

    Raises:
        RefusedError: another one goes, or too few other copies are up to date.
    """
    now, given = inst.clock.monotonic(), inst.leave
    if given is not None and given.instance != request.instance and now < given.until:
        raise RefusedError("LeaveGiven", f"{given.instance} is being cloned anew; one member at a time may be.")
    copies = {reply.member for reply in await walsenders.replies(session, 1.0) if is_copy(reply)}
    others = copies & set(rule.cohort) - {rule.leader, request.member}
    least = spare_copies(rule)
    if request.member in rule.cohort and len(others) < least:
        raise RefusedError(
            "TooFewCopies",
            f"{request.member} may not be wiped: {least} other followers have to be up to date, {len(others)} are.",
        )
    inst.leave = Leave(request.instance, now + LEAVE_SECONDS)


def is_copy(reply: walsenders.Reply) -> bool:
    """Tell whether a follower streams and is close behind."""
    return reply.state == "streaming" and reply.lag <= ruling.CAUGHT_UP_BYTES


def spare_copies(rule: Rule) -> int:
    """Return how many followers have to be up to date beside the one that goes: W, and one even if W is 0."""
    return max(rule.acks, 1)


async def checkpoint(inst: Instance, request: CheckpointRequest) -> CheckpointAnswer:
    """Bring the control file to the timeline of the term, for a member that rewinds from here.

    Raises:
        RefusedError: this is not the leader of that term.
        SqlError: the checkpoint took too long.
    """
    rule = inst.reigning()
    if rule.term != request.term:
        raise RefusedError("TermForeign", f"{inst.settings.instance} leads term {rule.term}, not {request.term}.")
    async with inst.sql() as session:
        if await wal.control_timeline(session) != rule.term:
            await wal.checkpoint(session, CHECKPOINT_SECONDS)
        if await wal.control_timeline(session) != rule.term:
            raise RefusedError("TimelineForeign", f"The control file does not say timeline {rule.term}.")
        end = await _end(inst, session, rule.term)
    history, oldest = await asyncio.to_thread(_log, inst.volume.pgdata, end.term)
    return CheckpointAnswer(end.term, end.lsn, history, oldest)


def _log(pgdata: Path, timeline: int) -> tuple[tuple[Ancestor, ...], int]:
    """Return the timelines before a timeline, and where the oldest log begins."""
    return timelines.read(pgdata, timeline), min(map(timelines.begin, timelines.segments(pgdata)), default=0)


async def _end(inst: Instance, session: Session, term: int) -> Position:
    """Return the leader's timeline and the end of its flushed log.

    Raises:
        RefusedError: the server is not on the timeline of its term.
    """
    end = await wal.log_end(session)
    if end is None or end.term != term:
        raise RefusedError("TimelineForeign", f"The server of {inst.settings.instance} is not on timeline {term}.")
    return end


async def make_slots(inst: Instance, members: Collection[str]) -> None:
    """Make the slots of these members, each from the last checkpoint on; those that exist stay as they are.

    Raises:
        SqlError: the server refused.
    """
    async with inst.standing() as session:
        await slots.make(session, [names.slot(member) for member in members])


async def drop_slots(inst: Instance) -> None:
    """Drop a leader's slots of members that left for good: neither the rule nor the spec has them any more.

    A member that is away keeps its slot as long as the rule names it; one that is being cloned is in no rule yet, but
    its instance is in the spec.

    Raises:
        RefusedError: this is not the seated leader.
    """
    rule = inst.leading()
    instances = [names.member(inst.spec.shard, inst.letters(peer.instance), "") for peer in inst.spec.peers]
    async with inst.sql() as session:
        kept = [names.slot(name) for name in (*rule.cohort, *instances)]
        await slots.drop_strange(session, names.slot(f"{inst.spec.shard}-"), kept)


async def advance_slots(inst: Instance, reached: Mapping[str, int | None]) -> None:
    """Keep slots for exactly these members on a follower, each up to where the member is, or a checkpoint back.

    A rewind and the replay after it begin at a checkpoint, so no slot goes past the last one here. Called
    every few seconds it is cheap: one query that changes what has to change.

    Args:
        inst: a follower's agent.
        reached: by member, the leader among them: the end of what it flushed as the leader saw it last, in bytes;
            None for a member that is away, whose slot stays where it is.

    Raises:
        SqlError: the server refused.
    """
    ends = {names.slot(member): lsn for member, lsn in reached.items()}
    own = names.slot(inst.identity.member) if inst.identity else ""
    prefix = names.slot(f"{inst.spec.shard}-")
    async with inst.sql() as session:
        await slots.make(session, [slot for slot in ends if slot != own])
        await slots.drop(session, prefix, [slot for slot in ends if slot != own])
        await slots.advance(session, {slot: lsn for slot, lsn in ends.items() if lsn is not None})
