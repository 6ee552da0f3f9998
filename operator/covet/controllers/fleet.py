"""One task per cluster, each with a bell: events ring it, and rings coalesce.

A task outlives every error of its rounds: it says what went wrong once, waits longer each time,
and looks again. It ends when its object is gone.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from covet.controllers.act import ActionError
from covet.controllers.pace import Pace
from covet.controllers.round import Reconciler, Tools
from covet.core.errors import ConflictError, CovetError, RefusedError

_log = logging.getLogger(__name__)

PARALLEL_ROUNDS = 16
"""Rounds at a time, over all clusters; more clusters wait their turn and lose nothing."""
GAP = 0.1
"""Least seconds between two rounds of one cluster, so that a burst of events costs one round."""
ROUND_LIMIT = 120.0
"""Seconds after which a round is given up; every call in it has a shorter limit of its own."""

SERVER_LONGEST = 20.0
"""Longest wait in seconds after the API server failed: soon after it is well again, every cluster is looked after."""

CountRound = Callable[[str, float], None]
"""Called with the outcome of a round and its seconds."""


class Fleet:
    """The tasks of all clusters.

    Args:
        tools: what rounds work with.
        count_round: told of each round.
    """

    def __init__(self, tools: Tools, count_round: CountRound) -> None:
        self._tools = tools
        self._count_round = count_round
        self._bells: dict[tuple[str, str], asyncio.Event] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._closed = False
        self._gate = asyncio.Semaphore(PARALLEL_ROUNDS)

    def __len__(self) -> int:
        """Return the number of clusters that are looked after."""
        return len(self._tasks)

    def ring(self, namespace: str, name: str, *, found: bool = False) -> None:
        """Ask for a round soon.

        Args:
            namespace: of the cluster.
            name: of the cluster.
            found: True if the event was about the cluster itself, which starts its task.
        """
        key = (namespace, name)
        if key not in self._tasks:
            if not found or self._closed:
                return
            self._bells[key] = asyncio.Event()
            self._tasks[key] = asyncio.create_task(self._look_after(namespace, name), name=f"{namespace}/{name}")
        self._bells[key].set()

    async def close(self) -> None:
        """End every task; what was begun is found again by the next process."""
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_after(self, namespace: str, name: str) -> None:
        key = (namespace, name)
        bell = self._bells[key]
        reconciler = Reconciler(self._tools, namespace, name)
        pace = Pace()
        try:
            while True:
                bell.clear()
                wait = await self._round(reconciler, pace, f"{namespace}/{name}")
                if wait is None and not bell.is_set():
                    return
                await _pause(bell, wait or 0.0)
        finally:
            self._tasks.pop(key, None)
            self._bells.pop(key, None)
            await reconciler.close()

    async def _round(self, reconciler: Reconciler, pace: Pace, label: str) -> float | None:
        """Do a round; return how long to wait, None if the object is gone."""
        outcome = "Failed"
        began = time.monotonic()
        try:
            async with self._gate, asyncio.timeout(ROUND_LIMIT):
                moment = await reconciler.once()
            outcome = "Gone" if moment is None else "Settled" if moment.settled else "Unfinished"
            return None if moment is None else pace.after(moment)
        except (ActionError, CovetError) as error:
            cause = error.cause if isinstance(error, ActionError) else error
            outcome = cause.reason
            wait = _wait_after(error, cause, pace)
            busy = isinstance(error, ActionError) and isinstance(cause, RefusedError | ConflictError)
            _log.log(
                logging.INFO if busy else logging.WARNING,
                f"round ended early: {error}; looking again in {wait:.1f} s",
                extra={"cluster": label, "reason": cause.reason},
            )
            return wait
        except TimeoutError:
            outcome = "TimedOut"
            _log.warning("round took too long and was given up; looking again", extra={"cluster": label})
            return pace.after_failure()
        except Exception:  # noqa: BLE001 -- the task of a cluster outlives a bug in one of its rounds
            # A bug must not end the care of a cluster; its trace is logged at a falling rate.
            _log.exception("round failed unexpectedly; looking again", extra={"cluster": label})
            return pace.after_failure()
        finally:
            self._count_round(outcome, time.monotonic() - began)


def _wait_after(error: Exception, cause: CovetError, pace: Pace) -> float:
    """Return how long to wait after a failure: soon after a lost race or where an agent is busy, longer each time."""
    if isinstance(cause, ConflictError):
        return pace.after_failure(first=0.2, longest=10.0)
    if isinstance(error, ActionError) and getattr(error.action, "shard", None) is not None:
        return pace.after_failure(first=0.3, longest=5.0)
    if cause.reason == "ApiServerUnreachable":
        return pace.after_failure(longest=SERVER_LONGEST)
    return pace.after_failure()


async def _pause(bell: asyncio.Event, seconds: float) -> None:
    """Wait until the bell rings, at most so many seconds, and at least the gap."""
    await asyncio.sleep(min(GAP, seconds) if seconds else GAP)
    try:
        async with asyncio.timeout(max(0.0, seconds - GAP)):
            await bell.wait()
    except TimeoutError:
        return
