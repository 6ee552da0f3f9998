"""Whose data it is, and whether what was seen still stands, is asked again before anything is done."""

import pytest

from covet.controllers import freshness
from covet.core import events
from covet.core.errors import ConflictError
from covet.kube import resources
from tests.unit.controllers.conftest import NAMESPACE, Bench


class TestIdentity:
    """Who a cluster is outlives its object."""

    async def test_a_new_object_of_an_old_name_is_refused(self, bench: Bench) -> None:
        """Kept volumes belong to the earlier object: nothing is touched, its uid is named."""
        old = bench.declare()
        await bench.settle()
        bench.server.delete(resources.CLUSTER, NAMESPACE, "shop")
        kept = {name for (_, _, name) in bench.server.objects}
        assert {"shop-identity", "shop-map", "shop-ca", "shop-app"} <= kept
        bench.declare()
        bench.server.writes.clear()
        await bench.reconciler.once()
        assert events.KEPT_IDENTITY == bench.condition("Stalled")["reason"]
        assert old["metadata"]["uid"] in bench.condition("Stalled")["message"]
        assert [] == [write for write in bench.server.writes if write.resource not in {"covetclusters", "events"}]

    async def test_volumes_that_go_take_everything_along(self, bench: Bench) -> None:
        """With deletion.volumes Delete, the object's end is the end of everything it made."""
        bench.declare(deletion={"volumes": "Delete"})
        await bench.settle()
        bench.server.delete(resources.CLUSTER, NAMESPACE, "shop")
        left = {name for (kind, _, name) in bench.server.objects if kind not in {resources.EVENT, resources.POD}}
        assert {"fast"} == left

    async def test_a_change_of_mind_about_volumes_is_carried_out(self, bench: Bench) -> None:
        """Keep to Delete and back: the owners of the kept objects follow."""
        bench.declare()
        await bench.settle()
        seen = []
        for fate in ("Delete", "Keep"):
            bench.declare(deletion={"volumes": fate})
            await bench.settle()
            found = bench.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-identity")
            assert found is not None
            seen.append(len(found["metadata"].get("ownerReferences") or []))
        assert [1, 0] == seen

    async def test_a_lost_record_is_not_made_anew(self, bench: Bench) -> None:
        """Somebody deletes the record of a running cluster: it is asked for, and databases go on."""
        bench.declare()
        await bench.settle()
        bench.server.delete(resources.CONFIG_MAP, NAMESPACE, "shop-identity")
        bench.server.writes.clear()
        for _ in range(3):
            await bench.reconciler.once()
        assert events.IDENTITY_CONTRADICTED == bench.condition("Stalled")["reason"]
        assert "Unknown" == bench.condition("Available")["status"]
        assert [] == [write for write in bench.server.writes if write.resource not in {"covetclusters", "events"}]

    async def test_an_unreadable_record_stops_everything(self, bench: Bench) -> None:
        """A damaged record is not written anew; a person is asked."""
        bench.declare()
        await bench.settle()
        found = bench.server.get(resources.CONFIG_MAP, NAMESPACE, "shop-identity")
        assert found is not None
        bench.server.put({**found, "data": {"identity.json": "{"}})
        bench.server.writes.clear()
        await bench.reconciler.once()
        assert events.IDENTITY_UNREADABLE == bench.condition("Stalled")["reason"]
        assert [] == [write for write in bench.server.writes if write.resource not in {"covetclusters", "events"}]


class TestFreshness:
    """What cannot be taken back is decided on what is true now."""

    async def test_an_edit_between_plan_and_act_stops_the_act(self, bench: Bench) -> None:
        """The object is deleted after it was observed: no bootstrap is ordered."""
        bench.declare()
        for _ in range(3):
            await bench.reconciler.once()
            await bench.kubelet.sync()
        body = bench.server.get(resources.CLUSTER, NAMESPACE, "shop")
        assert body is not None
        seen = await bench.reconciler._observer.look(body)
        bench.server.delete(resources.CLUSTER, NAMESPACE, "shop")
        with pytest.raises(ConflictError):
            await freshness.still_wanted(bench.reconciler._means, seen)

    async def test_pausing_counts_as_an_edit(self, bench: Bench) -> None:
        """Somebody pauses the cluster while a round is under way: nothing irreversible follows."""
        body = bench.declare()
        seen = await bench.reconciler._observer.look(body)
        bench.declare(maintenance={"paused": True})
        with pytest.raises(ConflictError):
            await freshness.still_wanted(bench.reconciler._means, seen)
