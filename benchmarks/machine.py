"""Describes the machine that a figure was measured on; a figure without it means nothing.

Says what decides speed and nothing that identifies the machine: no host name, address or path.
"""

import datetime as dt
import importlib.metadata
import os
import pathlib
import platform
import re
import shutil
import subprocess
from typing import TypedDict

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
TOOLS = {"postgresql": ("/usr/lib/postgresql/15/bin/postgres", "--version"), "rustc": ("rustc", "--version")}


class Machine(TypedDict):
    """What `describe` tells."""

    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    system: str
    versions: dict[str, str]
    load: float
    date: str
    commit: str


def describe(*packages: str) -> Machine:
    """Describe this machine now.

    Args:
        packages: Python packages whose versions matter to the figures.

    Returns:
        Cores that this process may use, memory in GiB, versions of Python, tools and packages, the load
        of the last minute when the bench began, the date (UTC), and the commit that was measured.
    """
    versions = {"python": platform.python_version(), **tool_versions()}
    versions |= {package: importlib.metadata.version(package) for package in packages}
    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release().partition("-")[0],
        "system": system_name(),
        "versions": versions,
        "load": round(os.getloadavg()[0], 2),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "commit": commit(),
    }


def commit(checkout: pathlib.Path = CHECKOUT) -> str:
    """Return the short hash of the checkout's commit, with "+" where tracked files differ; "unknown" without git."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    said = subprocess.run(
        [git, "-C", str(checkout), "describe", "--always", "--exclude=*", "--dirty=+", "--abbrev=12"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    return said.stdout.strip() if said.returncode == 0 else "unknown"


def cpu_model() -> str:
    """Read the model of the first processor."""
    found = re.search(r"^model name\s*:\s*(.+)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def system_name() -> str:
    """Read the name and version of the distribution."""
    release = platform.freedesktop_os_release()
    return release.get("PRETTY_NAME", release.get("ID", "unknown"))


def tool_versions() -> dict[str, str]:
    """Ask the tools that are installed for their versions."""
    versions = {}
    for name, (program, *arguments) in TOOLS.items():
        path = shutil.which(program)
        if path is None:
            continue
        said = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=10, check=True).stdout
        number = re.search(r"\d+(\.\d+)+", said)
        versions[name] = number[0] if number else said.strip()
    return versions
