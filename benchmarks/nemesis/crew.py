"""The bench's end of the writers' process."""

import asyncio
import contextlib
import dataclasses
import json
import pathlib
import sys
from typing import Final

from benchmarks.nemesis.clients import Settings
from tests.e2e.process.agents import ROOT

LIMIT: Final = 20.0
"""Seconds within which the writers begin, and end."""


class Crew:
    """The writers, told when to write.

    Args:
        settings: what they go by.
        folder: where their settings are written.
    """

    def __init__(self, settings: Settings, folder: pathlib.Path) -> None:
        self._file = folder / "writers.json"
        self._file.write_text(json.dumps(dataclasses.asdict(settings)))
        self._process: asyncio.subprocess.Process | None = None
        self._prefix = ["unshare", "--mount"] if settings.resolver else []
        self._ways = {way.name for way in settings.ways}
        self._terms: set[tuple[str, int]] = set()
        self._news = asyncio.Event()
        self._done = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start their process."""
        self._process = await asyncio.create_subprocess_exec(
            *self._prefix,
            sys.executable,
            "-m",
            "benchmarks.nemesis.writers",
            str(self._file),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        self._reader = asyncio.create_task(self._read())

    async def begin(self, log: pathlib.Path) -> int:
        """Begin to write into a log; return the term once each way had an acknowledgement."""
        self._terms.clear()
        self._done.clear()
        await self._say(f"run {log}")
        return max([await self.await_term(0, LIMIT, way) for way in self._ways])

    async def await_term(self, above: int, limit: float, way: str) -> int:
        """Return the first term above one whose leader acknowledged a write over a way.

        Raises:
            TimeoutError: there is none within so many seconds.
            ChildProcessError: the writers ended on a defect of their own.
        """
        async with asyncio.timeout(limit):
            while not (higher := [term for by, term in self._terms if by == way and term > above]):
                self._see_alive()
                self._news.clear()
                await self._news.wait()
        return min(higher)

    async def end(self) -> None:
        """Let the writes under way end, and the log be whole."""
        await self._say("stop")
        async with asyncio.timeout(LIMIT):
            await self._done.wait()
        self._see_alive()

    async def close(self) -> None:
        """End their process."""
        if self._process is None or self._reader is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reader

    def _see_alive(self) -> None:
        if self._reader is None or self._reader.done():
            raise ChildProcessError("the writers ended on a defect of their own")

    async def _say(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            told = json.loads(line)
            if "term" in told:
                self._terms.add((told["way"], told["term"]))
                self._news.set()
            elif "done" in told:
                self._done.set()
        self._news.set()
        self._done.set()
