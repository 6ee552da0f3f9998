"""The logs of pods, read from the nodes' disks: a pod that is deleted takes its log along, so files are held open."""

import dataclasses
import io
import pathlib
from collections.abc import Iterator

from benchmarks.nemesis import phases
from tests.e2e.devcluster.layout import NodeLayout


@dataclasses.dataclass
class Held:
    """A log file that is open, and where the run at hand begins in it."""

    file: io.TextIOWrapper
    begin: int


class PodLogs:
    """Every log of the pods of one namespace.

    Args:
        nodes: whose disks are looked at.
        namespace: of the pods.
    """

    def __init__(self, nodes: list[NodeLayout], namespace: str) -> None:
        self._nodes = nodes
        self._namespace = namespace
        self._held: dict[str, Held] = {}

    def begin(self) -> None:
        """Let go of the logs of earlier runs and take hold of those that there are."""
        self.close()
        self._look()
        for held in self._held.values():
            held.begin = held.file.seek(0, io.SEEK_END)

    def lines(self, since: float) -> list[phases.Line]:
        """Read what agents said since `begin`, from a moment on (seconds since the epoch)."""
        self._look()
        return [line for held in self._held.values() for line in phases.read(_texts(held), since)]

    def copy(self, folder: pathlib.Path) -> None:
        """Write what each container said since `begin` into a file of a folder."""
        self._look()
        for name, held in self._held.items():
            text = "".join(f"{text}\n" for text in _texts(held))
            if text:
                (folder / f"{name}.log").write_text(text)

    def close(self) -> None:
        """Let go of all files."""
        for held in self._held.values():
            held.file.close()
        self._held.clear()

    def _look(self) -> None:
        """Take hold of what is new, from its begin on."""
        for node in self._nodes:
            for path in (node.folder / "var-log" / "pods").glob(f"{self._namespace}_*/*/*.log"):
                pod = path.parts[-3].removeprefix(f"{self._namespace}_").replace("_", "-")
                name = f"{pod}-{path.stem}"
                if name not in self._held:
                    file = path.open(errors="replace")
                    self._held[name] = Held(file, 0)


def _texts(held: Held) -> Iterator[str]:
    """Return the lines as the container wrote them: without moment, stream and the mark of a whole line."""
    held.file.seek(held.begin)
    for line in held.file:
        yield line.rstrip("\n").split(" ", 3)[-1]
