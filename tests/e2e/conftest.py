"""The cluster that the cluster tests share, and what a failing test leaves behind to read."""

import contextlib
import os
import pathlib
import re
import secrets
import subprocess
from collections.abc import Generator, Iterator

import pytest

from tests.e2e import installation, target
from tools import bootstrap

LOGS = bootstrap.ROOT / ".test-logs"
LEFT_BEHIND = (
    ("objects.yaml", ("get", "covetclusters,pods,statefulsets,pvc,endpointslices,configmaps", "-o", "yaml")),
    ("events.txt", ("get", "events", "--sort-by=.lastTimestamp")),
    ("agents.log", ("logs", "-l", "app.kubernetes.io/managed-by=covet", "--tail=400", "--prefix")),
)


@pytest.fixture(scope="session")
def place() -> Iterator[target.Target]:
    """A running three-node Kubernetes; COVET_KEEP=1 leaves one that we started running afterwards."""
    try:
        chosen = target.choose("test")
        chosen.check_images()
    except target.TargetError as error:
        pytest.fail(str(error))
    chosen.start()
    yield chosen
    if os.environ.get("COVET_KEEP") != "1":
        chosen.stop()


@pytest.fixture(scope="session")
def covet(place: target.Target) -> installation.Installation:
    """The operator of this checkout, built and installed with Helm."""
    place.load(installation.build_images())
    installed = installation.Installation(place)
    installed.install()
    installed.deny(installation.NAMESPACE)
    return installed


@pytest.fixture
def namespace(covet: installation.Installation, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own that denies what it can; deleted with everything in it."""
    stem = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:30].strip("-")
    name = f"{stem}-{secrets.token_hex(3)}"
    covet.ensure_namespace(name)
    covet.deny(name)
    yield name
    if request.node.stash.get(FAILED, False):
        save_logs(covet, name)
    with contextlib.suppress(installation.InstallationError, subprocess.TimeoutExpired):
        covet.kubectl("delete", "namespace", name, "--wait=false")


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the test failed, for the fixtures that clean up."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


def save_logs(covet: installation.Installation, namespace: str) -> None:
    """Write what a person would look at first into a folder of the checkout that git ignores."""
    folder = LOGS / namespace
    folder.mkdir(parents=True, exist_ok=True)
    for name, arguments in LEFT_BEHIND:
        _save(covet, folder / name, (*arguments, "-n", namespace))
    operator = ("logs", "-l", "app.kubernetes.io/name=covet", "--tail=2000", "--prefix", "-n", installation.NAMESPACE)
    _save(covet, folder / "operator.log", operator)


def _save(covet: installation.Installation, path: pathlib.Path, arguments: tuple[str, ...]) -> None:
    try:
        path.write_text(covet.kubectl(*arguments, timeout=30))
    except (installation.InstallationError, subprocess.TimeoutExpired) as error:
        path.write_text(str(error))
