"""The whole process: watches, Lease and probes; and the traps that kopf operators fell into elsewhere."""

import asyncio
import signal

import pytest

from covet import app
from covet.core import names
from covet.handlers import watching, wiring
from covet.kube import lease, resources
from tests.e2e.process.operator.sites import Site, until


async def test_a_new_cluster_is_noticed_at_once(site: Site) -> None:
    """An event about a CovetCluster starts its care; the first status comes within moments."""
    site.define()
    running = await site.start()
    await until(lambda: site.holder() == "one")
    site.declare("shop")
    await until(lambda: site.status("shop").get("phase") == "Creating")
    await until(lambda: site.server.get(resources.STATEFUL_SET, "ns", "shop-s0-a") is not None)
    assert (200, "working\n") == await running.ask("/readyz")
    assert 200 == (await running.ask("/livez"))[0]
    metrics = (await running.ask("/metrics"))[1]
    assert "covet_operator_clusters 1.0" in metrics
    assert "covet_operator_clusters_elsewhere 0.0" in metrics
    assert "covet_operator_lease_held 1.0" in metrics


async def test_a_cluster_from_before_is_found(site: Site) -> None:
    """Clusters that were there before the process started are looked after as well."""
    site.define()
    site.declare("shop")
    await site.start()
    await until(lambda: bool(site.status("shop")))
    assert site.status("shop")["conditions"]


async def test_without_the_definition_it_waits_and_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is alive, not ready, and goes on by itself once the definition is there."""
    monkeypatch.setattr(app, "DEFINITION_EVERY", 0.05)
    running = await site.start()
    await until(lambda: "missing" in running.operator._definition.message)
    code, text = await running.ask("/readyz")
    assert (503, True) == (code, "covet-crds" in text)
    assert 200 == (await running.ask("/livez"))[0]
    site.define()
    await until(lambda: len(site.server._watchers) >= len(wiring.WATCHED))


async def test_a_standby_takes_over_when_the_holder_ends(site: Site) -> None:
    """Of two processes one works; when it ends in order, the other follows at once."""
    site.define()
    first = await site.start("one")
    await until(lambda: site.holder() == "one")
    second = await site.start("two")
    await asyncio.sleep(0.2)
    assert (200, "standing by: another process holds the lease\n") == await second.ask("/readyz")
    first.operator.stop()
    assert 0 == await asyncio.wait_for(first.task, 10)
    await until(lambda: site.holder() == "two", lease.DURATION)
    site.declare("shop")
    await until(lambda: bool(site.status("shop")))


async def test_losing_the_lease_ends_the_process(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose Lease was taken ends with code 1; its successor works."""
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.05)
    site.define()
    running = await site.start()
    await until(lambda: site.holder() == "one")
    found = site.server.get(resources.LEASE, "system", lease.NAME)
    assert found is not None
    site.server.put({**found, "spec": {**found["spec"], "holderIdentity": "thief"}})
    assert 1 == await asyncio.wait_for(running.task, 15)
    assert "thief" == site.holder()


async def test_a_signal_ends_it_in_order(site: Site) -> None:
    """SIGTERM gives the Lease back and ends with code 0, whatever kopf does with signals."""
    site.define()
    running = await site.start()
    await until(lambda: site.holder() == "one")
    await asyncio.sleep(0.3)
    signal.raise_signal(signal.SIGTERM)
    assert 0 == await asyncio.wait_for(running.task, 15)
    assert "" == site.holder()


class TestTraps:
    """What a Python operator of another project fell into, one by one."""

    async def test_objects_carry_no_annotation_and_no_finalizer(self, site: Site) -> None:
        """Kopf keeps no state on the object, so a namespace can be deleted while the operator is away."""
        site.define()
        site.declare("shop")
        await site.start()
        await until(lambda: site.server.get(resources.STATEFUL_SET, "ns", "shop-s0-a") is not None)
        found = site.server.get(resources.CLUSTER, "ns", "shop")
        assert found is not None
        assert not found["metadata"].get("annotations")
        assert not found["metadata"].get("finalizers")
        assert all(write.subresource == "status" for write in site.server.writes if write.resource == names.PLURAL)

    async def test_many_clusters_all_get_their_turn(self, site: Site) -> None:
        """More clusters than the process has threads: each one gets a status."""
        site.define()
        for index in range(40):
            site.declare(f"c{index}", storage={"size": "1Gi", "className": "none"})
        await site.start()
        await until(lambda: all(site.status(f"c{index}").get("phase") == "Stalled" for index in range(40)), 120)
        assert ["Stalled"] * 40 == [site.status(f"c{index}")["phase"] for index in range(40)]

    async def test_watches_that_end_are_opened_again(self, site: Site) -> None:
        """After the API server dropped every watch, a new cluster is still noticed."""
        site.define()
        await site.start()
        await until(lambda: len(site.server._watchers) >= len(wiring.WATCHED))
        site.server.drop_watches()
        site.declare("shop")
        await until(lambda: bool(site.status("shop")))
        assert site.status("shop")["conditions"]

    async def test_a_silent_watch_shows(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """A watch that delivers nothing any more makes the process not ready, and later not alive."""
        site.define()
        site.declare("shop")
        running = await site.start()
        await until(lambda: site.server.get(resources.STATEFUL_SET, "ns", "shop-s0-a") is not None)
        await until(lambda: running.operator._meter.lag() == 0.0)
        site.server.silent = True
        found = site.server.objects[resources.STATEFUL_SET, "ns", "shop-s0-a"]
        site.server.put({**found, "status": {"replicas": 1}})
        assert running.operator._fleet is not None
        running.operator._fleet.ring("ns", "shop")
        await until(lambda: running.operator._meter.lag(resources.STATEFUL_SET) > 0.0)
        monkeypatch.setattr(watching, "STALE_AFTER", 0.0)
        assert 503 == (await running.ask("/readyz"))[0]
        assert 200 == (await running.ask("/livez"))[0]
        monkeypatch.setattr(watching, "DEAD_AFTER", 0.0)
        assert 503 == (await running.ask("/livez"))[0]
        monkeypatch.undo()

    async def test_a_missed_cluster_is_found_by_the_rescan(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """A cluster whose event was lost is found by the list that runs beside the watch."""
        monkeypatch.setattr(app, "RESCAN_EVERY", 0.3)
        site.define()
        await site.start()
        await until(lambda: len(site.server._watchers) >= len(wiring.WATCHED))
        site.server.silent = True
        site.declare("shop")
        await until(lambda: bool(site.status("shop")))
        assert site.status("shop")["conditions"]

    async def test_no_event_is_posted_by_kopf(self, site: Site) -> None:
        """Events about clusters are ours alone: kopf posts none of its own."""
        site.define()
        site.declare("shop")
        await site.start()
        await until(lambda: bool(site.status("shop")))
        await asyncio.sleep(0.3)
        sources = [
            item["source"]["component"] for (kind, _, _), item in site.server.objects.items() if kind == resources.EVENT
        ]
        assert {"covet-operator"} >= set(sources)
