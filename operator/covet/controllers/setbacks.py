"""Actions that fail, and which of them a person should know of: at once what Kubernetes refuses, else after a while.

A conflict is a race, and the next round sees who won; an agent says no while it is busy. What comes again and again is
neither.
"""

from collections.abc import Collection, Iterable
from typing import Final

from covet.core import events
from covet.core.errors import CovetError, RefusedError, UnreachableError
from covet.planner import actions as act
from covet.planner.facts import Finding

PATIENCE: Final = 10
"""Failures of the same kind of action in a row before they are called a finding."""


class Setbacks:
    """What failed of one cluster, by the kind of the action, for as long as it is planned and fails."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._findings: dict[str, Finding] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what a person should know of."""
        return tuple(self._findings.values())

    def planned(self, kinds: Collection[str]) -> None:
        """Forget what is planned no more."""
        self._forget(kind for kind in self._counts if kind not in kinds)

    def round(self, done: Iterable[act.Action], failed: Iterable[tuple[act.Action, CovetError]]) -> None:
        """Take in what came of a round; what was not reached stays as it was."""
        # Of several shards the first one is told, in every round the same.
        ordered = sorted(failed, key=lambda failure: str(getattr(failure[0], "shard", "")), reverse=True)
        wrong = {type(action).__name__: (action, cause) for action, cause in ordered}
        self._forget(kind for kind in {type(action).__name__ for action in done} if kind not in wrong)
        for kind, (action, cause) in wrong.items():
            self._counts[kind] = self._counts.get(kind, 0) + 1
            final = isinstance(cause, RefusedError) and isinstance(action, act.ClusterAction)
            if final or self._counts[kind] >= PATIENCE:
                self._findings[kind] = Finding(_reason(cause), f"{kind} fails: {cause.message}")

    def _forget(self, kinds: Iterable[str]) -> None:
        for kind in list(kinds):
            self._counts.pop(kind, None)
            self._findings.pop(kind, None)


def _reason(error: CovetError) -> str:
    if isinstance(error, UnreachableError):
        return events.AGENT_UNREACHABLE if error.reason != "ApiServerUnreachable" else error.reason
    return error.reason
