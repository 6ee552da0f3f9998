"""The probe of the volume: a small write and its fsync twice a second, in a thread of its own.

A disk that hangs does not end a server; it lets commits wait for ever, and clients with them, while heartbeats go on.
So a leader whose probe fails three times in a row stands down, if a follower that is close behind says that its own
volume is well: when every volume is ill, none moves. A member with such a volume stands for no election either.
"""

import asyncio
import contextlib
import errno
import logging
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from covet.agent import durable
from covet.agent.instance import Instance
from covet.core.agentapi import MemberState
from covet.core.errors import CovetError
from covet.planner.election import events
from covet.planner.election.watch import LEADING

LOG: Final = logging.getLogger("covet.disk")

PACE: Final = 0.5
"""Seconds between two probes, and how long one may take."""
MISSES: Final = 3
"""Probes in a row that fail before the volume counts as ill."""
ASK_SECONDS: Final = 1.0
"""How long a follower may take to say how its volume is."""

STALLED: Final = "DiskStalled"
READ_ONLY: Final = "VolumeReadOnly"
FAILED: Final = "VolumeFailed"


def touch(path: Path) -> None:
    """Write a byte where one is already and bring it to the disk.

    Raises:
        OSError: the file system refused.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, b"\n")
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


class Disk:
    """Probes one file over and over.

    Args:
        write: writes and syncs once; may take for ever.

    Attributes:
        problem: why the volume counts as ill, a CamelCase word; empty while it is well.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write
        self._orders: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[OSError | None] = queue.SimpleQueue()
        self._asked = self._late = False
        self._misses = 0
        self.problem = ""

    @property
    def under_way(self) -> bool:
        """True while a probe was begun and has not ended."""
        return self._asked and self._answers.empty()

    def start(self) -> None:
        """Start the thread; it does not keep the process from ending, for it may hang."""
        threading.Thread(target=self._serve, name="disk", daemon=True).start()

    def look(self) -> None:
        """Take the answer to the probe of before, if there is one, and begin the next; to be called at the pace."""
        if self._asked:
            self._judge()
        if not self._asked:
            self._asked, self._late = True, False
            self._orders.put(0)

    def _judge(self) -> None:
        if self.under_way:
            self._late = True
            self._miss(STALLED)
            return
        fault, self._asked = _fault_of(self._answers.get()), False
        if fault:
            self._miss(fault)
        elif not self._late:
            self._misses, self.problem = 0, ""

    def _miss(self, fault: str) -> None:
        self._misses += 1
        if self._misses >= MISSES:
            self.problem = fault

    def _serve(self) -> None:
        while True:
            self._orders.get()
            try:
                self._write()
            except OSError as error:
                self._answers.put(error)
            else:
                self._answers.put(None)


def _fault_of(error: OSError | None) -> str:
    """Return what an answer says is wrong; no room is another matter, see `Instance.cramped`."""
    if error is None or durable.is_full(error):
        return ""
    return READ_ONLY if error.errno == errno.EROFS else FAILED


async def watch(inst: Instance) -> None:
    """Probe the volume for as long as the agent lives, and have a leader with an ill one stand down."""

    def probe() -> None:
        inst.metrics.note_room(inst.settings.data)
        touch(inst.volume.agent / "probe")

    disk = Disk(probe)
    disk.start()
    while True:
        if inst.identity is not None and inst.refusal is None:
            disk.look()
            if disk.problem != inst.ill:
                LOG.warning("The volume is %s.", disk.problem or "well again")
                inst.wake.set()
            inst.ill = disk.problem
            if inst.ill and inst.election.role in LEADING:
                await stand_down(inst)
        await asyncio.sleep(PACE)


async def stand_down(inst: Instance) -> None:
    """Resign, if a follower that is close behind has a volume that is well."""
    reign = inst.election.reign
    if reign is None:
        return
    followers = sorted((reign.caught_up & set(reign.rule.cohort)) - {reign.rule.leader})
    answers = await asyncio.gather(*(_is_well(inst, member) for member in followers))
    if any(answers):
        with contextlib.suppress(CovetError):  # busy: the next look repeats it
            await inst.election.order(events.ResignOrder(inst.ill))


async def _is_well(inst: Instance, member: str) -> bool:
    """Tell whether a follower says that it follows and that its volume is well."""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            status = await inst.client.status(inst.peer(inst.instance_of(member)))
    except (CovetError, TimeoutError):
        return False
    return status.member == member and status.state is MemberState.FOLLOWER and not status.volume_problem
