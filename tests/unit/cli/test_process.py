"""The command as a person starts it: a process, a kubeconfig, an API server, an exit code, never a traceback."""

import asyncio
import json
import os
import pathlib
import signal
import sys
from collections.abc import AsyncIterator

import pytest
from click.testing import CliRunner

from covet.cli import application
from covet.core import events
from covet.kube import resources
from covet.testing.apiserver import ApiServer
from tests.unit.cli import samples
from tests.unit.cli.fakes import Outcome

pytestmark = pytest.mark.usefixtures("server")

SWITCHOVER = ("switchover", "shop", "--shard", "s0", "--to", "shop-s0-c")
KUBECTL = (
    f"#!{sys.executable}\nimport json, os, sys\nprint(json.dumps([sys.argv[1:], os.listdir(os.environ['TMPDIR'])]))\n"
)


@pytest.fixture
async def server(tmp_path: pathlib.Path) -> AsyncIterator[ApiServer]:
    """An API server with the cluster `shop`, and a kubeconfig that leads to it."""
    server = ApiServer()
    url = await server.start()
    server.put(samples.cluster(namespace="prod"))
    (tmp_path / "tmp").mkdir()
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "east",
        "contexts": [{"name": "east", "context": {"cluster": "east", "user": "jane", "namespace": "prod"}}],
        "clusters": [{"name": "east", "cluster": {"server": url}}],
        "users": [{"name": "jane", "user": {"token": "t"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    yield server
    await server.stop()


async def start(folder: pathlib.Path, *arguments: str) -> asyncio.subprocess.Process:
    """Start the command with the kubeconfig of a folder."""
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "KUBECONFIG": str(folder / "kubeconfig"),
        "TMPDIR": str(folder / "tmp"),
        "HOME": str(folder),
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "covet.cli",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        # A suite that a shell started in the background inherits an ignored SIGINT; a person at a terminal does not.
        preexec_fn=heed_ctrl_c,
    )


def heed_ctrl_c() -> None:
    """Take SIGINT as a program at a terminal does."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def ended(process: asyncio.subprocess.Process) -> Outcome:
    """Return what a process did; whatever it was, it was no traceback."""
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    assert "Traceback" not in err.decode()
    return Outcome(process.returncode, out.decode(), err.decode())


def call(folder: pathlib.Path, *arguments: str) -> Outcome:
    """Run the command in this process, which spares the seconds that a new one takes to load its libraries."""
    with CliRunner().isolation() as streams:
        code = application.run([*arguments, "--kubeconfig", str(folder / "kubeconfig")])
        return Outcome(code, streams[0].getvalue().decode(), streams[1].getvalue().decode())


async def run(folder: pathlib.Path, *arguments: str) -> Outcome:
    """Run the command in a thread of its own; the API server needs this one."""
    async with asyncio.timeout(60):
        done = await asyncio.to_thread(call, folder, *arguments)
    assert "Traceback" not in done.err
    return done


async def written(server: ApiServer) -> None:
    """Return once an order was written."""
    async with asyncio.timeout(60):
        while not server.writes:  # noqa: ASYNC110 -- the server keeps a list
            await asyncio.sleep(0.01)


async def test_status(tmp_path: pathlib.Path) -> None:
    """The whole way: kubeconfig, namespace of the context, the object, a table."""
    done = await run(tmp_path, "status", "shop")
    assert (0, "") == (done.code, done.err)
    assert done.out.startswith("Cluster    shop in namespace prod\n")


async def test_exit_codes_of_what_is_missing(tmp_path: pathlib.Path, server: ApiServer) -> None:
    """Not there, not allowed, nobody answers, no way to it: each has its code and its sentence."""
    missing = await run(tmp_path, "status", "cart")
    server.denied.add(("get", "covetclusters"))
    denied = await run(tmp_path, "status", "shop")
    await server.stop()
    silent = await run(tmp_path, "status", "shop")
    lost = await run(tmp_path, "status", "shop", "--context", "south")
    assert [3, 4, 5, 5] == [done.code for done in (missing, denied, silent, lost)]
    assert "There is no CovetCluster cart in namespace prod; there are: shop." in missing.err
    assert 'verbs: ["get"]' in denied.err
    assert "kubectl version" in silent.err
    assert "south" in lost.err


async def test_a_switchover_that_is_waited_for(tmp_path: pathlib.Path, server: ApiServer) -> None:
    """Ordered, carried out by somebody, and told with the pause that was measured."""
    waiting = asyncio.create_task(run(tmp_path, *SWITCHOVER, "--wait"))
    await written(server)
    body = samples.cluster(namespace="prod")
    body["status"]["shards"][0] = samples.shard("shop", "s0", leader="c", term=8) | {
        "lastFailover": {
            "at": samples.MOMENT,
            "reason": "Switchover",
            "from": "shop-s0-b",
            "to": "shop-s0-c",
            "term": 8,
            "writableMs": 212,
        }
    }
    server.put(body)
    done = await waiting
    assert (0, "shop-s0-c leads s0 in term 8; writes paused for 212 ms.\n") == (done.code, done.out)


async def test_a_switchover_that_is_refused(tmp_path: pathlib.Path, server: ApiServer) -> None:
    """The operator's own words, and the code of a refusal."""
    waiting = asyncio.create_task(run(tmp_path, *SWITCHOVER, "--wait"))
    await written(server)
    found = server.get(resources.CLUSTER, "prod", "shop")
    assert found is not None
    server.put(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "shop.1", "namespace": "prod"},
            "involvedObject": {"kind": "CovetCluster", "name": "shop", "uid": found["metadata"]["uid"]},
            "type": "Warning",
            "reason": events.SWITCHOVER_REFUSED,
            "message": "s0 stays with shop-s0-b: shop-s0-c does not stream.",
        }
    )
    server.put(samples.cluster(namespace="prod"))
    done = await waiting
    assert 1 == done.code
    assert "Error: The operator refused: s0 stays with shop-s0-b: shop-s0-c does not stream.\n" in done.err


async def test_ctrl_c_while_waiting_leaves_the_order(tmp_path: pathlib.Path, server: ApiServer) -> None:
    """It says so, and ends with the code of an interrupt."""
    process = await start(tmp_path, *SWITCHOVER, "--wait")
    assert process.stderr is not None
    async with asyncio.timeout(60):
        await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    done = await ended(process)
    assert (130, "No longer waiting; the order stands.\n\nInterrupted.\n") == (done.code, done.err)
    found = server.get(resources.CLUSTER, "prod", "shop")
    assert found is not None
    assert {"covet.dev/switchover.s0": "shop-s0-c"} == found["metadata"]["annotations"]


async def test_psql_becomes_kubectl(tmp_path: pathlib.Path) -> None:
    """The process is replaced, with the target spelled out, and leaves nothing in the temporary folder."""
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL)
    program.chmod(0o755)
    done = await ended(await start(tmp_path, "psql", "shop", "--shard", "s1", "--replica", "--", "-Atc", "select 1"))
    given, left = json.loads(done.out)
    assert [] == left
    assert ["--namespace=prod", "exec", "-i", "shop-s1-b-0", "-c", "instance", "--", "env"] == given[:8]
    assert ["-Atc", "select 1"] == given[-2:]
