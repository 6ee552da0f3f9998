"""Remove what is mounted below a folder, and the loop devices behind files of it.

A node's mounts live in its own mount namespace and die with it; this is for
what an ended process left on the machine all the same.
"""

import json
import pathlib

from tests.e2e.devcluster.command import run


def remove_below(folder: pathlib.Path) -> None:
    """Unmount everything below ``folder``, deepest first, and free its loop devices."""
    for target in sorted(_mounted(folder), key=len, reverse=True):
        run("umount", "--lazy", target, check=False)
    for device in loop_devices(folder):
        run("losetup", "--detach", device, check=False)


def loop_devices(folder: pathlib.Path) -> list[str]:
    """The loop devices whose file is, or was, below ``folder``."""
    listed = json.loads(run("losetup", "--list", "--json") or "{}")
    devices = listed.get("loopdevices", [])
    return [d["name"] for d in devices if str(d.get("back-file", "")).startswith(f"{folder}/")]


def _mounted(folder: pathlib.Path) -> list[str]:
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    targets = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return [target for target in targets if target.startswith(f"{folder}/")]
