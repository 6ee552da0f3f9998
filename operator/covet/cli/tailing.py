"""The logs of many pods as one: merged by time, and followed through restarts of pods and of the API server.

Lines of one pod never change places. Between pods the container runtimes' clocks decide, so nodes whose clocks
differ mix lines by as much.
"""

import asyncio
import contextlib
import dataclasses
import heapq
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from covet.cli import failures, journal, raw
from covet.cli.journal import Line
from covet.core import names

HOLD: Final = 0.5
"""Seconds that a new line is held back for an earlier one of another pod."""
LOOK_AGAIN: Final = 2.0
"""Seconds between looks at which pods there are, and between attempts at one whose log ended."""
SILENCE: Final = 300.0
"""Seconds without a line after which a stream is opened anew: the other end may be gone without a word."""
PATIENCE: Final = 15.0
"""Seconds without a byte that end the reading of a log that is not followed."""


@dataclasses.dataclass(frozen=True)
class Source:
    """One container whose log is read.

    Args:
        origin: by which name its lines are shown.
    """

    namespace: str
    pod: str
    container: str
    origin: str


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much of each log.

    Args:
        tail: newest lines; 0 for all.
        since: seconds back; None from the beginning.
        previous: of the container before its last restart.
    """

    tail: int = 0
    since: int | None = None
    previous: bool = False

    def query(self, source: Source) -> dict[str, str]:
        """Return it as the API server takes it."""
        asked = {"container": source.container, "timestamps": "true"}
        if self.tail:
            asked["tailLines"] = str(self.tail)
        if self.since is not None:
            asked["sinceSeconds"] = str(self.since)
        if self.previous:
            asked["previous"] = "true"
        return asked


Find = Callable[[], Awaitable[Sequence[Source]]]
"""Returns the containers that there are now."""


def sources_of(pods: Sequence[raw.Manifest], container: str) -> tuple[Source, ...]:
    """Return the containers of this name in pods that have been given to a node."""
    return tuple(
        Source(
            namespace=str(pod["metadata"]["namespace"]),
            pod=str(pod["metadata"]["name"]),
            container=container,
            origin=str((pod["metadata"].get("labels") or {}).get(names.LABEL_INSTANCE) or pod["metadata"]["name"]),
        )
        for pod in pods
    )


async def read(beside: raw.Raw, sources: Sequence[Source], extent: Extent) -> list[Line]:
    """Return what the logs hold, in the order of time."""
    logs = await asyncio.gather(*(_read_one(beside, source, extent) for source in sources))
    return list(heapq.merge(*logs, key=lambda line: line.at))


async def _read_one(beside: raw.Raw, source: Source, extent: Extent) -> list[Line]:
    return [line async for line in _lines(beside, source, extent.query(source), PATIENCE)]


async def _lines(beside: raw.Raw, source: Source, query: dict[str, str], silence: float) -> AsyncIterator[Line]:
    """Yield the lines of one log; one without a time has that of the line before."""
    before: Line | None = None
    async for text in beside.log(source.namespace, source.pod, query, silence):
        line = journal.parse(source.origin, text)
        if before is not None and not line.stamp:
            line = dataclasses.replace(line, at=before.at, moment=before.at)
        before = line
        yield line


async def follow(
    beside: raw.Raw, find: Find, extent: Extent, tell: Callable[[str], None], hold: float = HOLD
) -> AsyncGenerator[Line, None]:
    """Yield the lines that there are, then each that comes, until whoever asked has enough.

    Args:
        beside: the API server.
        find: which containers there are; asked again and again, for pods come and go.
        extent: how much of the past.
        tell: is given a sentence when the API server no longer answers.
        hold: seconds that a line is held back for an earlier one.
    """
    arrived: asyncio.Queue[Line | failures.Failure] = asyncio.Queue(maxsize=10_000)
    watching = asyncio.create_task(_watch(beside, find, extent, arrived, tell))
    pen: list[tuple[float, int, float, Line]] = []
    """Held lines: moment, order of arrival, when it may go, the line."""
    clock, number = asyncio.get_running_loop(), itertools.count()
    try:
        while True:
            while pen and pen[0][2] <= clock.time():
                yield heapq.heappop(pen)[3]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(pen[0][2] if pen else None):
                    item = await arrived.get()
                    if isinstance(item, failures.Failure):
                        raise item
                    heapq.heappush(pen, (item.at.timestamp(), next(number), clock.time() + hold, item))
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _watch(
    beside: raw.Raw,
    find: Find,
    extent: Extent,
    arrived: "asyncio.Queue[Line | failures.Failure]",
    tell: Callable[[str], None],
) -> None:
    """Keep one reader per container that there is."""
    readers: dict[Source, asyncio.Task[None]] = {}
    silent = False
    first = extent
    try:
        while True:
            try:
                there = set(await find())
                silent = False
            except failures.Failure as failure:
                if failure.code is not failures.Exit.UNREACHABLE:
                    await arrived.put(failure)
                    return
                if not silent:
                    tell("The API server does not answer; trying again.")
                there, silent = set(readers), True
            for source in there - set(readers):
                readers[source] = asyncio.create_task(_pump(beside, source, first, arrived))
            for source in set(readers) - there:
                readers.pop(source).cancel()
            # What comes later is new as a whole.
            first = Extent()
            await asyncio.sleep(LOOK_AGAIN)
    finally:
        for reader in readers.values():
            reader.cancel()
        await asyncio.gather(*readers.values(), return_exceptions=True)


async def _pump(
    beside: raw.Raw, source: Source, extent: Extent, arrived: "asyncio.Queue[Line | failures.Failure]"
) -> None:
    """Read one log for as long as it goes on, also through restarts of its container; no line twice."""
    last: Line | None = None
    while True:
        query = {**extent.query(source), "follow": "true"} if last is None else _from(source, last)
        known = last
        try:
            async for line in _lines(beside, source, query, SILENCE):
                if known is None or (line.at, line.stamp) > (known.at, known.stamp):
                    await arrived.put(line)
                    last = line
        except failures.Failure as failure:
            if failure.code is not failures.Exit.UNREACHABLE:
                await arrived.put(failure)
                return
        await asyncio.sleep(LOOK_AGAIN)


def _from(source: Source, last: Line) -> dict[str, str]:
    """Return the query that goes on after a line; the API server counts in whole seconds."""
    moment = f"{last.at:%Y-%m-%dT%H:%M:%SZ}"
    return {**Extent().query(source), "follow": "true", "sinceTime": moment}
