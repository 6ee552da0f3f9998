"""Starting over: nothing is wiped without the leave of the seated leader of the newest term."""

import asyncio
import dataclasses
from pathlib import Path

import pytest

from covet.agent import recloning
from covet.agent.volume import CLONE, Identity
from covet.core.agentapi import Peer, Rule
from covet.core.agentorders import JoinAnswer, JoinRequest
from covet.core.errors import RefusedError
from covet.planner.election.rules import Sworn
from tests.unit.agent import instances

A, B = "s0-a-0123456789ab", "s0-b-0123456789ab"
RULE = Rule(5, 1, B, (A, B), 1)
ANSWER = JoinAnswer(RULE, "7", 5, 0x9000)
IDENTITY = Identity("i", A, "shop-s0-a", "c", "s", CLONE, "7", born=True)


class Leader:
    """The agent of a leader as another one's client sees it.

    Args:
        answer: what it says to whoever asks for leave, or why it refuses.
    """

    def __init__(self, answer: JoinAnswer | RefusedError) -> None:
        self._answer = answer
        self.asked: list[JoinRequest] = []

    async def join(self, _: Peer, request: JoinRequest) -> JoinAnswer:
        """Answer, or refuse."""
        self.asked.append(request)
        if isinstance(self._answer, RefusedError):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (RefusedError("NotLeader", "another one leads"), "NotLeader"),
        (RefusedError("RuleUnconfirmed", "not seated yet"), "RuleUnconfirmed"),
        (RefusedError("TooFewCopies", "the last other copy"), "TooFewCopies"),
        (ANSWER, "LeaveUnknown"),
        (dataclasses.replace(ANSWER, leave=True, rule=Rule(4, 1, B, (A, B), 1)), "TermForeign"),
        (dataclasses.replace(ANSWER, leave=True, rule=Rule(5, 1, A, (A, B), 1)), "LeaderForeign"),
        (dataclasses.replace(ANSWER, leave=True, system_id="8"), "LeaderForeign"),
    ],
)
def test_nothing_is_wiped_without_leave(tmp_path: Path, answer: JoinAnswer | RefusedError, reason: str) -> None:
    """A leader that was deposed, is not seated, says no, or is of an older version: what is here may be needed yet."""
    leader = Leader(answer)

    async def scenario() -> tuple[str, Identity | None]:
        inst = instances.make(tmp_path)
        await inst.remember_identity(IDENTITY)
        inst.sworn = Sworn(5, RULE)
        inst.client = leader  # type: ignore[assignment]  # to ask for leave takes this part of it alone
        with pytest.raises(RefusedError) as refused:
            await recloning.reclone(inst, B)
        return refused.value.reason, inst.volume.read_identity()

    assert (reason, IDENTITY) == asyncio.run(scenario())
    assert [JoinRequest("shop-s0-a", A, leave=True)] == leader.asked
