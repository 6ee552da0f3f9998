"""A total outage and `failover.whenUnsafe`: over the real adapter and agents behind mTLS."""

import copy

import pytest

from covet.controllers.act import ActionError
from covet.core import events
from covet.kube import resources
from covet.planner import forcing
from tests.unit.controllers.conftest import NAMESPACE, Bench

LOSS = {"failover": {"whenUnsafe": "PromoteWithLoss"}}
AWAY = ("shop-s0-a", "shop-s0-c")


async def lost(bench: Bench, **spec: object) -> None:
    """Have two of three instances end, the primary among them, and the third find too few others."""
    bench.declare(**spec)
    await bench.settle()
    for name in AWAY:
        bench.kubelet.agents[name].restart()
        bench.kubelet.unreachable.add(name)
        pod = copy.deepcopy(bench.server.objects[resources.POD, NAMESPACE, f"{name}-0"])
        pod["status"]["containerStatuses"] = [{"state": {"waiting": {"reason": "PodInitializing"}}, "image": "image"}]
        pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        bench.server.put(pod)
    bench.kubelet.agents["shop-s0-b"].quorum_missing = "2 of 3 members elect a leader and 1 can be reached."


async def test_a_shard_goes_on_with_a_loss_where_its_user_asked_for_that(bench: Bench) -> None:
    """Not before its time; then one instance leads, and a Warning names those whose commits may be lost."""
    await lost(bench, **LOSS)
    await bench.reconciler.once()
    assert "PromoteWithLoss: after 300 s" in bench.condition("Ready")["message"]
    assert [] == bench.events()
    bench.offset += forcing.PATIENCE
    await bench.reconciler.once()
    bench.kubelet.agents["shop-s0-b"].quorum_missing = ""
    await bench.reconciler.once()
    assert "shop-s0-b" == bench.status()["shards"][0]["primary"]
    assert "shop-s0-b leads without shop-s0-a, shop-s0-c" in bench.told(events.PROMOTED_WITH_LOSS)


async def test_an_ordered_loss_names_who_was_left_out(bench: Bench) -> None:
    """A person promotes the last one that has data: a Warning says whose commits may be lost."""
    await lost(bench)
    bench.kubelet.agents["shop-s0-b"].quorum_missing = ""
    bench.annotate(promote_s0="shop-s0-b")
    for _ in range(3):
        await bench.reconciler.once()
    assert ({}, "shop-s0-b") == (bench.annotations(), bench.status()["shards"][0]["primary"])
    assert "s0: shop-s0-b leads without shop-s0-a, shop-s0-c, as ordered" in bench.told(events.PROMOTED_WITH_LOSS)
    assert "OrderDone" in bench.events("Normal")


async def test_a_shard_waits_where_nobody_asked(bench: Bench) -> None:
    """However long it takes, nothing is promoted, and the status says what is missing."""
    await lost(bench)
    await bench.reconciler.once()
    bench.offset += 10 * forcing.PATIENCE
    await bench.reconciler.once()
    assert events.QUORUM_MISSING == bench.condition("Ready")["reason"]
    assert "PromoteWithLoss" not in bench.condition("Ready")["message"]
    assert "primary" not in bench.status()["shards"][0]


async def test_a_member_that_comes_back_in_between_stops_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are asked once more right before: a quorum that is back is not overruled."""
    await lost(bench, **LOSS)
    await bench.reconciler.once()
    bench.offset += forcing.PATIENCE
    judged = forcing.decide

    def back(case: forcing.Case, now: object) -> object:
        bench.kubelet.agents["shop-s0-b"].quorum_missing = ""
        return judged(case, now)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(forcing, "decide", back)
    with pytest.raises(ActionError, match="not as it was seen"):
        await bench.reconciler.once()
    assert [] == bench.events()
