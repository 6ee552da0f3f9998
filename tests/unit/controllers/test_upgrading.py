"""A newer operator changes no pod by itself, keeps the defaults of birth, and rolls its images out in the window."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from covet.api import effective
from covet.core.clock import Clock
from covet.core.settings import Settings
from covet.kube import resources
from tests.unit.controllers.conftest import NAMESPACE, Bench

NEWER = Settings(namespace="system", postgres_images={"15": "image:15-newer"})


async def upgrade(bench: Bench) -> None:
    """Go on as a newer operator, with another image of the database."""
    await bench.reconciler.close()
    bench.tools = dataclasses.replace(bench.tools, settings=NEWER)
    bench.restart()


def container(bench: Bench) -> dict[str, Any]:
    """Return the container of the pods that are made from now on."""
    found = bench.server.objects[resources.STATEFUL_SET, NAMESPACE, "shop-s0-a"]
    template: dict[str, Any] = found["spec"]["template"]["spec"]["containers"][0]
    return template


def pending(bench: Bench) -> list[str]:
    """Return the reasons of what waits."""
    return [entry["reason"] for entry in bench.status().get("pendingChanges") or []]


def window(begins: dt.datetime) -> Mapping[str, Any]:
    """Return what a spec says of an hour's window that begins at a moment, to the minute."""
    return {"window": {"days": [f"{begins:%a}"], "start": f"{begins:%H:%M}", "hours": 1}}


async def test_an_upgrade_is_rolled_out_once_the_window_opens(bench: Bench) -> None:
    """Until then every pod runs on and the cluster says so; then all are of the newer image."""
    begins = Clock().wall() + dt.timedelta(days=2)
    await bench.born(shards={"count": 1, "instances": 1}, maintenance=window(begins))
    before = bench.pods()
    await upgrade(bench)
    for _ in range(6):
        await bench.reconciler.once()
        await bench.kubelet.sync()
    assert "image:15-newer" == container(bench)["image"]
    assert (before, ["UpgradeWaits"]) == (bench.pods(), pending(bench))
    assert ("False", "RestartPending") == tuple(bench.condition("Ready")[key] for key in ("status", "reason"))
    bench.ahead = dt.timedelta(days=2, minutes=10)
    await bench.settle()
    assert ([], "True") == (pending(bench), bench.condition("Ready")["status"])
    assert not before & bench.pods()


@pytest.fixture
def other_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version of Covet, that chooses more memory for pods of which nothing is said."""
    later = dataclasses.replace(effective.DEFAULTS[1], memory="2Gi")
    monkeypatch.setattr(effective, "DEFAULTS", {**effective.DEFAULTS, 2: later})
    monkeypatch.setattr(effective, "NEWEST", 2)


def memory(bench: Bench) -> str:
    """Return the memory that pods of the cluster shall ask for."""
    return str(container(bench)["resources"]["requests"]["memory"])


async def test_a_cluster_keeps_the_defaults_that_it_was_born_with(bench: Bench, request: pytest.FixtureRequest) -> None:
    """A version with other defaults takes it up: no object changes, no pod is made anew, Ready stays."""
    await bench.born(shards={"count": 1, "instances": 1})
    before = bench.pods()
    request.getfixturevalue("other_defaults")
    await bench.reconciler.close()
    bench.restart()
    await bench.settle()
    assert (before, "256Mi", []) == (bench.pods(), memory(bench), pending(bench))
    assert (1, "True") == (bench.status()["effective"]["defaultsVersion"], bench.condition("Ready")["status"])
    # An edit of something else brings no other defaults along.
    bench.declare(shards={"count": 1, "instances": 1}, durability="Async")
    await bench.settle()
    assert (before, "256Mi") == (bench.pods(), memory(bench))


@pytest.mark.usefixtures("other_defaults")
async def test_a_new_cluster_has_the_newest_defaults(bench: Bench) -> None:
    """They are in its record, for good."""
    bench.declare(shards={"count": 1, "instances": 1})
    await bench.settle()
    assert ("2Gi", 2) == (memory(bench), bench.record()["born"]["defaultsVersion"])
