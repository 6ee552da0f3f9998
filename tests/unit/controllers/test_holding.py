"""Clusters that are paused or asked for something impossible: what is kept true all the same, and what is said."""

import datetime as dt
from typing import Any

import pytest

from covet.core import events
from covet.core.clock import Clock
from covet.kube import resources
from covet.kube.resources import Resource
from tests.unit.controllers.conftest import NAMESPACE, Bench

BAD = {"engine": {"name": "PostgreSQL", "version": "15", "parameters": {"fsync": "off"}}}
PAUSED = {"maintenance": {"paused": True}}


def address(bench: Bench) -> list[Any]:
    """Return where `-rw` leads."""
    found = bench.server.get(resources.ENDPOINT_SLICE, NAMESPACE, "shop-s0-rw")
    assert found is not None
    return [entry["addresses"] for entry in found["endpoints"] or []]


async def later(bench: Bench, days: int) -> None:
    """Let days pass, for a new operator process."""
    real = Clock()
    moved = Clock(real.monotonic, lambda: real.wall() + dt.timedelta(days=days))
    bench.tools = type(bench.tools)(**{**vars(bench.tools), "clock": moved})
    await bench.reconciler.close()
    bench.restart()


@pytest.mark.parametrize("wish", [BAD, PAUSED])
async def test_endpoints_stay_true(bench: Bench, wish: dict[str, Any]) -> None:
    """A primary that is gone is no longer led to, and one that is back is."""
    await bench.born()
    before = address(bench)
    bench.declare(**wish)
    await bench.kubelet.delete_pod(NAMESPACE, "shop-s0-a")
    await bench.reconciler.once()
    assert [] == address(bench)
    for _ in range(4):
        await bench.kubelet.sync()
        await bench.reconciler.once()
    assert before == address(bench)


@pytest.mark.parametrize("wish", [BAD, PAUSED])
async def test_certificates_are_renewed(bench: Bench, wish: dict[str, Any]) -> None:
    """Two months later every certificate is a new one."""
    await bench.born()
    names = ["shop-operator-tls", "shop-s0-a-tls", "shop-s0-c-tls"]
    before = [(bench.server.get(resources.SECRET, NAMESPACE, name) or {})["data"] for name in names]
    bench.declare(**wish)
    await later(bench, 61)
    await bench.reconciler.once()
    after = [(bench.server.get(resources.SECRET, NAMESPACE, name) or {})["data"] for name in names]
    assert [True] * 3 == [old != new for old, new in zip(before, after, strict=True)]


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        (resources.SERVICE, "shop-s0-rw"),
        (resources.CONFIG_MAP, "shop-trust"),
        (resources.SECRET, "shop-s0-b-tls"),
        (resources.SECRET, "shop-app"),
        (resources.NETWORK_POLICY, "shop-s0"),
        (resources.BUDGET, "shop-s0"),
    ],
)
@pytest.mark.parametrize("version", ["15", "99"])
async def test_an_invalid_wish_heals_what_servers_need(
    bench: Bench, version: str, resource: Resource, name: str
) -> None:
    """What pods and clients need comes back whatever the spec says."""
    await bench.born()
    bench.declare(engine={"name": "PostgreSQL", "version": version, "parameters": {"fsync": "off"}})
    bench.server.delete(resource, NAMESPACE, name)
    for _ in range(2):
        await bench.reconciler.once()
    assert bench.server.get(resource, NAMESPACE, name) is not None


async def test_what_was_accepted_last_stays_in_force(bench: Bench) -> None:
    """An invalid edit shows in no object and not in the effective spec, whatever a new process makes of it."""
    await bench.born(engine={"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "7MB"}})
    before = bench.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-s0-config")
    bench.declare(**BAD)
    await bench.reconciler.close()
    bench.restart()
    for _ in range(3):
        await bench.reconciler.once()
    assert before == bench.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-s0-config")
    assert {"work_mem": "7MB"} == bench.status()["effective"]["engine"]["parameters"]


async def test_an_edit_amid_a_pause_is_pending(bench: Bench) -> None:
    """It is listed, Ready is False, and with the end of the pause it is carried out."""
    await bench.born()
    edit = {"engine": {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "7MB"}}}
    bench.declare(**PAUSED, **edit)
    await bench.reconciler.once()
    assert ("False", events.PAUSED) == (bench.condition("Ready")["status"], bench.condition("Ready")["reason"])
    (change,) = bench.status()["pendingChanges"]
    assert "ConfigMap shop-s0-config" in change["message"]
    assert "s0: PushSpec" in change["message"]
    bench.declare(**edit)
    await bench.settle()
    assert [] == bench.status()["pendingChanges"]


async def test_a_new_process_finds_nothing_pending_in_a_pause(bench: Bench) -> None:
    """A cluster in order stays ready through a pause, also for an operator that has applied nothing itself."""
    await bench.born()
    bench.declare(**PAUSED)
    await bench.reconciler.close()
    bench.restart()
    await bench.reconciler.once()
    assert ("True", events.PAUSED) == (bench.condition("Ready")["status"], bench.condition("Ready")["reason"])
