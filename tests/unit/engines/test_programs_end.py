"""Programs that the agent runs, and how they are called off."""

import asyncio
from pathlib import Path

import pytest

from covet.engines import programs


class Ended(asyncio.subprocess.Process):
    """A program that has ended, and whose output is not read to its end yet."""

    def __init__(self) -> None:
        """Begin no process: nothing of the base class is used but its type."""

    async def communicate(self, input: object = None) -> tuple[bytes, bytes]:  # noqa: A002  the name of the base class
        """Wait for ever."""
        del input
        await asyncio.Event().wait()
        return b"", b""

    def kill(self) -> None:
        """Refuse, as asyncio does."""
        raise ProcessLookupError

    async def wait(self) -> int:
        """Return its exit code."""
        return 0


async def spawn(
    *argv: str, stdout: int | None = None, stderr: int | None = None, folder: Path | None = None
) -> asyncio.subprocess.Process:
    """Start nothing."""
    del argv, stdout, stderr, folder
    return Ended()


def test_a_program_that_has_just_ended_can_be_called_off() -> None:
    """Otherwise whoever was cancelled would go on with an error, and do what nobody wants any more."""

    async def scenario() -> bool:
        running = asyncio.create_task(programs.run(spawn, "/bin/true"))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return running.cancelled()

    assert asyncio.run(scenario())
