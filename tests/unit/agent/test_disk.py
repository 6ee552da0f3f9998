"""The probe of the volume: three misses in a row, and a leader stands down only for somebody who is well."""

import asyncio
import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from covet.agent import disk
from covet.agent.disk import Disk
from covet.agent.election import Asked
from covet.core.agentapi import AgentStatus, MemberState, Peer, Rule, Serving
from covet.core.errors import UnreachableError
from covet.planner.election import machine, state
from covet.planner.election.events import ResignOrder
from covet.planner.election.rules import Sworn
from covet.planner.election.watch import Config, Role
from tests.unit.agent import instances

A, B = "s0-a-0123456789ab", "s0-b-0123456789ab"


class Volume:
    """Takes writes as a test says.

    Attributes:
        error: raised by the next writes, None to take them.
        open: cleared, a write hangs until it is set.
    """

    def __init__(self) -> None:
        self.error: OSError | None = None
        self.open = threading.Event()
        self.open.set()

    def write(self) -> None:
        """Hang, fail or work."""
        self.open.wait(30.0)
        if self.error is not None:
            raise self.error


def until(holds: Callable[[], bool]) -> None:
    """Wait until a thread has done something."""
    deadline = time.monotonic() + 10.0
    while not holds():
        assert time.monotonic() < deadline, "the thread does not get there"
        time.sleep(0.001)


def look(probed: Disk) -> str:
    """Take a look, and wait until the probe that it begins has ended."""
    probed.look()
    until(lambda: not probed.under_way)
    return probed.problem


@pytest.mark.parametrize(
    ("number", "problem"), [(errno.EROFS, disk.READ_ONLY), (errno.EIO, disk.FAILED), (errno.ENOSPC, "")]
)
def test_three_refused_writes_in_a_row_are_a_problem(number: int, problem: str) -> None:
    """Two are none; no room is another matter; one write that is taken ends it."""
    volume = Volume()
    probed = Disk(volume.write)
    probed.start()
    volume.error = OSError(number, "refused")
    assert ["", "", "", problem] == [look(probed) for _ in range(4)]
    volume.error = None
    assert [problem, ""] == [look(probed) for _ in range(2)]


def test_a_write_that_hangs_is_a_problem_after_three_looks() -> None:
    """Each look that finds it under way is a miss; a late answer is no proof of health, the next one in time is."""
    volume = Volume()
    probed = Disk(volume.write)
    probed.start()
    volume.open.clear()
    probed.look()
    seen = []
    for _ in range(3):
        probed.look()
        seen.append(probed.problem)
    assert ["", "", disk.STALLED] == seen
    volume.open.set()
    until(lambda: not probed.under_way)
    assert [disk.STALLED, ""] == [look(probed) for _ in range(2)]


class Follower:
    """A follower's agent as a leader's client sees it.

    Args:
        problem: what it says of its volume, None if it does not answer.
    """

    def __init__(self, problem: str | None) -> None:
        self._problem = problem

    async def status(self, peer: Peer) -> AgentStatus:
        """Say how the volume is."""
        if self._problem is None:
            raise UnreachableError("AgentUnreachable", "gone")
        state_, served = MemberState.FOLLOWER, Serving.READ_ONLY
        return AgentStatus(1, "0", peer.instance, state_, "", "", served, member=B, volume_problem=self._problem)


@pytest.mark.parametrize(("problem", "resigns"), [("", True), (disk.STALLED, False), (None, False)])
def test_a_leader_stands_down_only_for_a_follower_whose_volume_is_well(
    tmp_path: Path, problem: str | None, *, resigns: bool
) -> None:
    """When every volume is ill, or nobody answers, the leader stays: a successor would be no better."""

    async def scenario() -> object:
        inst = instances.make(tmp_path)
        inst.client = Follower(problem)  # type: ignore[assignment]  # this part of it alone is used
        rule = Rule(1, 1, A, (A, B), 1)
        member = machine.start(Config(A), Sworn(1, rule), (A, B), 0)
        reign = state.Reign(1, rule, 0, 0, seated=True, caught_up=frozenset({B}))
        agent = state.enter(member.agent, Role.LEADER, 0, reign=reign)
        inst.election.begin(state.Member(agent, member.watch))
        inst.ill = disk.STALLED
        standing = asyncio.create_task(disk.stand_down(inst))
        ordered: object = None
        while not standing.done():
            word = await inst.election.next()
            if isinstance(word, Asked):
                ordered = word.event
                word.answer.set_result(())
        return ordered

    assert (ResignOrder(disk.STALLED) if resigns else None) == asyncio.run(scenario())


def test_a_probe_writes_where_it_wrote_before(tmp_path: Path) -> None:
    """The file does not grow, and a folder that is gone is said."""
    path = tmp_path / "probe"
    for _ in range(3):
        disk.touch(path)
    assert b"\n" == path.read_bytes()
    with pytest.raises(OSError, match="No such file"):
        disk.touch(tmp_path / "gone" / "probe")
