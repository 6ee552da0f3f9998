"""The way back into line: nobody reads what no leader had."""

import asyncio
from pathlib import Path

import pytest

from covet.agent import following, rejoining, running
from covet.agent.instance import Instance
from covet.agent.volume import CLONE, Identity
from covet.core.agentapi import Ancestor, Peer, Rule
from covet.core.agentorders import CheckpointRequest, JoinAnswer
from covet.core.errors import UnreachableError
from tests.unit.agent import instances

A, B = "s0-a-0123456789ab", "s0-b-0123456789ab"
RULE = Rule(5, 1, B, (A, B), 1)
ANSWER = JoinAnswer(RULE, "7", 5, 0x9000, (Ancestor(1, 0x5000),), 0)
IDENTITY = Identity("i", A, "shop-s0-a", "c", "s", CLONE, "7", born=True)


class Leader:
    """The agent of a leader as another one's client sees it.

    Args:
        inst: the agent of the member that rejoins.
    """

    def __init__(self, inst: Instance) -> None:
        self._inst = inst
        self.clients_at_checkpoint: bool | None = None

    async def join(self, *_: object) -> JoinAnswer:
        """Admit."""
        return ANSWER

    async def checkpoint(self, _peer: Peer, _request: CheckpointRequest, _limit: float) -> None:
        """Note whether the member lets clients in meanwhile, and go away."""
        self.clients_at_checkpoint = self._inst.admitting
        raise UnreachableError("LeaderUnreachable", "gone")


def test_i8_a_member_off_the_line_serves_nobody_while_its_leader_writes_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A follower that let readers in is stopped before it waits, for minutes perhaps, for what a rewind needs."""

    async def scenario() -> bool | None:
        inst = instances.make(tmp_path)
        inst.identity, inst.admitting, inst.gate = IDENTITY, True, True
        leader = Leader(inst)
        inst.client = leader  # type: ignore[assignment]  # a rejoin uses this part of it alone

        async def stopped(stopping: Instance) -> None:
            stopping.admitting = stopping.gate = False

        async def detached(*_: object) -> None:
            """Nothing streams in this test."""

        monkeypatch.setattr(running, "stop_at_once", stopped)
        monkeypatch.setattr(following, "detach", detached)
        with pytest.raises(UnreachableError):
            await rejoining.rejoin(inst, B, 5)
        return leader.clients_at_checkpoint

    assert asyncio.run(scenario()) is False
