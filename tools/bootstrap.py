#!/usr/bin/env python3
"""Bring a machine to the point where `make` can do the rest.

Standard library only, for it runs before anything is installed. It looks first and installs only
what is missing: Debian packages by name, a Rust toolchain where the one at hand is too old, uv in a
folder of its own, and the wheels of the lock file in `.venv`. The Go toolchain is the devcluster's
business, which fetches it only when it has to compile.

    python3 tools/bootstrap.py              what every verb of the Makefile needs
    python3 tools/bootstrap.py demo         what `make demo` needs, and no more
    python3 tools/bootstrap.py --check      say what is missing, install nothing
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(
    os.environ.get("COVET_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "covet"
)
KIND_HOME = CACHE / "kind"
"""Holds one folder per kind cluster of ours, with its kubeconfig."""
UV_VERSION = "0.13.9"
RUST_NEEDED = (1, 85)
RUST_TOOLS = {"cargo-clippy": "rust-web-clippy", "cargo-fmt": "rustfmt-web"}

ALL, DEMO = "all", "demo"
NODES, BUILDERS = "the three-node cluster", "images"
SERVER, CLOCKS, ALERTS = "PostgreSQL 15 for the process tests", "wall clocks that tests step", "alerts and dashboards"
PACKAGES = {
    "compilers and headers": {"gcc": "gcc", "git": "git", "make": "make", "/usr/include/stdio.h": "libc6-dev"},
    SERVER: {"/usr/lib/postgresql/15/bin/initdb": "postgresql-15"},
    CLOCKS: {"faketime": "faketime"},
    NODES: {
        "containerd": "containerd",
        "runc": "runc",
        "/usr/lib/cni/bridge": "containernetworking-plugins",
        "iptables": "iptables",
        "nft": "nftables",
        "conntrack": "conntrack",
        "ip": "iproute2",
        "mkfs.xfs": "xfsprogs",
        "losetup": "mount",
        "nsenter": "util-linux",
        "sysctl": "procps",
    },
    ALERTS: {"promtool": "prometheus"},
    BUILDERS: {"buildah": "buildah", "mmdebstrap": "mmdebstrap"},
}
"""Purpose -> {a program on PATH or an absolute path that proves presence: the Debian package}."""

SERVICE_POLICY = pathlib.Path("/usr/sbin/policy-rc.d")
NO_SERVICE_STARTS = """\
#!/bin/sh
# Written for one installation by Covet's tools/bootstrap.py: 101 forbids every start of a service.
exit 101
"""


def say(sentence: str) -> None:
    """Print one line of progress at once, also into a pipe."""
    print(f"bootstrap: {sentence}", flush=True)


def stop(sentence: str) -> "None":
    """Say why nothing more can be done, and end."""
    sys.exit(f"bootstrap: {sentence}")


def run(*argv: str, env: "dict[str, str] | None" = None) -> None:
    """Run a program, show its output, and stop with its name when it fails."""
    begun = time.monotonic()
    result = subprocess.run(argv, cwd=ROOT, env={**os.environ, **(env or {})}, check=False)
    if result.returncode != 0:
        stop(f"{' '.join(argv)} failed with {result.returncode}; its output above says why")
    if time.monotonic() - begun > 5:
        say(f"{argv[0]} took {time.monotonic() - begun:.0f} s")


def version_of(program: str, *argv: str) -> "tuple[int, int]":
    """Return (major, minor) that a program prints, (0, 0) where it is not there."""
    path = shutil.which(program)
    if path is None:
        return (0, 0)
    printed = subprocess.run([path, *argv], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)\.(\d+)", printed)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def present(proof: str) -> bool:
    """Tell whether a program or file is there; /usr/sbin counts even where PATH leaves it out."""
    if proof.startswith("/"):
        return pathlib.Path(proof).exists()
    return shutil.which(proof, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def has_docker() -> bool:
    """Tell whether a Docker engine answers; a client alone does not count."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "info"], capture_output=True, check=False, timeout=30).returncode == 0


def uses_kind(environ: "Mapping[str, str]" = os.environ) -> bool:
    """Tell whether the cluster is kind's: everything that builds, loads or installs for one or the other asks here.

    Args:
        environ: environment variables; a KUBECONFIG counts only if it is one that we wrote for kind.
    """
    given = environ.get("KUBECONFIG", "")
    ours = not given or KIND_HOME.resolve() in pathlib.Path(given).resolve().parents
    return ours and shutil.which("kind") is not None and has_docker()


def purposes(verb: str, environ: "Mapping[str, str]" = os.environ) -> "set[str]":
    """Return the purposes of PACKAGES that matter here for `demo`, or for `all` verbs."""
    needless = {SERVER, CLOCKS, ALERTS} if verb == DEMO else set()
    if uses_kind(environ):
        needless |= {NODES, BUILDERS}
    if verb == DEMO and environ.get("KUBECONFIG"):
        needless |= {NODES}
    return set(PACKAGES) - needless


