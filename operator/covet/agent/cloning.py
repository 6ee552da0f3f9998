"""Clone: a new member made from the leader's database, over mTLS, its promise given first."""

import asyncio
import dataclasses
import logging
from typing import Final

from covet.agent import beginning, following
from covet.agent.instance import Instance
from covet.agent.volume import CLONE
from covet.core import names
from covet.core.agentapi import Task
from covet.core.agentorders import CloneOrder, JoinRequest
from covet.core.errors import RefusedError
from covet.engines import configuration, programs
from covet.planner.election.rules import Sworn

LOG: Final = logging.getLogger("covet.cloning")


async def order(inst: Instance, message: CloneOrder) -> None:
    """Begin to clone, or refuse with the reason; the same order again while it runs changes nothing.

    Raises:
        RefusedError: this volume holds something, or the leader is unknown.
    """
    inst.check_staying()
    if inst.task is not None and inst.task.kind == CLONE:
        return
    if inst.refusal is not None:
        raise RefusedError(inst.refusal.reason, inst.refusal.message)
    if inst.task is not None:
        raise RefusedError("Busy", f"{inst.settings.instance} is busy: {inst.task.kind}.")
    if inst.identity is not None and inst.identity.born:
        raise RefusedError("AlreadyBorn", f"{inst.settings.instance} holds a finished database.")
    if message.leader == inst.settings.instance:
        raise RefusedError("CloneOfSelf", f"{message.leader} cannot be cloned from itself.")
    inst.peer(message.leader)
    inst.begin(Task(CLONE), lambda: clone(inst, message))


async def clone(inst: Instance, message: CloneOrder) -> None:
    """Make this volume a new member: join, promise, base backup, marked born.

    Raises:
        RefusedError: the leader refused, or is of another system.
        ProgramError: the copy failed.
    """
    volume, leader = inst.volume, inst.peer(message.leader)
    async with inst.acting:
        inst.check_staying()
        identity = await beginning.begin(inst, CLONE)
        member = identity.member
        answer = await inst.client.join(leader, JoinRequest(inst.settings.instance, member))
        if answer.system_id != message.system_id:
            raise RefusedError(
                "SystemForeign",
                f"{leader.instance} has system id {answer.system_id}, ordered was {message.system_id}.",
            )
        await inst.remember_promise(Sworn(answer.rule.term))
        credentials = volume.credentials(answer.rule.term)
        await asyncio.to_thread(inst.certificates.copy_to, credentials)
        await programs.copy_base(
            inst.settings.programs,
            volume.pgdata,
            inst.children.spawn,
            connection=configuration.connection(following.upstream(inst, answer.rule, member), f"clone_{member}"),
            slot=names.slot(member),
            progress=lambda done, total: _note(inst, done, total),
        )
        copied = await programs.system_id(inst.settings.programs, volume.pgdata, inst.children.spawn)
        if copied != message.system_id:
            raise RefusedError("SystemForeign", f"The copy has system id {copied}, ordered was {message.system_id}.")
        await inst.remember_identity(dataclasses.replace(identity, born=True, system_id=copied))
    LOG.info("Cloned from %s as %s.", leader.instance, member)


def _note(inst: Instance, done: int, total: int) -> None:
    inst.task = Task(CLONE, done, total)
    inst.metrics.task_bytes.labels("done").set(done)
    inst.metrics.task_bytes.labels("total").set(total)
