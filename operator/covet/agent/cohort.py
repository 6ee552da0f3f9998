"""A leader's rule: having it confirmed, and changing it by one safe step at a time (I2, I4, I6).

Before anything of a step happens it stands in promise.json as `pending`: a leader that restarts
amid a step goes on with that very step, under the half of it that is safe either way.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from covet.agent import configuring
from covet.agent.instance import Instance
from covet.agent.volume import Promise, VolumeRefusedError
from covet.core.agentapi import AgentStatus, CohortOrder, ConfirmRequest, Position, Rule
from covet.core.errors import RefusedError, UnreachableError
from covet.engines import configuration, statements
from covet.engines.sessions import Session, SqlError
from covet.planner import lineage, quorum
from covet.planner.quorum import Step

LOG: Final = logging.getLogger("covet.cohort")

POSITION_SECONDS: Final = 1.0
"""How long a follower may take to say how far its log reaches; one that is silent is asked again as it joins."""
ROW_SECONDS: Final = 3.0
"""How long a rule row may wait for its acknowledgement."""
STRAGGLER_SECONDS: Final = 0.3
"""How long the others are waited for once enough followers confirmed; `remind` asks them again later."""
CAUGHT_UP_BYTES: Final = 16 << 20
"""A member is admitted to the cohort when it is at most this far behind: one segment of the log."""


async def resume(inst: Instance) -> None:
    """Have the rule in force confirmed again after a start of the server; W confirmations let it serve.

    Raises:
        RefusedError: not enough followers confirmed, which is asked again at the next round; or one is ahead
            of this server, which then has lost log (I8).
    """
    rule = inst.leading()
    await _refuse_ahead(inst)
    if inst.sealed:
        inst.sealed = False
        await configuring.apply(inst)
    if inst.promise is not None and inst.promise.pending is not None:
        await finish(inst, quorum.step_between(rule, inst.promise.pending))
    else:
        async with inst.sql() as session:
            end = await statements.flushed_end(session)
        await _collect(inst, rule, rule.cohort, rule.acks, end)
    inst.confirmed = True
    inst.wake.set()


async def advance(inst: Instance, order: CohortOrder) -> Rule:
    """Take one step towards a cohort and return the rule in force.

    Raises:
        RefusedError: the step is not safe yet, or did not finish; the reason says which.
    """
    rule = inst.leading()
    if inst.promise is not None and inst.promise.pending is not None:
        return await finish(inst, quorum.step_between(rule, inst.promise.pending))
    if not inst.confirmed:
        raise RefusedError("RuleUnconfirmed", f"Rule {rule.term}.{rule.seq} is not confirmed since the last start.")
    async with inst.sql() as session:
        senders = await statements.walsenders(session)
    step = quorum.next_step(rule, _members(inst, rule, order.instances, senders), order.acks)
    if step is None:
        return rule
    _refuse_behind(step, rule, senders)
    await inst.remember_promise(Promise(rule.term, rule, step.rule))
    return await finish(inst, step)


async def finish(inst: Instance, step: Step) -> Rule:
    """Carry out a pending step from wherever it stopped; every half of it can be repeated.

    Raises:
        RefusedError: the row was not acknowledged or not confirmed in time; it stays pending.
    """
    old = inst.leading()
    await _apply_setting(inst, old, quorum.setting_during(old, step))
    try:
        async with inst.sql(synchronous=True) as session:
            end = await statements.write_rule(session, step.rule, ROW_SECONDS)
    except SqlError as error:
        raise RefusedError("RuleUnacknowledged", f"The rule row was not acknowledged: {error.message}") from error
    await _collect(inst, step.rule, step.voters, step.needed, end)
    await inst.remember_promise(Promise(step.rule.term, step.rule))
    await _apply_setting(inst, old, step.rule)
    LOG.info("Rule %s.%s: cohort %s, W=%s.", step.rule.term, step.rule.seq, ", ".join(step.rule.cohort), step.rule.acks)
    return step.rule


async def remind(inst: Instance) -> None:
    """Have the rule confirmed by followers whose heartbeats show an older one; nobody waits for them."""
    rule = inst.rule
    if rule is None or not inst.confirmed:
        return
    late = [m for m in rule.cohort if m != rule.leader and inst.voting.seq_of(inst.instance_of(m), m) < rule.seq]
    if late:
        async with inst.sql() as session:
            end = await statements.flushed_end(session)
        await asyncio.gather(*(_ask(inst, rule, member, end) for member in late))


async def _refuse_ahead(inst: Instance) -> None:
    """Refuse to lead if a follower that answers holds more of the log than this server."""

    async def ask(instance: str) -> AgentStatus | None:
        try:
            async with asyncio.timeout(POSITION_SECONDS):
                return await inst.client.status(inst.peer(instance))
        except (UnreachableError, RefusedError, TimeoutError):
            return None

    others = [peer.instance for peer in inst.spec.peers if peer.instance != inst.settings.instance]
    answers = await asyncio.gather(*map(ask, others))
    vitals, identity = inst.vitals, inst.identity
    if vitals is None or identity is None:
        raise RefusedError("LeaderNotReady", f"The server of {inst.settings.instance} is not up yet.")
    async with inst.sql() as session:
        own = Position(vitals.term, await statements.flushed_end(session))
    for answer in answers:
        if answer is None or answer.position is None or answer.system_id != identity.system_id:
            continue
        fault = lineage.fault_of_leader(answer.position, inst.settings.instance, own)
        if fault is None:
            continue
        message = f"{answer.instance} is ahead. {fault[1]} A person has to decide which of the two goes on."
        inst.refusal = VolumeRefusedError(fault[0], message)
        inst.wake.set()
        raise RefusedError(fault[0], message)


async def _collect(inst: Instance, rule: Rule, voters: Iterable[str], needed: int, lsn: int) -> None:
    """Ask the whole cohort to confirm a rule; enough of the voters must."""
    if inst.identity is None:
        raise RefusedError("NotBorn", "No database, no rule.")
    asked = [member for member in rule.cohort if member != rule.leader]
    calls = {asyncio.create_task(_ask(inst, rule, member, lsn)): member for member in asked}
    confirmed: set[str] = set()
    waiting = set(calls)
    while waiting:
        limit = STRAGGLER_SECONDS if len(confirmed) >= needed else None
        done, waiting = await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        confirmed |= {calls[call] for call in done if call.result()} & set(voters)
        if not done:
            break
    for call in waiting:
        call.cancel()
    if len(confirmed) < needed:
        raise RefusedError(
            "RuleUnconfirmed",
            f"{len(confirmed)} of {needed} followers confirmed rule {rule.term}.{rule.seq}; asked: {', '.join(asked)}.",
        )


async def _ask(inst: Instance, rule: Rule, member: str, lsn: int) -> bool:
    """Ask one follower; unreachable and refused are both no."""
    try:
        answer = await inst.client.confirm(inst.peer(inst.instance_of(member)), ConfirmRequest(rule, lsn))
    except (UnreachableError, RefusedError) as error:
        LOG.info("%s has not confirmed rule %s.%s: %s", member, rule.term, rule.seq, error.message)
        return False
    return answer.member == member and answer.rule == rule


async def _apply_setting(inst: Instance, old: Rule, rule: Rule) -> None:
    """Bring `synchronous_standby_names` into force everywhere it is looked at.

    Three processes look: backends ask the checkpointer's flag whether to wait at all, and
    walsenders decide by their own copy when a commit has enough followers.
    """
    wanted = configuration.standby_names(rule)
    if inst.setting == wanted:
        return
    await configuring.apply(inst)
    await configuring.await_setting(inst, "synchronous_standby_names", wanted)
    async with inst.sql() as session:
        if old.acks == 0 or rule.acks == 0:
            # The checkpointer reads its signal before it begins: afterwards its flag is up.
            await session.execute("CHECKPOINT", limit=30.0)
        if rule.acks > old.acks or not set(old.cohort) <= set(rule.cohort):
            await _restart_walsenders(session)
    inst.setting = wanted


async def _restart_walsenders(session: Session) -> None:
    """End the walsenders that count by the setting of before; followers come back within a second."""
    await statements.end_walsenders(session, "NOT starts_with(application_name, 'clone_')")


def _members(
    inst: Instance, rule: Rule, instances: Iterable[str], senders: tuple[statements.Walsender, ...]
) -> tuple[str, ...]:
    """Return the members that instances stand for: who streams in their role, else who votes for them already."""
    members = []
    for instance in sorted(set(instances)):
        inst.peer(instance)
        if instance == inst.settings.instance:
            members.append(rule.leader)
            continue
        prefix = f"{inst.spec.shard}-{inst.letters(instance)}-"
        streaming = [s.application for s in senders if s.application.startswith(prefix)]
        voting = [member for member in rule.cohort if inst.instance_of(member) == instance]
        if not streaming and not voting:
            raise RefusedError("NotStreaming", f"{instance} does not stream from the leader yet.")
        members.append((streaming or voting)[0])
    return tuple(members)


def _refuse_behind(step: Step, rule: Rule, senders: tuple[statements.Walsender, ...]) -> None:
    """Refuse to admit a member that has not caught up: commits would wait for it."""
    for member in set(step.rule.cohort) - set(rule.cohort):
        sender = next((s for s in senders if s.application == member), None)
        if sender is None or sender.state != "streaming" or sender.lag > CAUGHT_UP_BYTES:
            state = f"{sender.state}, {sender.lag} bytes behind" if sender else "absent"
            raise RefusedError("NotCaughtUp", f"{member} has not caught up with the leader: {state}.")
