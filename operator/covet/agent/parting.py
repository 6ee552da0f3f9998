"""A leader that is told to end hands over first: its shard then misses it for a moment, not for an election."""

import asyncio
import contextlib
import logging
from typing import Final

from covet.agent import access, running
from covet.agent.instance import Instance
from covet.core.errors import CovetError
from covet.planner.election import events
from covet.planner.election.state import Work
from covet.planner.election.watch import LEADING, Role

LOG: Final = logging.getLogger("covet.parting")

SECONDS: Final = 6.0
"""How long handing over to a successor may delay the stop of a leader."""
RESIGN_SECONDS: Final = 1.5
"""Kept of the bound for a resignation, which an election follows at once; silence costs its whole wait."""
CLEAN_SECONDS: Final = 3.0
"""How long a server that nobody succeeds may take to stop in order."""
FAREWELL_SECONDS: Final = 0.3
"""How long the resignation may travel before the voter ends with its agent."""


async def leave(inst: Instance, limit: float) -> None:
    """Switch over to a follower that is close behind; resign if there is none, or it does not work out.

    Args:
        inst: the agent.
        limit: seconds for all of it.
    """
    if inst.election.role not in LEADING:
        return
    try:
        async with asyncio.timeout(limit):
            if not await _hand_over(inst, limit - RESIGN_SECONDS):
                await _stop_cleanly(inst)
                await inst.election.order(events.ResignOrder("ToldToEnd"))
                await _resigned(inst)
            await asyncio.sleep(FAREWELL_SECONDS)
    except (TimeoutError, CovetError) as error:
        LOG.warning("The shard was left without a word: %s", str(error) or "it took too long")


async def _hand_over(inst: Instance, limit: float) -> bool:
    """Hand over within the limit; False if it was not begun, or takes longer: a checkpoint may."""
    reign = inst.election.reign
    if reign is None or not reign.seated:
        return False
    fenced = inst.spec.fenced
    able = reign.caught_up & set(reign.rule.cohort) - {reign.rule.leader}
    ready = sorted(member for member in able if inst.instance_of(member) not in fenced)
    for successor in ready[:1]:
        await inst.election.order(events.SwitchoverOrder(successor))
        agent = inst.election.agent
        if agent is not None and agent.task is not None and agent.task.work is Work.HAND_OFF:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(_resigned(inst), limit)
    return False


async def _stop_cleanly(inst: Instance) -> None:
    """Shut clients out and stop the server with its checkpoint, so that its next start has nothing to recover."""
    with contextlib.suppress(TimeoutError, CovetError):
        async with asyncio.timeout(CLEAN_SECONDS):
            await access.close(inst)
            await running.stop(inst, CLEAN_SECONDS / 2)


async def _resigned(inst: Instance) -> bool:
    """Wait until the server is reaped and the cohort was told; False if the member goes on leading."""
    while True:
        agent = inst.election.agent
        if agent is None or (agent.role is Role.RESIGNED and agent.parting is not None and agent.parting.sent_at):
            return True
        if agent.role not in LEADING and agent.role is not Role.RESIGNED:
            return True
        if agent.role in LEADING and agent.task is None:
            return False
        await asyncio.sleep(0.01)
