"""What a running agent asks of the kernel when it promises, as strace sees it."""

import asyncio
import collections
import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from tests.e2e.process.shard import Shard

CALLS = "trace=fsync,rename,renameat,renameat2"
PATIENCE = 30.0

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (apt install strace)")


async def attach(pid: int, trace: Path) -> asyncio.subprocess.Process:
    """Trace a process with its threads from now on; skip where the kernel forbids that."""
    command = ["strace", "-f", "-y", "-qq", "-e", CALLS, "-o", str(trace), "-p", str(pid)]
    with trace.with_suffix(".said").open("wb") as said:
        strace = await asyncio.create_subprocess_exec(*command, stderr=said)
    async with asyncio.timeout(PATIENCE):
        while not is_traced(pid):
            if strace.returncode is not None:
                pytest.skip(f"nothing may be traced here: {trace.with_suffix('.said').read_text().strip()}")
            await asyncio.sleep(0.02)
    return strace


def is_traced(pid: int) -> bool:
    """Tell whether somebody traces every thread of a process."""
    threads = list(Path(f"/proc/{pid}/task").iterdir())
    return not any("TracerPid:\t0\n" in (thread / "status").read_text() for thread in threads)


def calls(trace: str, name: str) -> list[tuple[str, str, str]]:
    """Return the renames to a file, each with the call before and the call after it in its thread."""
    threads: dict[str, list[str]] = collections.defaultdict(list)
    for line in trace.splitlines():
        thread, _, call = line.partition(" ")
        if "resumed>" not in call:
            threads[thread].append(call.strip())
    return [
        (before, call, after)
        for said in threads.values()
        for before, call, after in zip(["", *said], said, [*said[1:], ""], strict=False)
        if call.startswith("rename") and f'/{name}"' in call
    ]


@needs_strace
async def test_i1_a_running_agent_syncs_a_promise_before_and_after_its_name(one: Shard, tmp_path: Path) -> None:
    """Each promise: the new file is on the disk, then it gets the name, then the folder is on the disk."""
    agent = one.leader
    before = (await one.status(agent)).promise
    strace = await attach(agent.pid, tmp_path / "trace")
    try:
        assert agent.postmaster is not None
        os.kill(agent.postmaster, signal.SIGKILL)
        await one.wait(agent, lambda status: status.promise > before)
        # The answer says what is on the disk; its thread may still be on the way back from there.
        async with asyncio.timeout(PATIENCE):
            while not (found := calls((tmp_path / "trace").read_text(), "promise.json")) or not found[-1][2]:  # noqa: ASYNC110  no event
                await asyncio.sleep(0.05)
    finally:
        # Without a word to strace: asked to end amid a fork it may wait for ever, and the agent with it.
        strace.kill()
        await strace.wait()
    folder = agent.data / "agent"
    for synced, renamed, folder_synced in found:
        fresh = re.match(r'rename(?:at2?)?\(.*?"([^"]+)"', renamed)
        assert fresh is not None
        assert f"<{fresh[1]}>" in synced, synced
        assert ["fsync", "fsync"] == [call.partition("(")[0] for call in (synced, folder_synced)]
        assert f"<{folder}>" in folder_synced, folder_synced
