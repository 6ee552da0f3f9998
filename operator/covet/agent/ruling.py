"""The server's side of a rule: its row, its setting, and whom an order for a cohort means (I2, I6)."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from covet.agent import configuring
from covet.agent.instance import Instance
from covet.core.agentapi import Rule
from covet.core.agentorders import CohortOrder, PromoteOrder, SwitchoverOrder
from covet.core.errors import RefusedError
from covet.engines import configuration, schema, walsenders
from covet.planner.election import events
from covet.planner.election.state import Stage, Work

LOG: Final = logging.getLogger("covet.ruling")

ROW_SECONDS: Final = 3.0
"""How long the write of a rule row may take on the own disk."""
STEP_SECONDS: Final = 4.0
"""How long an order waits for its step; it goes on afterwards and is asked for again."""
CAUGHT_UP_BYTES: Final = 16 << 20
"""A member votes or succeeds when it is at most this far behind: one segment of the log."""


async def write_row(inst: Instance, rule: Rule) -> int:
    """Write the rule row and return the end of its commit, flushed here.

    Raises:
        SqlError: the server did not take it.
    """
    async with inst.standing() as session:
        return await schema.write_rule(session, rule, ROW_SECONDS)


async def apply_setting(inst: Instance, rule: Rule) -> None:
    """Bring the rule's `synchronous_standby_names` into force everywhere it is looked at.

    Three processes look: backends ask the checkpointer's flag whether to wait at all, and
    walsenders decide by their own copy when a commit has enough followers.

    Raises:
        CovetError: the server did not take it up in time.
    """
    wanted = configuration.standby_names(rule)
    # What was begun and cut off is not known to be in force: then everything is done.
    known = inst.setting_rule is not None and configuration.standby_names(inst.setting_rule) == inst.setting
    old = inst.setting_rule if known else None
    inst.setting_rule = rule
    if inst.setting == wanted:
        return
    inst.setting = None
    await configuring.apply(inst)
    await configuring.await_setting(inst, "synchronous_standby_names", wanted)
    async with inst.sql() as session:
        if old is None or old.acks == 0 or rule.acks == 0:
            # The checkpointer reads its signal before it begins: afterwards its flag is up.
            await session.execute("CHECKPOINT", limit=30.0)
        if old is None or rule.acks > old.acks or not set(old.cohort) <= set(rule.cohort):
            # They count by the setting of before; followers come back within a second.
            await walsenders.end(session, "NOT starts_with(application_name, 'clone_')")
    inst.setting = wanted


async def advance(inst: Instance, order: CohortOrder) -> Rule:
    """Take one step towards a cohort and return the rule in force.

    Raises:
        RefusedError: the step is not safe yet, or did not finish; the reason says which.
    """
    rule = inst.leading()
    async with inst.sql() as session:
        senders = await walsenders.read(session)
    members = _members(inst, rule, order.instances, senders)
    notes = await inst.election.order(events.CohortOrder(members, order.acks))
    for note in notes:
        if note.reason in {"MemberLags", "QuorumWouldBreak", "LeaderLeavesCohort", "QuorumImpossible"}:
            raise RefusedError(note.reason, note.message)
    wanted = (tuple(sorted(members)), order.acks)
    deadline = inst.clock.monotonic() + STEP_SECONDS
    while inst.clock.monotonic() < deadline:
        reign = inst.election.reign
        if reign is None:
            break
        if reign.next is None and reign.stage is Stage.DONE:
            if reign.rule.seq == rule.seq and (reign.rule.cohort, reign.rule.acks) != wanted:
                raise RefusedError("Busy", "The leader is about something else; ask for the step again.")
            return reign.rule
        await asyncio.sleep(0.02)
    inst.leading()
    raise RefusedError("RuleUnconfirmed", f"The step from rule {rule.term}.{rule.seq} is not confirmed yet.")


async def switch_over(inst: Instance, order: SwitchoverOrder) -> None:
    """Begin to hand over to an instance; the new leader's status shows when it is done.

    Raises:
        RefusedError: this is not the leader, or the successor is not ready.
    """
    rule = inst.leading()
    inst.peer(order.to)
    successor = next((member for member in rule.cohort if inst.instance_of(member) == order.to), None)
    if successor is None:
        raise RefusedError("SuccessorUnknown", f"{order.to} does not vote in rule {rule.term}.{rule.seq}.")
    if successor == rule.leader:
        return
    notes = await inst.election.order(events.SwitchoverOrder(successor))
    task = inst.election.agent.task if inst.election.agent is not None else None
    if task is not None and task.work is Work.HAND_OFF:
        return
    reason = notes[-1].message if notes else f"{inst.settings.instance} is busy with another change of the shard."
    raise RefusedError("SuccessorNotReady", reason)


async def promote(inst: Instance, order: PromoteOrder) -> None:
    """Let this member lead from whoever answers: a person accepts that commits may be lost.

    Raises:
        RefusedError: it leads, follows a leader that is heard, or holds no vote.
    """
    if not order.accept_loss:
        raise RefusedError("LossNotAccepted", "Nothing but an accepted loss of commits promotes without a quorum.")
    if inst.election.reign is not None:
        raise RefusedError("AlreadyLeads", f"{inst.settings.instance} leads or is about to.")
    seen = inst.voting.watch
    if seen is not None and int(inst.clock.monotonic() * 1000) - seen.heard.at < seen.config.timers.suspect:
        raise RefusedError("LeaderHeard", f"{seen.heard.leader} leads and is heard; nothing has to be accepted.")
    notes = await inst.election.order(events.PromoteOrder())
    if not any(note.reason == "LossAccepted" for note in notes):
        raise RefusedError("PromotionRefused", f"{inst.settings.instance} cannot stand for election now.")


def _members(
    inst: Instance, rule: Rule, instances: Iterable[str], senders: tuple[walsenders.Walsender, ...]
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
