"""The logs of pods are kept for the run at hand, also those of a pod that is deleted amid it."""

import pathlib

from benchmarks.nemesis.podlogs import PodLogs
from tests.e2e.devcluster.layout import Layout

TEXT = '2026-11-23T11:00:00.1Z stderr F {"ts": "2026-11-23T11:00:0%d.000Z", "instance": "shop-s0-a", "msg": "%s"}\n'


def test_what_was_said_since_the_begin_is_read(tmp_path: pathlib.Path) -> None:
    """Neither what was said before, nor what other namespaces say; a pod that is new or gone counts."""
    node = Layout("dev", 0, tmp_path).node(1)
    first = node.folder / "var-log" / "pods" / "shop_shop-s0-a-0_1" / "instance" / "0.log"
    other = node.folder / "var-log" / "pods" / "other_shop-s0-a-0_2" / "instance" / "0.log"
    second = node.folder / "var-log" / "pods" / "shop_shop-s0-a-0_3" / "instance" / "0.log"
    for path in (first, other, second):
        path.parent.mkdir(parents=True)
    first.write_text(TEXT % (1, "before"))
    logs = PodLogs([node], "shop")
    logs.begin()
    with first.open("a") as log:
        log.write(TEXT % (2, "amid"))
    other.write_text(TEXT % (3, "elsewhere"))
    first.unlink()
    second.write_text(TEXT % (4, "afterwards"))
    said = {line.text for line in logs.lines(0.0)}
    logs.copy(tmp_path)
    logs.close()
    assert {"amid", "afterwards"} == said
    copied = sorted(path.name for path in tmp_path.glob("*.log"))
    assert ["shop-s0-a-0-1-0.log", "shop-s0-a-0-3-0.log"] == copied
