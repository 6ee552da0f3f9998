"""A follower's side of streaming: promise first, then join, then the server's settings."""

import asyncio
import contextlib
import logging
from typing import Final

from covet.agent import configuring
from covet.agent.instance import Instance, ask_vitals
from covet.agent.volume import Promise
from covet.core import names
from covet.core.agentapi import ConfirmAnswer, ConfirmRequest, JoinRequest, Rule
from covet.core.errors import RefusedError, UnreachableError
from covet.engines.configuration import Upstream
from covet.engines.sessions import SqlError

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
    inst.join_at = inst.clock.monotonic() + REJOIN_SECONDS
    await asyncio.to_thread(inst.certificates.copy_to, inst.volume.credentials(rule.term))
    inst.upstream = upstream(inst, rule, identity.member)
    if await configuring.apply(inst):
        LOG.info("Following %s in term %s.", rule.leader, rule.term)


def upstream(inst: Instance, rule: Rule, member: str) -> Upstream:
    """Return what the server needs to stream from the leader of a rule."""
    return Upstream(
        peer=inst.peer(inst.instance_of(rule.leader)),
        role=inst.role(inst.settings.instance),
        member=member,
        slot=names.slot(member),
        credentials=inst.volume.credentials(rule.term),
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
    _refuse_older(inst, rule)
    await _await_log(inst, rule, request.lsn)
    # Another confirmation may have come in while this one waited.
    _refuse_older(inst, rule)
    if inst.promise.rule != rule:
        await inst.remember_promise(Promise(inst.promise.term, rule))
    return ConfirmAnswer(identity.member, rule)


def _refuse_older(inst: Instance, rule: Rule) -> None:
    promise, known = inst.promise, inst.rule
    if promise is not None and promise.term != rule.term:
        raise RefusedError("TermForeign", f"Term {promise.term} is promised here, not {rule.term}.")
    if known is not None and (known.term, known.seq) > (rule.term, rule.seq):
        raise RefusedError(
            "RuleOlder", f"Rule {known.term}.{known.seq} is known here, newer than {rule.term}.{rule.seq}."
        )


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
