"""One agent as a local process: started as a user that PostgreSQL accepts, broken by signals."""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path

from covet.core.agentapi import Peer, ShardSpec
from covet.engines import processes
from covet.peers import codec
from tests.e2e.process.authority import Authority

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
USER = "postgres"
FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), Path("libfaketimeMT.so.1"))
"""Stands between a process and its wall clock; of Debian's package libfaketime."""
ROOT = Path(__file__).resolve().parents[3]
MEASURED = "COVERAGE_PROCESS_START" in os.environ
"""The agents' coverage is wanted: they have to end in order, or they write nothing."""


class Agent:
    """An agent's folder, settings and process.

    Args:
        folder: everything of this instance lies below it.
        peer: its name, address and ports.
        authority: signs its certificate.

    Attributes:
        metrics_port: port of the plain metrics; 0, for none, unless a test sets it before the start.
        source: where the agent's modules lie, and
        python: which finds the same ones without being told, for the voter: a test may take another commit's.
    """

    def __init__(self, folder: Path, peer: Peer, authority: Authority) -> None:
        self.peer = peer
        self.folder = folder
        self.data = folder / "data"
        self.pgdata = self.data / "pgdata"
        self.tls = folder / "tls"
        self.log = folder / "agent.log"
        self.metrics_port = 0
        self.source = ROOT / "operator"
        self.python = Path(sys.executable)
        self.clock = folder / "clock"
        self._spec = folder / "spec.json"
        self._process: subprocess.Popen[bytes] | None = None
        for path in (folder, self.data, folder / "run"):
            path.mkdir(parents=True, exist_ok=True)
            give(path)
        authority.issue(self.tls, peer.instance, (peer.address,))

    def mount_spec(self, spec: ShardSpec) -> None:
        """Write the spec where a ConfigMap would be mounted."""
        temporary = self._spec.with_suffix(".new")
        temporary.write_bytes(codec.encode(spec))
        temporary.chmod(0o644)
        temporary.rename(self._spec)

    def environment(self) -> dict[str, str]:
        """Return the environment of an agent."""
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(self.source),
            "PYTHONSAFEPATH": "1",
            "COVET_INSTANCE": self.peer.instance,
            "COVET_SPEC": str(self._spec),
            "COVET_TLS": str(self.tls),
            "COVET_DATA": str(self.data),
            "COVET_RUN": str(self.folder / "run"),
            "COVET_LISTEN": self.peer.address,
            "COVET_PG_BIN": str(PROGRAMS),
            "COVET_METRICS_PORT": str(self.metrics_port),
        }

    def step_clock(self, offset: str) -> None:
        """Set how far the wall clock of everything that starts here is off, `+3600` or `-3600` seconds.

        What runs already sees it within a second, if the clock was set before it was started.
        """
        self.clock.write_text(f"{offset}\n")
        self.clock.chmod(0o644)

    def _false_clock(self) -> list[str]:
        """Return what puts libfaketime between a program and the wall clock, nothing for one without its own clock.

        It comes after the change of the user: the library makes a semaphore, and has to open it again.
        """
        if not self.clock.exists():
            return []
        return [
            "env",
            f"LD_PRELOAD={FAKETIME}",
            f"FAKETIME_TIMESTAMP_FILE={self.clock}",
            "FAKETIME_CACHE_DURATION=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "NO_FAKE_STAT=1",
        ]

    def start(self) -> None:
        """Start the agent's process."""
        environment = self.environment()
        if MEASURED:
            # The agent's user may write nowhere in the checkout but into the folder of the parts.
            environment["COVERAGE_PROCESS_START"] = os.environ["COVERAGE_PROCESS_START"]
            environment["COVERAGE_FILE"] = str(ROOT / ".coverage-parts" / "agent")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*unprivileged(), *self._false_clock(), str(self.python), "-m", "covet.agent"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )

    @property
    def pid(self) -> int:
        """Process id of the agent."""
        assert self._process is not None, "the agent was not started"
        return self._process.pid

    @property
    def voter(self) -> int:
        """Process id of the voter."""
        return next(pid for pid in processes.children(self.pid) if b"covet.agent.voter" in command(pid))

    @property
    def postmaster(self) -> int | None:
        """Process id of the server, as its data directory says; None while there is none."""
        try:
            return int((self.pgdata / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    @property
    def exit_code(self) -> int | None:
        """How the agent ended; None while it runs."""
        return self._process.poll() if self._process else None

    def server_processes(self) -> tuple[int, ...]:
        """Every process of the instance's data directory."""
        return processes.of_folder(self.pgdata)

    def superuser(self, *statements: str) -> str:
        """Run statements as the superuser over the unix socket and return what psql prints."""
        command = [*unprivileged(), str(PROGRAMS / "psql"), "-XAtq", "-h", str(self.folder / "run")]
        command += ["-p", str(self.peer.sql_port), "-U", "covet", "-d", "postgres"]
        for statement in statements:
            command += ["-c", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30.0).stdout.strip()

    def send(self, number: signal.Signals) -> None:
        """Signal the agent alone."""
        os.kill(self.pid, number)

    def wait(self, limit: float = 30.0) -> int:
        """Wait until the agent has ended and return its exit code."""
        assert self._process is not None, "the agent was not started"
        return self._process.wait(limit)

    def terminate(self, limit: float = 30.0) -> int:
        """Ask the agent to end in order and return its exit code."""
        assert self._process is not None, "the agent was not started"
        self._process.terminate()
        return self._process.wait(limit)

    def kill(self) -> None:
        """Kill the agent alone: its voter ends by itself, its server is orphaned."""
        assert self._process is not None, "the agent was not started"
        self._process.kill()
        self._process.wait(10.0)

    def kill_everything(self) -> None:
        """Kill agent, voter, server and every program of theirs at once, as the end of a pod does.

        A program that survived its agent, such as initdb, would clean up in what the next one makes.
        """
        family: dict[int, bytes] = {}
        if self._process is not None and self._process.poll() is None:
            # Stopped, it starts nobody while its descendants are counted.
            self._process.send_signal(signal.SIGSTOP)
            family = descendants(self._process.pid)
            self._process.kill()
            self._process.wait(10.0)
        deadline = time.monotonic() + 10.0
        while remaining := {*self.server_processes(), *(pid for pid, born in family.items() if birth(pid) == born)}:
            assert time.monotonic() < deadline, f"processes {remaining} of {self.pgdata} do not end"
            for pid in remaining:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def end(self) -> None:
        """End everything without ceremony, but let the server take its shared memory along."""
        self.thaw_server()
        if self._process is not None and self._process.poll() is None:
            if MEASURED:
                self.terminate()
            self._process.kill()
            self._process.wait(10.0)
        self._signal_server(signal.SIGQUIT)
        deadline = time.monotonic() + 3.0
        while self.server_processes() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.kill_everything()

    def freeze_server(self) -> None:
        """Stop every process of the server, as a stalled host would."""
        stopped: frozenset[int] = frozenset()
        # A process that was forked while the others were stopped is found by the next look.
        while fresh := frozenset(self.server_processes()) - stopped:
            for pid in fresh:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            stopped |= fresh

    def thaw_server(self) -> None:
        """Let a frozen server go on."""
        self._signal_server(signal.SIGCONT)

    def _signal_server(self, number: signal.Signals) -> None:
        for pid in self.server_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def unprivileged() -> list[str]:
    """Return the prefix of a command that must not run as root.

    The user keeps the right to read: interpreter and checkout may lie in root's home.
    """
    if os.geteuid() != 0:
        return []
    capability = "-all,+dac_read_search"
    return [
        "setpriv",
        f"--reuid={USER}",
        f"--regid={USER}",
        "--init-groups",
        f"--bounding-set={capability}",
        f"--inh-caps={capability}",
        f"--ambient-caps={capability}",
    ]


def give(path: Path) -> None:
    """Give a folder to the user that the agents run as."""
    if os.geteuid() == 0:
        user = pwd.getpwnam(USER)
        os.chown(path, user.pw_uid, user.pw_gid)


def descendants(pid: int) -> dict[int, bytes]:
    """Return every process below a process, each with the moment of its birth: numbers come again."""
    found: dict[int, bytes] = {}
    for child in processes.children(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGSTOP)
        if born := birth(child):
            found[child] = born
        found |= descendants(child)
    return found


def birth(pid: int) -> bytes:
    """Return when a process began, in ticks since the machine did; empty once it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()
    except OSError:
        return b""
    return b"" if fields[0] in {b"Z", b"X"} else fields[19]


def command(pid: int) -> bytes:
    """Return a process's command line, empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
