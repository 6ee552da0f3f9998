"""A hand-over that goes wrong, on either side of it."""

import asyncio
import ssl
from pathlib import Path

import pytest

from covet.agent import handing, succeeding
from covet.agent.instance import Instance
from covet.agent.volume import Identity
from covet.core.agentapi import Peer
from covet.core.agentorders import PrepareAnswer, PrepareOrder
from covet.core.clock import Clock
from covet.core.errors import CovetError, RefusedError, UnreachableError
from covet.engines.server import Server
from covet.peers.client import AgentClient
from tests.unit.agent import instances

A, B = "s0-a-0123456789ab", "s0-b-0123456789ab"


class Stuck(Server):
    """A server that ends only once the bound of its stop is over."""

    def __init__(self, inst: Instance) -> None:
        super().__init__(inst.settings.programs, inst.settings.pgdata, inst.settings.conf, inst.children.spawn, print)
        self.now = 1000.0

    def clock(self) -> Clock:
        """Return a clock that goes on with the stop."""
        return Clock(monotonic=lambda: self.now)

    async def stop(self, fast_seconds: float, immediate_seconds: float = 5.0) -> None:
        """Take as long as a fast stop may."""
        del immediate_seconds
        self.now += fast_seconds


def test_a_stop_that_passed_its_bound_is_no_success_without_the_successors_word(tmp_path: Path) -> None:
    """The walsenders may not have drained, and nobody says that the successor has everything."""

    async def scenario() -> None:
        inst = instances.make(tmp_path)
        server = Stuck(inst)
        inst.clock, inst.server = server.clock(), server
        with pytest.raises(handing.HandOffBrokenError, match="may lack the end of its log"):
            await handing.stop(inst, B)

    asyncio.run(scenario())


class Successor(AgentClient):
    """The line to a successor's agent.

    Args:
        answer: what it says to the order to make ready, or why it says nothing.
    """

    def __init__(self, answer: PrepareAnswer | CovetError) -> None:
        super().__init__(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self._answer = answer

    async def prepare(self, peer: Peer, order: PrepareOrder, limit: float) -> PrepareAnswer:
        """Answer."""
        del peer, limit
        assert 4 == order.term
        if isinstance(self._answer, CovetError):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (PrepareAnswer(B), ""),
        (UnreachableError("AnswerInvalid", "404"), ""),
        (UnreachableError("AgentUnreachable", "no answer"), "AgentUnreachable"),
        (RefusedError("ReplayBehind", "later"), "ReplayBehind"),
        (PrepareAnswer("s0-b-ffffffffffff"), "SuccessorUnknown"),
    ],
)
def test_a_leader_stops_only_for_a_successor_that_is_there(
    tmp_path: Path, answer: PrepareAnswer | CovetError, reason: str
) -> None:
    """It answers for itself; one of an earlier version, which does not know the order, is there too."""

    async def scenario() -> str:
        inst = instances.make(tmp_path)
        inst.client = Successor(answer)
        try:
            await handing.make_ready(inst, B, 4)
        except CovetError as error:
            return error.reason
        return ""

    assert reason == asyncio.run(scenario())


@pytest.mark.parametrize("caller", ["shop-s0-b", "shop-s0-c"])
@pytest.mark.parametrize("born", [True, False])
def test_nobody_makes_ready_for_a_leader_that_it_does_not_follow(tmp_path: Path, caller: str, *, born: bool) -> None:
    """Clients stay in."""

    async def scenario() -> float:
        inst = instances.make(tmp_path)
        if born:
            inst.identity = Identity("0123456789ab", A, "shop-s0-a", "c", "s", "Clone", born=True)
        with pytest.raises(RefusedError) as caught:
            await succeeding.prepare(inst, caller, PrepareOrder(B, 2))
        assert "NotFollowing" == caught.value.reason
        return inst.ready_until

    assert 0.0 == asyncio.run(scenario())
