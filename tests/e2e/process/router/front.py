"""A plain PostgreSQL with TLS and passwords, and a router in front of it, as processes on loopback."""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from typing import Final, Self

from tests.e2e.process.authority import Authority
from tools import bootstrap

PROGRAMS: Final = pathlib.Path("/usr/lib/postgresql/15/bin")
UNPRIVILEGED: Final = "postgres" if os.getuid() == 0 else None
LIMIT: Final = 60.0
"""Seconds that a program may take to start or stop; a loaded machine needs many."""
USER: Final = "app"
PASSWORD: Final = "correct horse"  # noqa: S105 - of a server that lives as long as its tests
DATABASE: Final = "shop"


def binary() -> pathlib.Path:
    """Build the router with the profile of the Rust tests, which have compiled most of it, and return its program."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", bootstrap.CACHE / "cargo-target"))
    command = ["cargo", "build", "--locked", "--quiet", "--profile", "test", "-p", "covet-router"]
    environment = os.environ | {"CARGO_TARGET_DIR": str(target)}
    subprocess.run(command, cwd=bootstrap.ROOT / "rust-hasher", env=environment, timeout=280, check=True)
    return target / "debug" / "covet-router"


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on at present."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Server:
    """A server that takes user `app` over TLS with SCRAM alone.

    Args:
        folder: for its files; the server's user may work in it.
        authority: issues its certificate.
    """

    def __init__(self, folder: pathlib.Path, authority: Authority) -> None:
        self.folder = folder
        self.port = free_ports(1)[0]
        self.verifier = ""
        tls = authority.issue(folder / "tls", "s0-a", ("127.0.0.1",))
        if UNPRIVILEGED is not None:
            shutil.chown(folder, UNPRIVILEGED)
            shutil.chown(tls / "tls.key", UNPRIVILEGED)
        (tls / "tls.key").chmod(0o600)
        _run("initdb", "-D", self.data, "-A", "trust", "-U", "covet", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        hba = "local all covet trust\nhostssl all app 127.0.0.1/32 scram-sha-256\n"
        (folder / "data" / "pg_hba.conf").write_text(hba)

    @property
    def data(self) -> str:
        """Its data directory."""
        return str(self.folder / "data")

    def start(self) -> None:
        """Start it and wait until it serves."""
        tls = self.folder / "tls"
        files = f"-c ssl=on -c ssl_cert_file={tls}/tls.crt -c ssl_key_file={tls}/tls.key"
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off {files}"
        log = str(self.folder / "log")
        _run("pg_ctl", "-D", self.data, "-l", log, "-o", options, "-w", "-t", str(int(LIMIT)), "start")
        if not self.verifier:
            self.psql(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
            self.psql(f"CREATE DATABASE {DATABASE} OWNER {USER}")
            self.verifier = self.psql("SELECT rolpassword FROM pg_authid WHERE rolname = 'app'")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it and wait until it is gone."""
        _run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", str(int(LIMIT)), "stop")

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Run a statement as the superuser, past the router, and return its values."""
        command = ["psql", "-XAtq", "-h", str(self.folder), "-p", str(self.port), "-U", "covet", "-c", sql, database]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True)
        return done.stdout.strip()


def _run(program: str, *arguments: str) -> None:
    subprocess.run(
        [PROGRAMS / program, *arguments], user=UNPRIVILEGED, cwd="/", stdout=subprocess.DEVNULL, timeout=90, check=True
    )


@dataclasses.dataclass(frozen=True)
class Upstream:
    """A server that somebody else runs.

    Args:
        port: where it listens on loopback.
        verifier: of user `app` there.
    """

    port: int
    verifier: str


class Front:
    """A router before one server.

    Args:
        program: the router.
        folder: for its files.
        authority: issues its certificate, and that of the server.
        server: where its sessions go.
        changes: sections of its configuration that differ, by name.
    """

    def __init__(
        self,
        program: pathlib.Path,
        folder: pathlib.Path,
        authority: Authority,
        server: Server | Upstream,
        **changes: object,
    ) -> None:
        self.port, self.admin = free_ports(2)
        self.folder = folder
        tls = authority.issue(folder / "front-tls", "covet-router", ("127.0.0.1",))
        self.authority = tls / "ca.crt"
        (folder / "verifier").write_text(server.verifier)
        self.document: dict[str, object] = {
            "version": 1,
            "cluster": {"name": "shop", "uid": "uid"},
            "listen": {"address": "127.0.0.1", "primary": self.port, "admin": self.admin},
            "workers": 1,
            "tls": {
                "certificate": str(tls / "tls.crt"),
                "key": str(tls / "tls.key"),
                "authority": str(self.authority),
            },
            "users": [{"name": USER, "verifierFile": str(folder / "verifier")}],
            "databases": [{"name": DATABASE}],
            "pool": {"max": 2, "waitSeconds": 60, "holdSeconds": 120},
            "shards": [{"name": "s0", "instances": [{"name": "s0-a", "address": "127.0.0.1", "port": server.port}]}],
            **changes,
        }
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """Its process, which has to run."""
        assert self._process is not None
        return self._process

    def write(self) -> pathlib.Path:
        """Write its configuration anew, and return where."""
        path = self.folder / "router.json"
        temporary = self.folder / ".router.json"
        temporary.write_text(json.dumps(self.document))
        temporary.rename(path)
        return path

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        with (self.folder / "router.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "--config", self.write()], stdout=log, stderr=log)
        end = time.monotonic() + LIMIT
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError(self.log())

    def log(self) -> str:
        """Return what it has logged."""
        return (self.folder / "router.log").read_text()

    def close(self) -> None:
        """Stop it, whatever its clients do."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(LIMIT)
