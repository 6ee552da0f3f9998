"""How much of this machine's processors a devcluster gets beside other programs.

A real cluster has processors of its own. Here all pods together weigh as much as one process of the machine, unless
told otherwise; and if the pods alone are told to weigh more, they starve the kubelets and the API server as soon as
they want every core. So the cluster's own processes go into a group beside the pods', of the same weight.
"""

import contextlib
import dataclasses
import pathlib
from typing import Final

from benchmarks.nemesis.pods import GROUPS
from tests.e2e.devcluster import processes
from tests.e2e.devcluster.layout import Layout

SYSTEM: Final = "system"
NODES: Final = 3
"""Groups of pods, one for each node; each has the default weight."""


@dataclasses.dataclass(frozen=True)
class _Setting:
    root: pathlib.Path
    file: str
    default: int


_SETTINGS: Final = (_Setting(GROUPS / "cpu", "cpu.shares", 1024), _Setting(GROUPS, "cpu.weight", 100))
"""By version 1 and by version 2 of control groups."""


class Weights:
    """The weight of one devcluster.

    Args:
        layout: of the devcluster.
        factor: how many processes of the machine it shall weigh.
    """

    def __init__(self, layout: Layout, factor: int) -> None:
        self._layout = layout
        self._factor = factor
        below = layout.cgroup.lstrip("/")
        found = [one for one in _SETTINGS if (one.root / below / one.file).exists()]
        self._setting = found[0] if found else None
        self._group = found[0].root / below if found else GROUPS

    def put(self) -> None:
        """Weigh down the cluster, and whatever of its own processes was started since the last time."""
        if self._setting is None:
            return
        system = self._group / SYSTEM
        system.mkdir(exist_ok=True)
        (self._group / self._setting.file).write_text(str(self._setting.default * self._factor))
        (system / self._setting.file).write_text(str(self._setting.default * NODES))
        self._move(system)

    def lift(self) -> None:
        """Leave the cluster's weight as it was found."""
        if self._setting is None:
            return
        self._move(self._setting.root)
        (self._group / self._setting.file).write_text(str(self._setting.default))
        with contextlib.suppress(OSError):  # a process that has just been started there; `down` removes it
            (self._group / SYSTEM).rmdir()

    def _move(self, group: pathlib.Path) -> None:
        for pid in processes.find(self._layout.folder):
            with contextlib.suppress(OSError):  # it has just ended
                (group / "cgroup.procs").write_text(str(pid))
