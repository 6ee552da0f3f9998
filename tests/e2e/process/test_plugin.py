"""`kubectl covet` as people install it: a wheel in an environment of its own, found by kubectl."""

import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from covet.cli import application
from tests.e2e.devcluster import clients
from tools import bootstrap

LIMIT = 300.0
"""Seconds; a few on an idle machine whose caches are filled."""


def run(*command: str, environment: Mapping[str, str]) -> str:
    """Run a program and return what it printed."""
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False, stdin=subprocess.DEVNULL
    )
    assert 0 == done.returncode, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The wheel of this checkout, installed by uv; PATH holds it and kubectl, and nothing of the checkout."""
    uv, folder = bootstrap.uv_path(), tmp_path_factory.mktemp("plugin")
    assert uv is not None
    programs = folder / "bin"
    path = os.pathsep.join((str(programs), str(clients.unpack().kubectl.parent), "/usr/bin", "/bin"))
    environment = {
        "HOME": os.environ.get("HOME", str(folder)),
        "PATH": path,
        "UV_TOOL_DIR": str(folder / "tools"),
        "UV_TOOL_BIN_DIR": str(programs),
        **{name: value for name, value in os.environ.items() if name.startswith(("UV_", "XDG_", "PIP_", "SSL_"))},
        "KUBECONFIG": str(folder / "none"),
    }
    environment.pop("UV_PROJECT_ENVIRONMENT", None)
    run(str(uv), "build", "--wheel", "--out-dir", str(folder), str(bootstrap.ROOT), environment=environment)
    (wheel,) = folder.glob("*.whl")
    wanted = f"covet-operator[cli] @ {wheel.as_uri()}"
    run(str(uv), "tool", "install", "--python", sys.executable, wanted, environment=environment)
    yield environment
    shutil.rmtree(folder, ignore_errors=True)


def test_kubectl_finds_the_plugin_and_it_runs_without_the_operators_packages(environment: dict[str, str]) -> None:
    """Every verb is there, its help too, and what serves clusters only was not installed."""
    assert "kubectl-covet" in run("kubectl", "plugin", "list", environment=environment)
    told = run("kubectl", "covet", "--help", environment=environment)
    assert [] == [verb for verb in application.VERBS if verb not in told]
    assert "--accept-loss" in run("kubectl", "covet", "promote", "--help", environment=environment)
    installed = {path.name for path in pathlib.Path(environment["UV_TOOL_DIR"]).glob("*/lib/python3*/site-packages/*")}
    assert {"click", "rich", "covet"} <= installed
    assert set() == installed & {"kopf", "covet_hasher"}


def test_without_a_cluster_it_says_what_is_missing(environment: dict[str, str]) -> None:
    """One line and a code, no traceback."""
    done = subprocess.run(
        ("kubectl", "covet", "status", "shop"), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 != done.returncode
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_the_tab_key_works_where_it_was_installed(environment: dict[str, str]) -> None:
    """Through kubectl, which asks the plugin, and in a shell that read the plugin's own script."""
    offered = run("kubectl", "__complete", "covet", "s", environment=environment)
    assert ["status", "shards", "switchover"] == [line.partition("\t")[0] for line in offered.splitlines()[:3]]
    script = run("kubectl-covet", "completion", "bash", environment=environment)
    assert "kubectl-covet" in run("bash", "-c", f"{script}\ncomplete -p kubectl-covet", environment=environment)


@pytest.mark.long
def test_pipx_installs_it_too(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    """As `docs/cli.md` says first; pip resolves what it needs, which takes a while."""
    uv, (wheel,) = bootstrap.uv_path(), pathlib.Path(environment["UV_TOOL_DIR"]).parent.glob("*.whl")
    homes = {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    wanted = f"covet-operator[cli] @ {wheel.as_uri()}"
    run(str(uv), "tool", "run", "pipx", "install", wanted, environment={**environment, **homes})
    path = os.pathsep.join((homes["PIPX_BIN_DIR"], environment["PATH"].partition(os.pathsep)[2]))
    assert "switchover" in run("kubectl", "covet", "--help", environment={**environment, "PATH": path})
