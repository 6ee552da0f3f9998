"""A follower's first word to the leader to come: asked while that is promoted, answered the moment it is.

The dial, and what the new leader does for a member that joins, are then no part of the time that clients wait.
Nothing is decided here: the answer is weighed as any other, once the election core says to follow.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from covet.core.agentorders import JoinAnswer
from covet.core.errors import CovetError

LOG: Final = logging.getLogger("covet.greeting")

FRESH_SECONDS: Final = 1.0
"""An answer older than this is asked for anew, and so is one that is still missing for so long."""

Ask = Callable[[], Awaitable[JoinAnswer]]


class Greeting:
    """At most one request under way, for one leader and term.

    Args:
        monotonic: the clock, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._to = ("", 0)
        self._task: asyncio.Task[tuple[JoinAnswer, float] | None] | None = None

    def begin(self, leader: str, term: int, ask: Ask) -> None:
        """Ask, unless that leader was asked in that term already."""
        if self._to == (leader, term):
            return
        self.end()
        self._to = (leader, term)
        self._task = asyncio.create_task(self._run(ask), name="greeting")

    async def answer(self, leader: str, term: int) -> JoinAnswer | None:
        """Return what a leader answered in a term, once and while it is fresh; None if it has to be asked."""
        task = self._task
        if task is None or self._to != (leader, term):
            return None
        self._task = None
        try:
            told = await asyncio.wait_for(task, FRESH_SECONDS)
        except TimeoutError:
            return None
        if told is None or self._monotonic() - told[1] > FRESH_SECONDS:
            return None
        return told[0]

    def end(self) -> None:
        """Forget what was asked."""
        if self._task is not None:
            self._task.cancel()
        self._to, self._task = ("", 0), None

    async def _run(self, ask: Ask) -> tuple[JoinAnswer, float] | None:
        try:
            return await ask(), self._monotonic()
        except CovetError as error:
            LOG.info("The leader to come did not answer: %s", error.message, extra={"fields": {"reason": error.reason}})
            return None
