"""The leader's side of a member that joins or comes back: its role, its slot, no second stream in its name."""

import logging
from typing import Final

from covet.agent.instance import Instance
from covet.core import names
from covet.core.agentapi import JoinAnswer, JoinRequest
from covet.core.errors import RefusedError
from covet.engines import statements

LOG: Final = logging.getLogger("covet.joining")


async def admit(inst: Instance, caller: str, request: JoinRequest) -> JoinAnswer:
    """Make a member's role and exclusive slot, and end a stream that still runs in its name.

    Args:
        inst: the leader's agent.
        caller: subject of the caller's certificate.
        request: who joins.

    Raises:
        RefusedError: this is not the leader, or the caller speaks for somebody else.
    """
    rule = inst.leading()
    inst.peer(request.instance)
    prefix = names.member(inst.spec.shard, inst.letters(request.instance), "")
    if caller != request.instance or not request.member.startswith(prefix) or len(request.member) != len(prefix) + 12:
        raise RefusedError("MemberMismatch", f"{caller} cannot join as {request.member} of {request.instance}.")
    if request.instance == inst.settings.instance:
        raise RefusedError("MemberMismatch", "The leader does not join itself.")
    async with inst.sql() as session:
        await statements.admit_member(
            session, inst.role(request.instance), request.member, names.slot(request.member), names.slot(prefix)
        )
        flushed = await statements.flushed_end(session)
    LOG.info("Admitted %s.", request.member)
    if inst.identity is None or inst.identity.system_id is None:
        raise RefusedError("LeaderNotReady", "The leader has no system identifier yet.")
    return JoinAnswer(rule, inst.identity.system_id, inst.vitals.term if inst.vitals else 0, flushed)
