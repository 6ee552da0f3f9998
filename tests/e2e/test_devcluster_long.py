"""The devcluster is brought up, torn and removed in every way that leaves work for the next run."""

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.devcluster import build, command, controlplane, layout, mounts, preflight, processes
from tests.e2e.devcluster.cluster import Devcluster
from tests.e2e.devcluster.progress import Silence
from tests.e2e.devcluster.workloads import PORT, Playground
from tools import bootstrap

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def machine() -> None:
    """A machine that can run the devcluster, its binaries built."""
    if problems := preflight.find_problems():
        pytest.skip(f"the devcluster cannot run here: {'; '.join(problems)}")
    build.binaries(Silence())


@pytest.fixture
def name() -> Iterator[str]:
    """A cluster of the test's own, gone afterwards."""
    yield "torn"
    Devcluster.down("torn")


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """Start the command line in the background."""
    argv = (sys.executable, "-m", "tests.e2e.devcluster", *arguments)
    return subprocess.Popen(argv, cwd=bootstrap.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_after(seconds: float, *arguments: str) -> None:
    """Start the command line and kill it, and nothing it started, after that time."""
    with start(*arguments) as running:
        try:
            running.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(running.pid, signal.SIGKILL)


def units(cluster: Devcluster) -> dict[str, int | None]:
    """The process of each part of the control plane and of each node."""
    names = [*controlplane.UNITS, *(node.unit for node in cluster.nodes)]
    return {unit: processes.living(cluster.layout.folder, unit) for unit in names}


def traces(name: str, index: int) -> dict[str, list[str]]:
    """Everything of the cluster that is left on the machine, by kind."""
    folder = layout.state_root() / name
    bridge = f"cvt{index}"
    links = [link["ifname"] for link in json.loads(command.run("ip", "-json", "link"))]
    routes = command.run("ip", "route").splitlines()
    hierarchies = pathlib.Path("/sys/fs/cgroup")
    found = {
        "processes": [str(pid) for pid in processes.find(folder)],
        "namespaces": [path.name for path in pathlib.Path("/run/netns").glob(f"covet-{name}-*")],
        "links": [link for link in links if link == bridge or link.startswith(f"{bridge}n")],
        "routes": [route for route in routes if f" {bridge} " in f"{route} "],
        "tables": [t for t in command.run("nft", "list", "tables").splitlines() if t.endswith(f" covet-{name}")],
        "cgroups": [str(path) for path in hierarchies.glob(f"**/covet-devcluster-{name}")],
        "mounts": mounts._mounted(folder),
        "loop devices": mounts.loop_devices(folder),
        "folders": [str(path) for path in (folder, layout.state_root() / f".{name}.lock") if path.exists()],
    }
    return {kind: left for kind, left in found.items() if left}


@pytest.mark.parametrize("seconds", [0.4, 0.8, 1.5, 3.0, 4.5, 6.0])
def test_up_survives_an_earlier_up_killed_at_any_moment(name: str, seconds: float) -> None:
    """Whatever a killed run left half done, the next one brings up three Ready nodes, and down leaves nothing."""
    kill_after(seconds, "up", "--name", name)
    cluster = Devcluster.up(name)
    assert [True] * 3 == [status.ready for status in cluster.node_status()]
    index = cluster.layout.index
    Devcluster.down(name)
    assert {} == traces(name, index)


@pytest.mark.parametrize("seconds", [0.4, 0.6, 0.8])
def test_down_survives_an_earlier_down_killed_at_any_moment(name: str, seconds: float) -> None:
    """A removal that was killed is finished by the next one, volumes and pods included."""
    cluster = Devcluster.up(name, node_count=1)
    ground = Playground.create(cluster)
    ground.claim("data", "32Mi")
    ground.start_server("server", claim="data")
    ground.wait_ready("server")
    cluster.cut("node-1", "control")
    kill_after(seconds, "down", "--name", name)
    Devcluster.down(name)
    assert {} == traces(name, cluster.layout.index)


def test_up_is_idempotent(name: str) -> None:
    """A second up leaves a running cluster as it is."""
    first = Devcluster.up(name, node_count=1)
    before = units(first)
    assert first.layout == Devcluster.up(name, node_count=1).layout
    assert before == units(first)
    assert None not in before.values()


def test_two_clusters_run_side_by_side(name: str) -> None:
    """Each has its own nodes, pods and volumes; removing one does not touch the other."""
    one = Devcluster.up(name, node_count=1)
    two = Devcluster.up("torn-too", node_count=1)
    try:
        grounds = [Playground.create(cluster) for cluster in (one, two)]
        for ground in grounds:
            ground.claim("data", "32Mi")
            ground.start_server("server", claim="data")
        for ground in grounds:
            ground.wait_ready("server")
            assert "server" == ground.dial("server", f"{ground.address('server')}:{PORT}")
        assert one.layout.server != two.layout.server
        assert grounds[0].address("server") != grounds[1].address("server")
    finally:
        Devcluster.down("torn-too")
    assert {} == traces("torn-too", two.layout.index)
    assert one.is_whole(1)
    assert "server" == grounds[0].dial("server", f"{grounds[0].address('server')}:{PORT}")


def test_agents_pass_their_own_tests() -> None:
    """The rules that the NetworkPolicy agent renders are tested where they are written, in Go."""
    go = build.find_go(Silence())
    # The flags of the build itself, so that its compiled packages are used again.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-trimpath"}
    for argv in ((str(go), "vet", "./netpol", "./node", "./volumes"), (str(go), "test", "./netpol")):
        done = subprocess.run(argv, cwd=build.SOURCE, env=environment, capture_output=True, text=True, check=False)
        assert 0 == done.returncode, done.stdout + done.stderr
