"""The early question to a leader that is being promoted: asked once, used once, and never when it is stale."""

import asyncio
from collections.abc import Awaitable, Callable

from covet.agent import greeting
from covet.core.agentapi import Rule
from covet.core.agentorders import JoinAnswer
from covet.core.errors import RefusedError

B, C = "s0-b-0123456789ab", "s0-c-0123456789ab"
ANSWER = JoinAnswer(Rule(5, 1, B, (B, C), 1), "7", 5, 0x9000, (), 0)


class Line:
    """A leader that answers, and a clock.

    Args:
        refuses: it refuses instead.
    """

    def __init__(self, *, refuses: bool = False) -> None:
        self.now = 100.0
        self.asked = 0
        self.told = asyncio.Event()
        self.greeting = greeting.Greeting(lambda: self.now)
        self._refuses = refuses

    async def ask(self) -> JoinAnswer:
        """Answer, or refuse."""
        self.asked += 1
        self.told.set()
        if self._refuses:
            raise RefusedError("NotLeader", "The promotion failed.")
        return ANSWER


def play(scene: Callable[[Line], Awaitable[None]], *, refuses: bool = False) -> None:
    """Run a scene with a line of its own."""

    async def run() -> None:
        await scene(Line(refuses=refuses))

    asyncio.run(run())


def test_an_answer_that_came_early_is_used_once() -> None:
    """A second way to the same leader asks anew: what it makes for a member may be gone by then."""

    async def scene(line: Line) -> None:
        line.greeting.begin(B, 5, line.ask)
        line.greeting.begin(B, 5, line.ask)
        assert ANSWER == await line.greeting.answer(B, 5)
        assert await line.greeting.answer(B, 5) is None
        assert 1 == line.asked

    play(scene)


def test_an_answer_of_another_leader_or_term_is_not_used() -> None:
    """Only the leader that is followed says where it stands."""

    async def scene(line: Line) -> None:
        line.greeting.begin(B, 5, line.ask)
        assert await line.greeting.answer(C, 5) is None
        assert await line.greeting.answer(B, 6) is None
        assert ANSWER == await line.greeting.answer(B, 5)

    play(scene)


def test_a_stale_answer_is_not_used() -> None:
    """The leader has gone on since."""

    async def scene(line: Line) -> None:
        line.greeting.begin(B, 5, line.ask)
        await line.told.wait()
        line.now += greeting.FRESH_SECONDS + 0.1
        assert await line.greeting.answer(B, 5) is None

    play(scene)


def test_a_refusal_leaves_the_question_to_the_follow_itself() -> None:
    """What went wrong early is nobody's trouble."""

    async def scene(line: Line) -> None:
        line.greeting.begin(B, 5, line.ask)
        assert await line.greeting.answer(B, 5) is None

    play(scene, refuses=True)


def test_what_was_asked_can_be_forgotten() -> None:
    """The volume becomes another member's."""

    async def scene(line: Line) -> None:
        line.greeting.begin(B, 5, line.ask)
        line.greeting.end()
        assert await line.greeting.answer(B, 5) is None

    play(scene)