def missing_packages(verb: str = ALL) -> "dict[str, list[str]]":
    """Return purpose -> Debian packages that are not installed here and that `demo`, or `all` verbs, need."""
    wanted = purposes(verb)
    missing = {}
    for why, need in PACKAGES.items():
        if why in wanted:
            missing[why] = [name for proof, name in sorted(need.items()) if not present(proof)]
    missing["Rust, at least 1.85"] = missing_rust(RUST_TOOLS if verb == ALL else {})
    if uv_path() is None and not venv_works():
        missing["uv in a folder of its own"] = ["python3-venv"]
    return {why: names for why, names in missing.items() if names}


def missing_rust(tools: "Mapping[str, str]" = RUST_TOOLS, debian_cargo: str = "/usr/bin/cargo") -> "list[str]":
    """Return Debian's packages of Rust: all of them where none is new enough, else what Debian's own lacks.

    A newer toolchain from elsewhere is completed by its owner: cargo names the component, Debian's would not fit it.

    Args:
        tools: program of linter or formatter -> package, where they are wanted.
        debian_cargo: the cargo that Debian's package installs.
    """
    if version_of("rustc", "--version") < RUST_NEEDED or version_of("cargo", "--version") < RUST_NEEDED:
        return ["rustc-web", "cargo-web", *tools.values()]
    if shutil.which("cargo") != debian_cargo:
        return []
    return [package for program, package in tools.items() if not present(program)]


def venv_works() -> bool:
    """Tell whether this Python can make a virtual environment with pip (Debian splits it off)."""
    probe = [sys.executable, "-c", "import venv, ensurepip"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def uv_path() -> "pathlib.Path | None":
    """Return the uv to use: our own if made before, else one on PATH."""
    own = CACHE / "uv" / UV_VERSION / "bin" / "uv"
    if own.exists():
        return own
    found = shutil.which("uv")
    return pathlib.Path(found) if found else None


def install_packages(missing: "dict[str, list[str]]") -> None:
    """Install Debian packages, or stop with the line to run where this user may not."""
    names = sorted({name for group in missing.values() for name in group})
    if not names:
        return
    listing = "; ".join(f"{' '.join(group)} ({why})" for why, group in missing.items())
    if shutil.which("apt-get") is None:
        stop(f"missing here: {listing}. This is no Debian: install their counterparts by hand")
    if os.geteuid() != 0:
        stop(f"missing here: {listing}. Run as root: apt-get install --no-install-recommends {' '.join(names)}")
    say(f"installing Debian packages: {listing}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with services_stay_off():
        run("apt-get", "update", "-qq", env=quiet)
        run("apt-get", "install", "-qq", "-y", "--no-install-recommends", *names, env=quiet)


@contextlib.contextmanager
def services_stay_off(policy: pathlib.Path = SERVICE_POLICY) -> "Iterator[None]":
    """Have Debian's packages start no service meanwhile: no containerd, PostgreSQL or Prometheus of theirs is wanted.

    Their scripts ask `policy` before they start anything. One that this machine has already decides as before;
    one of ours that a killed run left behind is taken over.
    """
    there = os.path.lexists(policy)
    if there and (policy.is_symlink() or policy.read_bytes() != NO_SERVICE_STARTS.encode()):
        yield
        return
    policy.write_text(NO_SERVICE_STARTS)
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def install_uv() -> pathlib.Path:
    """Return a working uv, installed into the cache where the machine has none."""
    found = uv_path()
    if found is not None:
        return found
    home = CACHE / "uv" / UV_VERSION
    say(f"installing uv {UV_VERSION}")
    run(sys.executable, "-m", "venv", str(home))
    run(str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", f"uv=={UV_VERSION}")
    return home / "bin" / "uv"


def sync(uv: pathlib.Path) -> None:
    """Make `.venv` what the lock file says, the Rust binding compiled."""
    say("installing the wheels of the lock file")
    env = {"CARGO_TARGET_DIR": str(CACHE / "cargo-target"), "UV_LINK_MODE": "copy"}
    run(str(uv), "sync", "--frozen", "--python", sys.executable, "--no-python-downloads", env=env)


def prepare(verb: str = ALL) -> None:
    """Install what is missing for `demo`, or for `all` verbs; return when `make` can do the rest."""
    install_packages(missing_packages(verb))
    sync(install_uv())


def main() -> None:
    """Look, install what is missing, and say that all is there."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("verb", nargs="?", choices=[ALL, DEMO], default=ALL, help="what is to be run afterwards")
    arguments.add_argument("--check", action="store_true", help="only say what is missing")
    chosen = arguments.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 - this file alone may be started by an older Python, to say so
        stop(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    if not chosen.check:
        prepare(chosen.verb)
        say("ready")
        return
    missing = missing_packages(chosen.verb)
    for why, names in missing.items():
        say(f"missing for {why}: {' '.join(names)}")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
