"""The processes of a devcluster's pods, as the machine's kernel sees them: killed and frozen, nobody asked."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import time
from typing import Final

from covet.engines import processes
from covet.manifests.pods import DATA
from tests.e2e.devcluster.layout import NodeLayout

GROUPS: Final = pathlib.Path("/sys/fs/cgroup")
END_SECONDS: Final = 10.0


@dataclasses.dataclass(frozen=True)
class Pod:
    """A pod that runs.

    Args:
        name: of the pod.
        uid: of the pod; a new one of the same name has another.
        address: IP address.
        node: where it runs.
    """

    name: str
    uid: str
    address: str
    node: NodeLayout

    def group(self) -> pathlib.Path:
        """Return its control group of the freezer.

        Raises:
            FileNotFoundError: the node has none.
        """
        for root in (GROUPS / "freezer", GROUPS):
            found = sorted((root / self.node.cgroup.lstrip("/")).glob(f"kubepods/**/pod{self.uid}"))
            if found:
                return found[0]
        raise FileNotFoundError(f"{self.name} has no control group on {self.node.name}")

    def members(self) -> list[int]:
        """Return every process of its containers; the sandbox has a group of its own and is left out."""
        found = []
        for group in self.group().iterdir():
            if group.is_dir():
                pids = [int(word) for word in (group / "cgroup.procs").read_text().split()]
                if not any(processes.command(pid).endswith(b"pause\0") for pid in pids):
                    found += pids
        return found

    def postmaster(self) -> int:
        """Return the server's first process.

        Raises:
            ProcessLookupError: no server runs.
        """
        return self._find("server", b"/bin/postgres\0-D\0")

    def voter(self) -> int:
        """Return the voter's process.

        Raises:
            ProcessLookupError: none runs.
        """
        return self._find("voter", b"\0covet.agent.voter\0")

    def agent(self) -> int:
        """Return the agent's process, the first of the container.

        Raises:
            ProcessLookupError: none runs.
        """
        return self._find("agent", b"\0covet.agent\0")

    def backends(self) -> list[int]:
        """Return the processes that serve sessions of the application."""
        return [pid for pid in self.members() if b": app app " in processes.command(pid)]

    def volume(self) -> pathlib.Path:
        """Return the instance's volume, by way of its agent's mounts."""
        return pathlib.Path(f"/proc/{self.agent()}/root{DATA}")

    def _find(self, what: str, word: bytes) -> int:
        for pid in self.members():
            if word in processes.command(pid):
                return pid
        raise ProcessLookupError(f"{self.name} has no {what}")

    def kill(self) -> None:
        """Kill every process of its containers and wait until they are gone; the sandbox lives on."""
        deadline = time.monotonic() + END_SECONDS
        pids = self.members()
        while pids:
            if time.monotonic() > deadline:
                raise TimeoutError(f"processes {pids} of {self.name} do not end")
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
            pids = [pid for pid in pids if processes.command(pid)]

    def await_end(self) -> None:
        """Wait until no process of its containers is left."""
        deadline = time.monotonic() + END_SECONDS
        with contextlib.suppress(FileNotFoundError):
            while self.members():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self.name} does not end")
                time.sleep(0.01)

    def freeze(self, *, frozen: bool) -> None:
        """Stop every process of the pod where it is, or let all go on."""
        group = self.group()
        if (group / "freezer.state").exists():
            (group / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
        else:
            (group / "cgroup.freeze").write_text("1" if frozen else "0")
