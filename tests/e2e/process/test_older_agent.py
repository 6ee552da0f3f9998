"""A cohort amid an upgrade, with a real agent of an older commit: it votes, follows and leads like the others."""

import asyncio
import dataclasses
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from covet.core.agentapi import Serving
from tests.e2e.process.agents import ROOT, Agent
from tests.e2e.process.shard import Shard
from tests.e2e.process.test_faults import Writer

OLDER = "0ef257a"
"""A commit whose agent knows neither the topology of routers, nor two logins, nor a failover limit that grows."""


@dataclasses.dataclass(frozen=True)
class Version:
    """An agent's modules, and a Python that imports them and no others of Covet."""

    source: Path
    python: Path

    def install(self, agent: Agent) -> None:
        """Have an agent run this version from its next start on."""
        agent.source, agent.python = self.source, self.python


@pytest.fixture(scope="module")
def older() -> Iterator[Version]:
    """The older commit, in an environment of its own that shares the installed dependencies."""
    folder = Path(tempfile.mkdtemp(prefix="covet-older-"))
    folder.chmod(0o755)
    archive = folder / "operator.tar"
    git = ["git", "-C", str(ROOT), "archive", "--output", str(archive), OLDER, "operator"]
    done = subprocess.run(git, capture_output=True, text=True, timeout=60.0, check=False)
    if done.returncode:
        pytest.skip(f"the history has no commit {OLDER}: {done.stderr.strip()}")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    venv.create(folder / "venv", symlinks=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    # A folder named in such a file is searched, but its own files of this kind, which name this checkout, are not read.
    packages.joinpath("older.pth").write_text(f"{folder / 'operator'}\n{sysconfig.get_path('purelib')}\n")
    version = Version(folder / "operator", folder / "venv" / "bin" / "python")
    words = [str(version.python), "-I", "-c", "import covet.agent; print(covet.agent.__file__)"]
    found = subprocess.run(words, capture_output=True, text=True, timeout=60.0, check=True).stdout.strip()
    assert str(version.source / "covet" / "agent" / "__init__.py") == found
    yield version
    shutil.rmtree(folder)


@pytest.mark.long
async def test_i2_a_cohort_with_an_older_agent_loses_nothing_whoever_leads(older: Version) -> None:
    """A new leader dies, the older agent's vote elects another; it leads, dies, comes back; then it is upgraded."""
    shard = Shard(3)
    *_, old = shard.agents
    newer = Version(old.source, old.python)
    older.install(old)
    async with shard:
        await shard.birth()
        assert [str(older.python)] * 2 == [await program(pid) for pid in (old.pid, old.voter)]
        async with Writer(shard) as writer:
            await fail_over(shard, writer)
            await shard.switch_over(old)
            await writer.more(20)
            await fail_over(shard, writer)
            old.kill_everything()
            await shard.find_leader()
            await writer.more(20)
            newer.install(old)
            old.start()
            await shard.wait_serving()
            await shard.switch_over(old)
            await writer.more(20)
        await writer.check()


async def program(pid: int) -> str:
    """Return which program a process is running, as it was called."""
    line = await asyncio.to_thread(Path(f"/proc/{pid}/cmdline").read_bytes)
    return line.split(b"\0", 1)[0].decode()


async def fail_over(shard: Shard, writer: Writer) -> None:
    """Kill every process of the leader, wait for another one, and have the former back as a replica."""
    former = shard.leader
    former.kill_everything()
    await shard.find_leader()
    assert former is not shard.leader
    await writer.more(20)
    former.start()
    await shard.wait(former, lambda status: status.serving is Serving.READ_ONLY)
