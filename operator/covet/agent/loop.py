"""The agent's loop beside the election: gather, decide, one action; again at a pace, or when something happened."""

import asyncio
import contextlib
import logging
from typing import Final

from covet.agent import access, chronicle, durable, opening, parting, recloning, ruling, running
from covet.agent.driver import Driver
from covet.agent.instance import Instance
from covet.agent.volume import CLONE, VolumeInUseError
from covet.core.agentapi import Task
from covet.core.errors import CovetError
from covet.engines import configuration
from covet.planner import member
from covet.planner.election.watch import LEADING
from covet.planner.member import Act, Decision, Facts, ServerState, VolumeState

LOG: Final = logging.getLogger("covet.loop")

PACE: Final = 0.5
RETRY: Final = 0.2
"""Seconds between two rounds while an action keeps failing or something is on its way."""


async def run(inst: Instance, driver: Driver) -> None:
    """Turn until the agent stops."""
    while not inst.stopping.is_set():
        inst.wake.clear()
        inst.ticked_at = inst.clock.monotonic()
        pace = PACE
        try:
            with inst.metrics.tick_seconds.time():
                decision = await tick(inst, driver)
            pace = PACE if decision.act is Act.WAIT else RETRY
            if decision.act is Act.WAIT:
                inst.complaint = None
        except CovetError as error:
            pace = RETRY
            _complain(inst, error)
        except OSError as error:
            # A full or failing volume stops an action, never the agent: it is what tells people of it.
            pace = PACE
            _complain(inst, durable.failure(error))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(inst.wake.wait(), pace)


def _complain(inst: Instance, error: CovetError) -> None:
    if inst.complaint is None or error.message != inst.complaint.message:
        LOG.warning("%s", error.message, extra={"fields": {"reason": error.reason}})
    inst.complaint = error


async def tick(inst: Instance, driver: Driver) -> Decision:
    """Look, decide, do one thing.

    Raises:
        CovetError: the thing failed; the next round looks again.
    """
    if isinstance(inst.refusal, VolumeInUseError):
        await opening.look(inst)
    _give_up(inst)
    decision = member.decide(gather(inst))
    if inst.decision != decision:
        LOG.info("%s (%s): %s.", decision.state, decision.reason, decision.act.value)
    inst.decision = decision
    await _act(inst, driver, decision.act)
    return decision


def _give_up(inst: Instance) -> None:
    """Have a member start over whose volume is surely damaged; its leader has to be known, for it is asked."""
    kind, leader = inst.damage.certain(inst.clock.monotonic()), inst.election.target
    if kind is None or leader is None or inst.task is not None or inst.election.role in LEADING:
        return
    if inst.remake is None:
        LOG.error("What is here is damaged: %s", inst.damage.words, extra={"fields": {"reason": kind.value}})
        inst.remake = leader


def gather(inst: Instance) -> Facts:
    """Return what is known now, frozen."""
    vitals, election = inst.vitals, inst.election
    now = inst.clock.monotonic()
    return Facts(
        volume=_volume(inst),
        server=_server(inst),
        role=election.role,
        writes=election.service.writes,
        follows=election.follows != 0,
        busy=inst.task is not None,
        remake=inst.remake is not None,
        may_start=inst.back_off.ready(now),
        open=inst.admitting,
        shard_opened=inst.shard_opened,
        streaming=vitals is not None and vitals.streaming,
        unstreamed_seconds=now - inst.unstreamed_since if inst.unstreamed_since is not None else 0.0,
        stalled_seconds=now - inst.stalled_since if inst.stalled_since is not None else 0.0,
        stopping=inst.stopping.is_set(),
        succeeds=now < inst.ready_until,
        fenced=inst.settings.instance in inst.spec.fenced,
    )


def _volume(inst: Instance) -> VolumeState:
    if inst.refusal is not None:
        return VolumeState.REFUSED
    if inst.identity is None:
        return VolumeState.EMPTY
    return VolumeState.BORN if inst.identity.born else VolumeState.UNBORN


def _server(inst: Instance) -> ServerState:
    if inst.server.pid is None:
        return ServerState.DOWN
    if inst.vitals is None:
        return ServerState.STARTING
    return ServerState.STANDBY if inst.vitals.standby else ServerState.PRIMARY


async def _act(inst: Instance, driver: Driver, act: Act) -> None:
    match act:
        case Act.HALT:
            await driver.end()
            await running.stop(inst)
        case Act.PART:
            await parting.leave(inst, parting.SECONDS)
        case Act.BEGIN:
            driver.begin()
        case Act.REMAKE:
            await _remake(inst, driver)
        case Act.CLOSE:
            driver.executor.admit(lambda: access.close(inst))
        case Act.OPEN:
            driver.executor.admit(lambda: _open(inst))
        case Act.WAIT:
            _name_members(inst, driver)


def _name_members(inst: Instance, driver: Driver) -> None:
    """Have a follower's server name the members of its rule already.

    A promotion then finds them in force. Otherwise it waits for a checkpoint, which takes as long as there is
    to write.
    """
    rule = inst.election.rule
    if rule is None or inst.vitals is None or not inst.election.follows:
        return
    if inst.setting != configuration.standby_names(rule):
        driver.executor.admit(lambda: ruling.apply_setting(inst, rule))


async def _open(inst: Instance) -> None:
    """Let clients in, and tell of the failover that this ends, if it ends one."""
    await access.open_to_clients(inst)
    now = int(inst.clock.monotonic() * 1000)
    last = inst.chronicle.admitted(inst.clock.wall(), now, inst.instance_of, inst.settings.instance)
    if last is None:
        return
    inst.metrics.failovers.labels(last.reason).inc()
    for phase, seconds in chronicle.seconds_of(last).items():
        inst.metrics.failover_seconds.labels(phase).observe(seconds)
    await asyncio.to_thread(inst.volume.write_failover, last)


async def _remake(inst: Instance, driver: Driver) -> None:
    leader, inst.remake = inst.remake, None
    if leader is None:
        return
    await recloning.ask_leave(inst, leader)  # while this is refused, the member goes on as it is
    await driver.end()
    inst.begin(Task(CLONE), lambda: recloning.reclone(inst, leader))
