"""A world of the bench's own: processes, network, mounts and shared memory that all end with it.

The bench breaks networks and kills processes. In namespaces of its own it can reach nobody else's, and
nothing that it broke outlives it: when the first process of the world ends, the kernel ends the rest.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
from typing import Final

INSIDE: Final = "COVET_NEMESIS_INSIDE"
NAMESPACES: Final = ("--net", "--pid", "--ipc", "--mount", "--mount-proc", "--fork", "--kill-child")
PREFIX: Final = "10.90.0"
"""Network of the members: .1, .2, ...; the clients are at .254."""

RULES: Final = """
table inet nemesis {
  set deaf { type ipv4_addr; flags interval, timeout; }
  set mute { type ipv4_addr; flags interval, timeout; }
  chain incoming { type filter hook input priority 0; iifname "eth0" ip saddr @deaf drop; }
  chain outgoing { type filter hook output priority 0; oifname "eth0" ip daddr @mute drop; }
}
"""


def enter() -> None:
    """Go on in a world of our own, unless we are in it.

    Raises:
        SystemExit: no right to make one, or a program for it is missing.
    """
    if os.environ.get(INSIDE):
        return
    if os.geteuid() != 0:
        sys.exit("The failure bench makes namespaces and signals other users' processes: run it as root.")
    missing = [program for program in ("unshare", "nsenter", "ip", "nft") if shutil.which(program) is None]
    if missing:
        sys.exit(f"The failure bench needs {', '.join(missing)}: apt install util-linux iproute2 nftables")
    command = ["unshare", *NAMESPACES, sys.executable, "-m", "benchmarks.nemesis.sandbox", *sys.argv[1:]]
    os.execvp(command[0], command)  # noqa: S606  no shell is meant


def run(*command: str, text: str | None = None) -> None:
    """Run a program of the system to its end.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run(command, input=text, check=True, capture_output=True, text=True, timeout=20.0)


def first() -> int:
    """Be the first process of the world: start the bench, reap orphans, return the bench's exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # a first process has no default
    run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/dev/shm")  # noqa: S108  a new one of our own
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "br0", "type", "bridge")
    run("ip", "address", "add", f"{PREFIX}.254/24", "dev", "br0")
    run("ip", "link", "set", "br0", "up")
    command = [sys.executable, "-m", "benchmarks.nemesis", *sys.argv[1:]]
    bench = subprocess.Popen(command, env=os.environ | {INSIDE: "1"})
    while True:
        pid, status = os.wait()
        if pid == bench.pid:
            bench.returncode = os.waitstatus_to_exitcode(status)
            return bench.returncode


class Node:
    """The network of one member, joined to the others by a bridge.

    Args:
        index: from 0.
    """

    def __init__(self, index: int) -> None:
        self.address = f"{PREFIX}.{index + 1}"
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.prefix = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net"]
        """What a command begins with that runs in this network."""
        self._await_namespace()
        self._outer = f"member{index}"
        run("ip", "link", "add", self._outer, "type", "veth", "peer", "name", "eth0", "netns", str(self._holder.pid))
        run("ip", "link", "set", self._outer, "master", "br0", "up")
        run(*self.prefix, "ip", "link", "set", "lo", "up")
        run(*self.prefix, "ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        run(*self.prefix, "ip", "link", "set", "eth0", "up")
        run(*self.prefix, "nft", "-f", "-", text=RULES)

    def cut(self, *, deaf: bool = True, mute: bool = True, peers: tuple[str, ...] = (f"{PREFIX}.0/24",)) -> None:
        """Drop what is exchanged with peers; nobody is told.

        Args:
            deaf: what comes from them.
            mute: what goes to them.
            peers: addresses or networks.
        """
        sides = [name for name, wanted in (("deaf", deaf), ("mute", mute)) if wanted]
        text = "".join(f"add element inet nemesis {side} {{ {', '.join(peers)} }}\n" for side in sides)
        run(*self.prefix, "nft", "-f", "-", text=text)

    def stall(self, seconds: float) -> None:
        """Drop everything for so long; the kernel ends it, however busy the machine is."""
        held = f"{{ {PREFIX}.0/24 timeout {round(seconds * 1000)}ms }}"
        text = "".join(f"add element inet nemesis {side} {held}\n" for side in ("deaf", "mute"))
        run(*self.prefix, "nft", "-f", "-", text=text)

    def mend(self) -> None:
        """Let everything through again."""
        run(*self.prefix, "nft", "-f", "-", text="flush set inet nemesis deaf\nflush set inet nemesis mute\n")

    def remove(self) -> None:
        """Give the network up.

        The namespace goes some time after the last process in it, and its cable with it: too late for the next
        shard, which names its cables alike.
        """
        run("ip", "link", "delete", self._outer)
        self._holder.kill()
        self._holder.wait(10.0)

    def _await_namespace(self) -> None:
        """Wait until the holder has left our network for its own."""
        ours = pathlib.Path("/proc/self/ns/net").readlink()
        theirs = pathlib.Path(f"/proc/{self._holder.pid}/ns/net")
        while theirs.readlink() == ours:
            os.sched_yield()


if __name__ == "__main__":
    sys.exit(first())
