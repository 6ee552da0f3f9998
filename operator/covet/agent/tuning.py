"""The user's parameters that the server goes by: only such as it can read and start with.

One line that the server cannot take makes it ignore its whole file at a reload, and refuse to start.
So new parameters pass the table of settings, each alone, then the server's own program, all together; those that
then keep the server from starting give way to the last ones that it did start with. Covet's own settings are never
at stake.
"""

import asyncio
import dataclasses
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from covet.agent import durable
from covet.core.errors import CovetError, SpecError
from covet.engines.programs import ProgramError
from covet.peers import codec
from covet.planner import parameters

LOG: Final = logging.getLogger("covet.tuning")

DEATHS: Final = 2
"""Starts that have to end before the server answered, until its newest parameters are given up."""
_PREFIX: Final = re.compile(r"\b[0-9A-Z]{5} \[\d+\] ")

Trial = Callable[[Mapping[str, str]], Awaitable[None]]
"""Has the server's program read a settings file with these parameters; raises ProgramError if it does not."""


@dataclasses.dataclass(frozen=True)
class Kept:
    """parameters.json: what the server went by, for an agent that starts under a spec with a problem.

    Args:
        usable: the newest that the server's program could read.
        proven: the newest that the server started with.
    """

    usable: dict[str, str] = dataclasses.field(default_factory=dict)
    proven: dict[str, str] = dataclasses.field(default_factory=dict)


Written = Callable[[], Awaitable[Mapping[str, int]]]
"""Tells with which values of some settings the log here was written; raises ProgramError if it cannot be read."""


def _folded(wanted: Mapping[str, str]) -> frozenset[str]:
    return frozenset(name.lower() for name in wanted)


async def _tried(candidate: Mapping[str, str], trial: Trial) -> tuple[str, ...]:
    """Return what the server's own program says against parameters, nothing if it can read them."""
    try:
        await trial(candidate)
    except ProgramError as error:
        return (_PREFIX.sub("", error.message),)
    return ()


class Tuning:
    """Which parameters are in force, and why not those of the spec.

    Attributes:
        problem: why the server does not go by the parameters of the spec, None if it does.

    Args:
        path: parameters.json on the volume.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = Kept()
        self._stored: Kept | None = None
        self._judged: dict[str, str] | None = None
        self._started_with: dict[str, str] | None = None
        self._deaths = 0
        self._turn = asyncio.Lock()
        self.problem: str | None = None

    @property
    def in_force(self) -> Mapping[str, str]:
        """The parameters that the settings file is made with."""
        return self._kept.usable

    async def settle(self, wanted: Mapping[str, str], trial: Trial, written: Written) -> None:
        """Take up the parameters of the spec if the server can; else say why, and stay with the last good ones.

        Args:
            wanted: the parameters of the spec.
            trial: has the server's program read them.
            written: tells what of them cannot be lowered.
        """
        async with self._turn:
            if self._stored is None:
                self._stored = self._kept = await asyncio.to_thread(self._read)
            if wanted != self._judged:
                await self._judge(wanted, trial, written)
            if self._kept != self._stored:
                await self._store()

    def started(self) -> None:
        """Note that the server is started with the parameters in force."""
        self._started_with = self._kept.usable

    def answered(self) -> None:
        """Note that the server answered: it can start with what it was started with."""
        if self._started_with is not None:
            self._kept = dataclasses.replace(self._kept, proven=self._started_with)
            self._started_with, self._deaths = None, 0

    def died(self, code: int) -> None:
        """Note the end of the server; parameters that it never answered with are given up after a few.

        Args:
            code: its exit code; a signal, negative, says nothing about parameters.
        """
        if self._started_with is None or code <= 0 or self._started_with == self._kept.proven:
            return
        self._started_with = None
        self._deaths += 1
        if self._deaths >= DEATHS:
            self._kept = Kept(self._kept.proven, self._kept.proven)
            self._complain(
                "The server does not start with the parameters of the spec; it goes by the last that it started with."
            )

    async def _judge(self, wanted: Mapping[str, str], trial: Trial, written: Written) -> None:
        faults = parameters.refusals(wanted)
        good = parameters.accepted(wanted)
        # A refused value leaves the one of before; a refused name has none.
        candidate = {name: value for name, value in self._kept.usable.items() if name in _folded(wanted)} | good
        try:
            candidate, low = parameters.unlowered(candidate, await written())
            together = parameters.refusals(candidate)
            if not together:
                together = await _tried(candidate, trial)
        except (CovetError, OSError) as error:
            LOG.warning("The parameters could not be tried, which is repeated: %s", error)
            return
        self._judged, self._deaths = dict(wanted), 0
        if not together:
            self._kept, self.problem = dataclasses.replace(self._kept, usable=candidate), None
        if faults or low or together:
            self._complain(" ".join((*faults, *low, *together)))

    def _complain(self, problem: str) -> None:
        self.problem = problem
        LOG.warning("The parameters of the spec are not taken up: %s", problem)

    async def _store(self) -> None:
        try:
            await asyncio.to_thread(durable.write, self._path, codec.encode(self._kept) + b"\n")
        except OSError as error:
            LOG.warning("The parameters in force could not be kept on the volume: %s", error)
            return
        self._stored = self._kept

    def _read(self) -> Kept:
        """Return what is kept; what cannot be read is worth no more than nothing."""
        try:
            kept = codec.decode(self._path.read_bytes(), Kept)
        except FileNotFoundError:
            return Kept()
        except (OSError, SpecError) as error:
            LOG.warning("The parameters kept on the volume cannot be read: %s", error)
            return Kept()
        return Kept(parameters.accepted(kept.usable), parameters.accepted(kept.proven))
