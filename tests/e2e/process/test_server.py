"""The server's process under bad luck: programs that die at once, or do not want to end."""

import asyncio
import time
from pathlib import Path

import pytest

from covet.agent.children import Children
from covet.engines import processes
from covet.engines.server import Server


class Stage:
    """A server whose program is a script of the test."""

    def __init__(self, folder: Path, script: str) -> None:
        self.pgdata = folder / "pgdata"
        self.pgdata.mkdir()
        program = folder / "postgres"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        self.ends: list[int] = []
        self.server = Server(folder, self.pgdata, folder, Children().spawn, self.ends.append)

    async def ended(self) -> None:
        """Wait until the end of the process was told."""
        async with asyncio.timeout(5.0):
            while self.server.pid is not None:  # noqa: ASYNC110  what is tested is the callback itself
                await asyncio.sleep(0.005)


async def test_a_server_that_dies_at_once_is_noticed_every_time(tmp_path: Path) -> None:
    """However quickly the process ends, its end is told, with its code."""
    stage = Stage(tmp_path, "echo no >&2; exit 3")
    for _ in range(40):
        await stage.server.start()
        await stage.ended()
    assert [3] * 40 == stage.ends


async def test_a_server_that_does_not_want_to_end_is_killed(tmp_path: Path) -> None:
    """Fast, immediate, SIGKILL: the stop is bounded, and no process of the folder is left, children included."""
    stage = Stage(tmp_path, 'trap "" INT QUIT; cd "$2"; touch up; while :; do sleep 0.1; done')
    await stage.server.start()
    async with asyncio.timeout(5.0):
        while not (stage.pgdata / "up").exists():  # noqa: ASYNC110  a file of another process has no event
            await asyncio.sleep(0.01)
    began = time.monotonic()
    await stage.server.stop(fast_seconds=0.3, immediate_seconds=0.3)
    assert 0.6 <= time.monotonic() - began < 3.0
    assert ([-9], ()) == (stage.ends, processes.of_folder(stage.pgdata))


async def test_a_predecessors_processes_are_ended_before_a_start(tmp_path: Path) -> None:
    """What an agent that died left behind in the data directory is gone before the next server starts."""
    stage = Stage(tmp_path, "exit 0")
    left = await asyncio.create_subprocess_exec("sleep", "60", cwd=stage.pgdata)
    (stage.pgdata / "postmaster.pid").write_text("1\n")
    await stage.server.start()
    assert -3 == await asyncio.wait_for(left.wait(), 2.0)
    assert not (stage.pgdata / "postmaster.pid").exists()
    await stage.ended()


@pytest.mark.parametrize("lines", [1, 20_000])
async def test_the_log_never_holds_up_the_server(tmp_path: Path, lines: int) -> None:
    """A server that writes much, or one endless line, ends as soon as it wants to."""
    stage = Stage(
        tmp_path, f"yes 'LOG:  a line of the log' | head -n {lines} >&2; head -c 3000000 /dev/zero >&2; exit 0"
    )
    await stage.server.start()
    await stage.ended()
    assert [0] == stage.ends
