"""What the bench asks of a shard under test, whether it is processes on one machine or pods on a cluster."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol

from benchmarks.nemesis.clients import Settings
from benchmarks.nemesis.kinds import Fault, SceneT
from benchmarks.nemesis.phases import Line
from benchmarks.nemesis.plan import Plan
from covet.core.agentapi import AgentStatus

Statuses = Sequence[AgentStatus | None]
"""Of every instance in the order of their letters, None of one that is silent."""


class Session(Protocol):
    """A session with a database, as asyncpg has it."""

    async def execute(self, query: str, *args: object, timeout: float) -> str:  # noqa: ASYNC109  asyncpg's own
        """Run a statement."""

    async def fetchval(self, query: str, *args: object, timeout: float) -> Any:  # noqa: ANN401, ASYNC109  likewise
        """Return one value."""

    async def fetchrow(self, query: str, *args: object, timeout: float) -> Any:  # noqa: ANN401, ASYNC109  likewise
        """Return one row."""

    async def fetch(self, query: str, *args: object, timeout: float) -> Any:  # noqa: ANN401, ASYNC109  likewise
        """Return all rows."""

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109  likewise
        """End the session."""


class Stage(Protocol, Generic[SceneT]):
    """A shard, and what can be done to it.

    Attributes:
        tier: `process` or `cluster`.
        folder: for the logs of the run at hand; goes with the stage.
        instances: names, sorted.
    """

    tier: str
    folder: pathlib.Path
    instances: tuple[str, ...]

    @property
    def faults(self) -> Mapping[str, Fault[SceneT]]:
        """The kinds that this tier knows."""

    async def open(self) -> None:
        """Bring the shard up until it takes writes."""

    async def close(self) -> None:
        """Undo every fault and remove the shard."""

    def settings(self) -> Settings:
        """Return what the writers go by."""

    async def statuses(self) -> Statuses:
        """Ask every agent."""

    async def tend(self, told: Statuses) -> None:
        """Do what an operator would, where there is none."""

    async def connect(self, instance: str) -> Session:
        """Return a session of the application with one instance."""

    async def prepare(self, plan: Plan, leader: str) -> None:
        """Take away what the plan wants away before the writes begin."""

    async def darken(self, plan: Plan) -> None:
        """Take away what the plan wants away once the writes have begun."""

    async def lighten(self) -> int | None:
        """Give the API server back; return when it answered, in monotonic nanoseconds, None if it was there."""

    def scene(self, plan: Plan, leader: str) -> SceneT:
        """Return what a fault is done to."""

    async def restore(self) -> None:
        """Undo every fault that is still in force."""

    def lines(self, since: float) -> list[Line]:
        """Read the agents' logs from a moment on, seconds since the epoch."""

    def keep_logs(self, folder: pathlib.Path) -> None:
        """Copy everything that a person would look at into a folder."""
