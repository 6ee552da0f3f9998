"""Orders of people: carried out at the agents, removed when done or refused, and told in an Event."""

import pytest

from covet.controllers import obeying
from tests.unit.controllers.conftest import Bench


async def test_a_switchover_is_carried_out_and_its_order_removed(bench: Bench) -> None:
    """The instance leads, the annotation is gone, and Events say both."""
    await bench.born()
    bench.annotate(switchover_s0="shop-s0-b")
    await bench.settle()
    assert {} == bench.annotations()
    assert "shop-s0-b" == bench.status()["shards"][0]["primary"]
    assert "OrderDone" in bench.events("Normal")


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"switchover_s0": "shop-s0-z"}, "SwitchoverRefused"),
        ({"switchover_s0": ""}, "SwitchoverRefused"),
        ({"switchover_s7": "shop-s7-a"}, "SwitchoverRefused"),
        ({"promote_s0": "shop-s0-b"}, "PromoteRefused"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused_and_removed(
    bench: Bench, order: dict[str, str], says: str
) -> None:
    """Nothing changes but the annotation, and a Warning says why."""
    await bench.born()
    bench.annotate(**order)
    await bench.settle()
    assert {} == bench.annotations()
    assert "shop-s0-a" == bench.status()["shards"][0]["primary"]
    assert [says] == bench.events()


async def test_a_fenced_instance_is_told_in_the_spec_and_stays_told(bench: Bench) -> None:
    """The level stands in the annotation, reaches every agent of the shard, and ends with it."""
    await bench.born()
    bench.annotate(fenced="shop-s0-c, shop-s0-b,other")
    await bench.settle()
    told = {name: agent.spec.fenced for name, agent in bench.kubelet.agents.items() if agent.spec is not None}
    assert dict.fromkeys(("shop-s0-a", "shop-s0-b", "shop-s0-c"), ("shop-s0-b", "shop-s0-c")) == told
    assert "shop-s0-c, shop-s0-b,other" == bench.annotations()["covet.dev/fenced"]
    bench.annotate(fenced=None)
    await bench.settle()
    assert {()} == {agent.spec.fenced for agent in bench.kubelet.agents.values() if agent.spec is not None}


async def test_a_fenced_instance_is_not_made_the_primary(bench: Bench) -> None:
    """Who is kept out of service cannot be handed anything."""
    await bench.born()
    bench.annotate(fenced="shop-s0-b", switchover_s0="shop-s0-b")
    await bench.settle()
    assert {"covet.dev/fenced": "shop-s0-b"} == bench.annotations()
    assert ["SwitchoverRefused"] == bench.events()


async def test_an_order_written_meanwhile_stays(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is removed is the order that was carried out, not the next one."""
    await bench.born()
    bench.annotate(switchover_s0="shop-s0-b")
    settle = obeying.settle

    async def late(*arguments: object) -> None:
        monkeypatch.setattr(obeying, "settle", settle)
        bench.annotate(switchover_s0="shop-s0-c")
        await settle(*arguments)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(obeying, "settle", late)
    await bench.reconciler.once()
    assert {"covet.dev/switchover.s0": "shop-s0-c"} == bench.annotations()
    await bench.settle()
    assert "shop-s0-c" == bench.status()["shards"][0]["primary"]
