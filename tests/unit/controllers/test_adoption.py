"""What a cluster left is taken over by the object that names it, and by no other."""

from typing import Any

import pytest

from covet.controllers import making
from covet.core import events, names
from covet.core.errors import ConflictError
from covet.kube import resources
from covet.planner import actions as act
from tests.unit.controllers.conftest import NAMESPACE, Bench

STRANGER = "00000000-0000-4000-8000-000000000000"
TOUCHED_ANYWAY = {"covetclusters", "events"}


async def leave_volumes(bench: Bench) -> str:
    """Make a cluster, delete it with its volumes kept, and end its pods; return its uid."""
    uid: str = bench.declare()["metadata"]["uid"]
    await bench.settle()
    await end(bench)
    return uid


async def end(bench: Bench) -> None:
    """Delete the cluster with its volumes kept, and end its pods; the next rounds are those of a new process."""
    bench.server.delete(resources.CLUSTER, NAMESPACE, "shop")
    for instance in list(bench.kubelet.agents):
        await bench.kubelet.delete_pod(NAMESPACE, instance)
    await bench.reconciler.close()
    bench.restart()


def kept(bench: Bench) -> dict[str, Any]:
    """Return what belongs to the data: the authority, the owner's password, and the map."""
    found = {
        name: bench.server.objects[resource, NAMESPACE, name]["data"]
        for resource, name in (
            (resources.SECRET, "shop-ca"),
            (resources.SECRET, "shop-app"),
            (resources.CONFIG_MAP, "shop-map"),
        )
    }
    return {**found, "shop-app": found["shop-app"]["password"]}


def bootstraps(bench: Bench) -> int:
    """Return how often a shard was initialised."""
    return sum(agent.bootstraps for agent in bench.kubelet.agents.values())


async def test_an_object_that_names_the_uid_takes_volumes_over(bench: Bench) -> None:
    """Data, authority, password and map stay; nothing is initialised a second time."""
    old = await leave_volumes(bench)
    before, record = kept(bench), bench.record()
    new = bench.declare(adopt=old)["metadata"]["uid"]
    await bench.settle()
    assert "True" == bench.condition("Ready")["status"]
    assert {**record, "adoptedBy": new} == bench.record()
    assert (before, 1) == (kept(bench), bootstraps(bench))
    assert events.ADOPTED in bench.events("Normal")
    assert [] == bench.status().get("pendingChanges", [])


async def test_its_agents_publish_for_the_new_object(bench: Bench) -> None:
    """What an agent creates goes with the object that is there now; the volumes know the first one for ever."""
    old = await leave_volumes(bench)
    new = bench.declare(adopt=old)["metadata"]["uid"]
    await bench.settle()
    told = bench.kubelet.agents["shop-s0-a"].spec
    assert told is not None
    assert (old, new) == (told.cluster_uid, told.owner_uid)


async def test_the_same_manifest_takes_them_over_again(bench: Bench) -> None:
    """The uid is that of the data, not of the last object: a manifest in Git may keep it."""
    old = await leave_volumes(bench)
    for _ in range(2):
        bench.declare(adopt=old)
        await bench.settle()
        await end(bench)
    last = bench.declare(adopt=old)["metadata"]["uid"]
    await bench.settle()
    assert (old, last, 1) == (bench.record()["clusterUid"], bench.record()["adoptedBy"], bootstraps(bench))


@pytest.mark.parametrize("wish", [{}, {"adopt": ""}, {"adopt": STRANGER}], ids=["nothing", "empty", "another"])
async def test_another_object_of_the_name_touches_nothing(bench: Bench, wish: dict[str, str]) -> None:
    """It is told the uid to write, in words that can be copied."""
    old = await leave_volumes(bench)
    bench.declare(**wish)
    bench.server.writes.clear()
    for _ in range(3):
        await bench.reconciler.once()
    assert events.KEPT_IDENTITY == bench.condition("Stalled")["reason"]
    assert f"spec.adopt: {old}" in bench.condition("Stalled")["message"]
    assert [] == [write for write in bench.server.writes if write.resource not in TOUCHED_ANYWAY]


