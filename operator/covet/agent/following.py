"""A follower's side of streaming: promise first, then join, then the server's settings."""

import asyncio
import contextlib
import logging
from typing import Final

from covet.agent import configuring
from covet.agent.instance import Instance, ask_vitals
from covet.agent.volume import Promise
from covet.core import names
from covet.core.agentapi import ConfirmAnswer, ConfirmRequest, JoinAnswer, JoinRequest, Position, Rule
from covet.core.errors import RefusedError, UnreachableError
from covet.engines import statements
from covet.engines.configuration import Upstream
from covet.engines.sessions import SqlError
from covet.planner import lineage

LOG: Final = logging.getLogger("covet.following")

REJOIN_SECONDS: Final = 2.0
"""Seconds without a stream after which the leader is asked again to end what runs in our name."""
RETRY_SECONDS: Final = 0.5
"""Seconds between two questions to a leader that did not answer with yes."""
JOIN_SECONDS: Final = 2.0
"""How long the leader's agent may take: a follower that cannot reach it has to close in time."""
CONFIRM_SECONDS: Final = 3.0
"""How long a confirmation waits for the log; shorter than the caller's own bound."""


async def follow(inst: Instance) -> None:
    """Follow the leader of the newest rule; asks again every few seconds while it does not stream.

    Raises:
        UnreachableError, RefusedError: the leader's agent did not answer, or not with yes.
    """
    rule, identity, promise = inst.rule, inst.identity, inst.promise
    now = inst.clock.monotonic()
    if rule is None or identity is None or promise is None or now < inst.join_at:
        return
    inst.join_at = now + RETRY_SECONDS
    leader = inst.peer(inst.instance_of(rule.leader))
    if inst.upstream is None and not await _replayed_all(inst):
        return  # how far this server's own log reaches is not known yet
    try:
        async with asyncio.timeout(JOIN_SECONDS):
            answer = await inst.client.join(leader, JoinRequest(inst.settings.instance, identity.member))
    except TimeoutError as error:
        raise UnreachableError("LeaderUnreachable", f"{leader.instance} did not answer in time.") from error
    if answer.system_id != identity.system_id:
        raise RefusedError(
            "SystemForeign", f"{leader.instance} has system id {answer.system_id}, this volume {identity.system_id}."
        )
    if answer.rule.leader != rule.leader or answer.rule.term != promise.term:
        raise RefusedError(
            "TermForeign", f"{leader.instance} leads term {answer.rule.term}, promised is {promise.term}."
        )
    await _refuse_behind(inst, leader.instance, answer)
    inst.join_at = inst.clock.monotonic() + REJOIN_SECONDS
    await asyncio.to_thread(inst.certificates.copy_to, inst.volume.credentials(rule.term))
    inst.upstream = upstream(inst, rule, identity.member)
    if await configuring.apply(inst):
        LOG.info("Following %s in term %s.", rule.leader, rule.term)


async def _replayed_all(inst: Instance) -> bool:
    async with inst.sql() as session:
        return await statements.replayed_all(session)


async def _refuse_behind(inst: Instance, leader: str, answer: JoinAnswer) -> None:
    """Refuse a leader that holds less of the same log, and follow nobody from then on (I8).

    Raises:
        RefusedError: it does, or this server does not say how far it is.
    """
    if answer.flushed is None:
        return
    vitals = await ask_vitals(inst)
    fault = lineage.fault_of_leader(
        Position(vitals.term, vitals.lsn), leader, Position(answer.timeline, answer.flushed)
    )
    if fault is None:
        return
    inst.upstream = None
    await configuring.apply(inst)
    raise RefusedError(*fault)


def upstream(inst: Instance, rule: Rule, member: str) -> Upstream:
    """Return what the server needs to stream from the leader of a rule."""
    return Upstream(
        peer=inst.peer(inst.instance_of(rule.leader)),
        role=inst.role(inst.settings.instance),
        member=member,
        slot=names.slot(member),
        credentials=inst.volume.credentials(rule.term),
        addresses=inst.names.known(inst.peer(inst.instance_of(rule.leader)).address),
    )


async def confirm(inst: Instance, caller: str, request: ConfirmRequest) -> ConfirmAnswer:
    """Answer once the log is flushed up to the rule row, and the rule is fsynced in promise.json.

    Raises:
        RefusedError: a newer rule or a higher promise stands here, or the log does not come.
    """
    rule, identity = request.rule, inst.identity
    if identity is None or not identity.born or inst.promise is None:
        raise RefusedError("NotBorn", f"{inst.settings.instance} holds no finished database.")
    if caller != inst.instance_of(rule.leader) or rule.leader == identity.member:
        raise RefusedError("NotLeader", f"{caller} does not lead by the rule that it asks to confirm.")
    _refuse_faulty(inst, rule, identity.member)
    await _await_log(inst, rule, request.lsn)
    # Another confirmation may have come in while this one waited.
    _refuse_faulty(inst, rule, identity.member)
    if inst.promise.rule != rule:
        await inst.remember_promise(Promise(inst.promise.term, rule))
    return ConfirmAnswer(identity.member, rule)


def _refuse_faulty(inst: Instance, rule: Rule, member: str) -> None:
    if inst.promise is not None and (fault := lineage.fault_of_rule(rule, member, inst.promise.term, inst.rule)):
        raise RefusedError(*fault)


async def _await_log(inst: Instance, rule: Rule, lsn: int) -> None:
    """Wait until this server flushed the log up to an LSN while streaming the rule's term from its leader."""
    deadline = inst.clock.monotonic() + CONFIRM_SECONDS
    while inst.clock.monotonic() < deadline:
        if inst.upstream is not None:
            with contextlib.suppress(SqlError, RefusedError):
                vitals = await ask_vitals(inst)
                if vitals.streaming and vitals.term == rule.term and vitals.lsn >= lsn:
                    return
        await asyncio.sleep(0.02)
    raise RefusedError("LogBehind", f"{inst.settings.instance} has not flushed the log up to {lsn} yet.")
