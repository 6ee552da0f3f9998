"""Find out at once what the machine lacks, and say all of it in one message."""

import os
import pathlib
import shutil

from tests.e2e.devcluster.command import run
from tests.e2e.devcluster.errors import DevclusterError
from tests.e2e.devcluster.layout import state_root

MINIMAL_DISK_GIB = 8
# Program to look for, Debian package that brings it.
PROGRAMS = {
    "/usr/bin/containerd": "containerd",
    "/usr/bin/ctr": "containerd",
    "/usr/sbin/runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "/usr/sbin/iptables": "iptables",
    "/usr/sbin/nft": "nftables",
    "/usr/sbin/conntrack": "conntrack",
    "/usr/sbin/ip": "iproute2",
    "/usr/sbin/sysctl": "procps",
    "/usr/sbin/mkfs.xfs": "xfsprogs",
    "/usr/sbin/xfs_growfs": "xfsprogs",
    "/usr/sbin/losetup": "mount",
    "/usr/bin/unshare": "util-linux",
}


def check() -> None:
    """Raise DevclusterError that lists everything missing, with the command that installs it."""
    problems = find_problems()
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise DevclusterError(f"this machine cannot run the devcluster yet:\n{lines}")


def find_problems() -> list[str]:
    """One sentence per problem, empty if the machine will do."""
    if os.uname().sysname != "Linux":
        return [f"it needs Linux, this is {os.uname().sysname}: use kind with a Docker engine"]
    problems = []
    if os.geteuid() != 0:
        problems.append("it needs root (network namespaces, mounts): run it with sudo -E")
    packages = sorted({package for path, package in PROGRAMS.items() if not _is_there(path)})
    if packages:
        problems.append(f"missing programs: apt-get install -y --no-install-recommends {' '.join(packages)}")
    free = shutil.disk_usage(_existing(state_root())).free / 2**30
    if free < MINIMAL_DISK_GIB:
        problems.append(f"it needs {MINIMAL_DISK_GIB} GiB of disk at {state_root()}, {free:.1f} are free")
    if os.geteuid() == 0:
        _load_modules()
        problems += kernel_problems()
        problems += [] if "nftables" in packages else _nftables_problems()
    return problems


def _load_modules() -> None:
    """Have the kernel load what may be a module."""
    modprobe = shutil.which("modprobe") or "/sbin/modprobe"
    for module in ("overlay", "xfs", "loop"):
        if pathlib.Path(modprobe).exists():
            run(modprobe, "--quiet", module, check=False)


def kernel_problems(root: pathlib.Path = pathlib.Path("/")) -> list[str]:
    """Return one sentence per kernel feature that is missing.

    Args:
        root: folder that holds the `proc` and `dev` to read.
    """
    file_systems = (root / "proc/filesystems").read_text().split()
    cgroups = any(" - cgroup" in line for line in (root / "proc/self/mountinfo").read_text().splitlines())
    namespaces = all((root / "proc/self/ns" / kind).exists() for kind in ("net", "pid", "mnt", "uts", "ipc"))
    features = {
        "the kernel has no overlayfs (CONFIG_OVERLAY_FS)": "overlay" in file_systems,
        "the kernel has no XFS (CONFIG_XFS_FS)": "xfs" in file_systems,
        "the kernel has no loop devices (CONFIG_BLK_DEV_LOOP)": (root / "dev/loop-control").exists(),
        "the kernel has no namespaces for network and processes (CONFIG_NET_NS, CONFIG_PID_NS)": namespaces,
        "no control groups are mounted (/sys/fs/cgroup)": cgroups,
    }
    return [problem for problem, there in features.items() if not there]


def _nftables_problems() -> list[str]:
    """Let the kernel judge a table of each family, without making one."""
    problems = []
    for family in ("ip", "bridge"):
        trial = f"table {family} covet-trial {{ chain c {{ type filter hook forward priority 0; }}; }}\n"
        try:
            run("nft", "--check", "-f", "-", stdin=trial)
        except DevclusterError as error:
            problems.append(f"the kernel has no nftables for family {family} (CONFIG_NF_TABLES): {error}")
    return problems


def _is_there(path: str) -> bool:
    """Debian 12 has /usr/sbin and /sbin in one place, others have not: look by name as well."""
    name = pathlib.Path(path).name
    return os.access(path, os.X_OK) or ("cni" not in path and shutil.which(name) is not None)


def _existing(path: pathlib.Path) -> pathlib.Path:
    while not path.exists():
        path = path.parent
    return path
