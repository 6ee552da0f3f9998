"""The successor's side of a planned switchover: whatever can be done before its leader stops is done before.

Nobody writes between the leader's stop and the promotion here, so what is done now is not waited for then.
"""

import asyncio
import logging
from typing import Final

from covet.agent import access, following, joining, ruling
from covet.agent.instance import Instance
from covet.core.agentorders import PrepareAnswer, PrepareOrder
from covet.core.errors import CovetError, RefusedError
from covet.engines import sessions

LOG: Final = logging.getLogger("covet.succeeding")

LIMIT_SECONDS: Final = 1.5
"""How long making ready may take; the leader serves on meanwhile."""
READY_SECONDS: Final = 5.0
"""How long clients stay out for a leader that does not stop after all."""


async def prepare(inst: Instance, caller: str, order: PrepareOrder) -> PrepareAnswer:
    """Shut clients out and keep the log of the other members.

    Args:
        inst: the successor's agent.
        caller: subject of the caller's certificate.
        order: who stops, and in which term.

    Raises:
        RefusedError: the caller is not the leader that is followed, or this member could not lead soon.
        CovetError: it was not ready in time; clients are let in again.
    """
    inst.check_staying()
    identity = inst.identity
    if identity is None or caller != inst.instance_of(order.leader):
        raise RefusedError("NotFollowing", f"{caller} cannot stop for {inst.settings.instance}.")
    if not following.follows(inst, order.leader, order.term):
        raise RefusedError("NotFollowing", f"{inst.settings.instance} does not follow {order.leader}.")
    if inst.cramped:
        raise RefusedError("VolumeCramped", f"The volume of {inst.settings.instance} has no room to lead.")
    inst.ready_until = inst.clock.monotonic() + READY_SECONDS
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await _check_replay(inst)
            await access.close(inst)
            others = inst.rule.cohort if inst.rule is not None else ()
            await joining.make_slots(inst, [member for member in others if member != identity.member])
    except (CovetError, TimeoutError) as error:
        inst.ready_until = 0.0
        if isinstance(error, CovetError):
            raise
        raise RefusedError("NotReady", f"{inst.settings.instance} was not ready in time.") from error
    LOG.info("Ready to succeed %s.", order.leader)
    return PrepareAnswer(identity.member)


async def _check_replay(inst: Instance) -> None:
    """Refuse while so much is left to replay that the promotion would wait for it."""
    async with inst.standing() as session:
        vitals = await sessions.read_vitals(session)
    if vitals.lsn - vitals.replayed > ruling.CAUGHT_UP_BYTES:
        raise RefusedError("ReplayBehind", f"The server of {inst.settings.instance} still replays; repeat the order.")