async def test_where_nothing_is_left_no_empty_cluster_is_made_instead(bench: Bench) -> None:
    """Who asks for his data must not find an empty database with the same name and password."""
    bench.declare(adopt=STRANGER)
    for _ in range(3):
        await bench.reconciler.once()
    assert events.NOTHING_TO_ADOPT == bench.condition("Stalled")["reason"]
    assert [] == [write for write in bench.server.writes if write.resource not in TOUCHED_ANYWAY]
    bench.declare()
    await bench.settle()
    assert {} == bench.condition("Stalled")


async def test_a_living_cluster_is_never_given_anothers_data(bench: Bench) -> None:
    """The wish is listed with its reason; it neither stops nor restarts anything."""
    await bench.born()
    pods = bench.pods()
    bench.declare(adopt=STRANGER)
    await bench.settle()
    assert ["spec.adopt"] == [change["field"] for change in bench.status()["pendingChanges"]]
    assert pods == bench.pods()


async def test_of_what_is_left_one_volume_is_lost_and_copied_anew(bench: Bench) -> None:
    """A claim that went meanwhile costs a copy."""
    old = await leave_volumes(bench)
    bench.kubelet.agents["shop-s0-b"].lose_volume()
    bench.declare(adopt=old)
    await bench.settle()
    assert ("True", 1) == (bench.condition("Ready")["status"], bootstraps(bench))


async def test_a_shard_without_any_volume_is_not_made_anew(bench: Bench) -> None:
    """All claims were deleted, the record was not: nobody initialises the shard again, and the way out is told."""
    old = await leave_volumes(bench)
    for agent in bench.kubelet.agents.values():
        agent.lose_volume()
    bench.declare(adopt=old)
    for _ in range(10):
        await bench.reconciler.once()
        await bench.kubelet.sync()
    assert events.BIRTH_VOLUME_LOST == bench.condition("Stalled")["reason"]
    said = bench.condition("Stalled")["message"]
    assert all(word in said for word in ("never initialised twice", "bring the volume back", "delete the cluster")), (
        said
    )
    assert 1 == bootstraps(bench)


async def test_what_goes_with_its_cluster_is_not_taken_over(bench: Bench) -> None:
    """Deleted with its volumes: the record that is about to go is left alone."""
    old = await leave_volumes(bench)
    body = bench.declare(adopt=old)
    seen = await bench.reconciler._observer.look(body)
    name = names.identity("shop")
    found = bench.server.objects[resources.CONFIG_MAP, NAMESPACE, name]
    owner = {"apiVersion": names.API_VERSION, "kind": names.KIND, "name": "shop", "uid": old}
    bench.server.put({**found, "metadata": {**found["metadata"], "ownerReferences": [owner]}})
    with pytest.raises(ConflictError):
        await making.adopt_identity(bench.reconciler._means, seen, act.AdoptIdentity(old, old))
    assert "adoptedBy" not in bench.record()


async def test_of_two_that_look_at_once_one_record_results(bench: Bench) -> None:
    """A record that somebody took over between look and act is not taken over again."""
    old = await leave_volumes(bench)
    seen = await bench.reconciler._observer.look(bench.declare(adopt=old))
    await making.adopt_identity(bench.reconciler._means, seen, act.AdoptIdentity(old, old))
    with pytest.raises(ConflictError):
        await making.adopt_identity(bench.reconciler._means, seen, act.AdoptIdentity(old, old))


async def test_a_paused_object_takes_nothing_over(bench: Bench) -> None:
    """maintenance.paused: nothing is changed, not even whose the volumes are."""
    old = await leave_volumes(bench)
    bench.declare(adopt=old, maintenance={"paused": True})
    for _ in range(3):
        await bench.reconciler.once()
    assert (events.PAUSED, "adoptedBy" in bench.record()) == (bench.condition("Ready")["reason"], False)
