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
    "/usr/sbin/mkfs.ext4": "e2fsprogs",
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
        problems += _kernel_problems(nft="nftables" not in packages, ip="iproute2" not in packages)
    return problems


def _kernel_problems(*, nft: bool, ip: bool) -> list[str]:
    """Try each kernel feature; modules load by the trial itself."""
    problems = []
    shutil_modprobe = shutil.which("modprobe")
    for module in ("overlay", "loop"):
        if shutil_modprobe:
            run(shutil_modprobe, "--quiet", module, check=False)
    if "\toverlay" not in pathlib.Path("/proc/filesystems").read_text():
        problems.append("the kernel has no overlayfs (CONFIG_OVERLAY_FS)")
    if not pathlib.Path("/dev/loop-control").exists():
        problems.append("the kernel has no loop devices (CONFIG_BLK_DEV_LOOP, /dev/loop-control)")
    if not pathlib.Path("/proc/self/ns/net").exists() or not pathlib.Path("/proc/self/ns/pid").exists():
        problems.append("the kernel has no network or process namespaces (CONFIG_NET_NS, CONFIG_PID_NS)")
    if nft:
        for family, hook in (("inet", "forward"), ("bridge", "forward")):
            trial = f"add table {family} covet-trial\nadd chain {family} covet-trial c "
            trial += f"{{ type filter hook {hook} priority 0; }}\ndelete table {family} covet-trial\n"
            try:
                run("nft", "--check", "-f", "-", stdin=trial)
            except DevclusterError:
                problems.append(f"the kernel has no nftables for {family} (CONFIG_NF_TABLES_{family.upper()})")
    if ip and pathlib.Path("/sys/fs/cgroup").exists() and not _has_cgroups():
        problems.append("no control groups are mounted at /sys/fs/cgroup")
    return problems


def _has_cgroups() -> bool:
    return any(" - cgroup" in line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines())


def _is_there(path: str) -> bool:
    """Debian 12 has /usr/sbin and /sbin in one place, others have not: look by name as well."""
    name = pathlib.Path(path).name
    return os.access(path, os.X_OK) or ("cni" not in path and shutil.which(name) is not None)


def _existing(path: pathlib.Path) -> pathlib.Path:
    while not path.exists():
        path = path.parent
    return path
