"""Starting over: a member whose volume cannot be brought back becomes a new one, cloned from its leader.

What is wiped may be one of the copies that an acknowledged commit counts on. So the leader is asked first, and it
lets one member go at a time, while enough others are up to date.
"""

import asyncio
import dataclasses
import logging
from typing import Final

from covet.agent import cloning, following, rejoining, running, threads
from covet.agent.instance import Instance
from covet.agent.volume import CLONE, Identity
from covet.core.agentorders import CloneOrder, JoinRequest
from covet.core.errors import RefusedError, UnreachableError

LOG: Final = logging.getLogger("covet.rejoining")


async def reclone(inst: Instance, leader: str) -> None:
    """Make this volume a new member, cloned from the leader; what it holds is lost, and so is its vote.

    Raises:
        CovetError: the leader is unreachable or leads no longer, and nothing was touched; or the copy failed, and
            it is repeated as any clone that was not finished.
    """
    identity = _born(inst)
    await running.stop(inst)
    await ask_leave(inst, leader)
    await inst.remember_identity(dataclasses.replace(identity, born=False, origin=CLONE))
    await threads.finish(rejoining.forget, inst)
    inst.damage.forget()
    LOG.warning("%s is wiped and cloned anew from %s.", identity.member, leader)
    await cloning.clone(inst, CloneOrder(inst.instance_of(leader), identity.system_id or ""))


async def ask_leave(inst: Instance, leader: str) -> None:
    """Ask the leader whether this member may be wiped: enough other copies are there, and nobody else goes.

    Raises:
        UnreachableError: it did not answer.
        RefusedError: it is not the seated leader of the newest term known here, or it says no.
    """
    identity, instance = _born(inst), inst.instance_of(leader)
    try:
        async with asyncio.timeout(following.JOIN_SECONDS):
            request = JoinRequest(inst.settings.instance, identity.member, leave=True)
            answer = await inst.client.join(inst.peer(instance), request)
    except TimeoutError as error:
        raise UnreachableError("LeaderUnreachable", f"{instance} did not answer in time.") from error
    if (answer.rule.leader, answer.system_id) != (leader, identity.system_id):
        raise RefusedError("LeaderForeign", f"{instance} is {answer.rule.leader}, wanted was {leader}.")
    if inst.sworn is not None and answer.rule.term < inst.sworn.promise:
        raise RefusedError("TermForeign", f"{leader} leads term {answer.rule.term}, promised is {inst.sworn.promise}.")
    if not answer.leave:
        raise RefusedError("LeaveUnknown", f"{instance} does not know the question; its agent may be an older one.")


def _born(inst: Instance) -> Identity:
    identity = inst.identity
    if identity is None or identity.system_id is None:
        raise RefusedError("NotBorn", f"{inst.settings.instance} holds no finished database.")
    return identity
