"""Bootstrap: the one initdb in the life of a shard (I13), and the only read-write start without a term before."""

import asyncio
import dataclasses
import logging
from typing import Final

from covet.agent import beginning, running
from covet.agent.instance import Instance
from covet.agent.volume import BOOTSTRAP
from covet.core.agentapi import Rule, Task
from covet.core.agentorders import BootstrapOrder
from covet.core.errors import RefusedError, UnreachableError
from covet.engines import programs, schema
from covet.planner import initialising
from covet.planner.election.rules import Sworn
from covet.planner.initialising import Ground

LOG: Final = logging.getLogger("covet.birth")

READY_SECONDS: Final = 60.0
ASK_SECONDS: Final = 1.5
"""How long a peer may take to say that it holds a database; the order's sender waits meanwhile."""


async def order(inst: Instance, message: BootstrapOrder) -> None:
    """Begin to bootstrap, or refuse with the reason; the same order again while it runs changes nothing.

    Raises:
        RefusedError: this volume or this shard may not be initialised.
    """
    inst.check_staying()
    if inst.task is not None and inst.task.kind == BOOTSTRAP:
        return
    _refuse(inst, message)
    await _refuse_if_peer_has_data(inst)
    # While the peers were asked, anything may have happened here.
    inst.check_staying()
    if inst.task is not None and inst.task.kind == BOOTSTRAP:
        return
    _refuse(inst, message)
    if inst.task is not None:
        raise RefusedError("Busy", f"{inst.settings.instance} is busy: {inst.task.kind}.")
    inst.begin(Task(BOOTSTRAP), lambda: bootstrap(inst, message))


def _refuse(inst: Instance, message: BootstrapOrder) -> None:
    """Refuse to initialise what may not be, by what is known here and now."""
    identity = inst.identity
    ground = Ground(
        instance=inst.settings.instance,
        spec=inst.spec,
        refusal=None if inst.refusal is None else (inst.refusal.reason, inst.refusal.message),
        origin=None if identity is None else identity.origin,
        born=identity is not None and identity.born,
        opened=inst.shard_opened,
    )
    if refusal := initialising.refuse(ground, (message.cluster_uid, message.shard_uid)):
        raise RefusedError(*refusal)


async def bootstrap(inst: Instance, message: BootstrapOrder) -> None:
    """Make the shard's database: promise 1, initdb, roles, schema, rule row, marked born.

    Raises:
        RefusedError: since the order came, something happened that forbids it.
    """
    async with inst.acting:
        inst.check_staying()
        _refuse(inst, message)
        pgdata = inst.volume.pgdata
        identity = await beginning.begin(inst, BOOTSTRAP)
        await inst.remember_promise(Sworn(1))
        await programs.initialise(inst.settings.programs, pgdata, inst.children.spawn)
        system_id = await programs.system_id(inst.settings.programs, pgdata, inst.children.spawn)
        await running.start(inst, primary=True)
        await running.await_ready(inst, READY_SECONDS)
        rule = Rule(1, 1, identity.member, (identity.member,), 0)
        async with inst.sql(synchronous=True) as session:
            await schema.create(session)
            await schema.write_rule(session, rule, 10.0)
        await inst.remember_promise(Sworn(1, rule, led=1))
        # From here on it is a member like any other: it starts as a follower of nobody and elects itself.
        await running.stop(inst)
        await inst.remember_identity(dataclasses.replace(identity, born=True, system_id=system_id))
    LOG.info("Born as %s, system id %s.", identity.member, system_id)


async def _refuse_if_peer_has_data(inst: Instance) -> None:
    """Refuse if any other instance that answers holds a database of this shard."""

    async def member_of(instance: str) -> str | None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return (await inst.client.status(inst.peer(instance))).member
        except (UnreachableError, RefusedError, TimeoutError):
            return None

    others = [peer.instance for peer in inst.spec.peers if peer.instance != inst.settings.instance]
    members = dict(zip(others, await asyncio.gather(*map(member_of, others)), strict=True))
    if refusal := initialising.refuse_for_peers(members):
        raise RefusedError(*refusal)
