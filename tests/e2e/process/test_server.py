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
    stage = Stage(tmp_path, 'trap "" INT QUIT; cd "$2"; touch postmaster.pid up; while :; do sleep 0.1; done')
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
    locks = stage.pgdata / "postmaster.pid", tmp_path / ".s.PGSQL.5432.lock"
    for lock in locks:
        lock.write_text("1\n")
    await stage.server.start(*locks)
    assert -3 == await asyncio.wait_for(left.wait(), 2.0)
    assert [False, False] == [lock.exists() for lock in locks]
    await stage.ended()


async def test_a_stop_that_leaves_processes_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that nothing ends make the stop fail, and a start too; they are never passed over."""
    stage = Stage(tmp_path, "exit 0")

    async def stays(_folder: Path) -> bool:
        return False

    monkeypatch.setattr(processes, "reap_folder", stays)
    with pytest.raises(TimeoutError):
        await stage.server.stop(fast_seconds=0.1)
    with pytest.raises(TimeoutError):
        await stage.server.start()


async def test_processes_of_a_removed_folder_are_found(tmp_path: Path) -> None:
    """A process whose data directory was removed under it is ended like the others."""
    folder = tmp_path / "pgdata"
    folder.mkdir()
    left = await asyncio.create_subprocess_exec("sleep", "60", cwd=folder)
    folder.rmdir()
    assert (left.pid,) == processes.of_folder(folder)
    assert await processes.reap_folder(folder) is True
    assert await asyncio.wait_for(left.wait(), 2.0) < 0


@pytest.mark.parametrize("lines", [1, 20_000])
async def test_the_log_never_holds_up_the_server(tmp_path: Path, lines: int) -> None:
    """A server that writes much, or one endless line, ends as soon as it wants to."""
    stage = Stage(
        tmp_path, f"yes 'LOG:  a line of the log' | head -n {lines} >&2; head -c 3000000 /dev/zero >&2; exit 0"
    )
    await stage.server.start()
    await stage.ended()
    assert [0] == stage.ends
