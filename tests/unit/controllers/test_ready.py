"""Ready is True only of what was asked for last and is in force everywhere, whenever somebody looks."""

import contextlib
from typing import Any

import pytest

from covet.controllers import asking
from covet.controllers.act import ActionError
from covet.core import events
from covet.core.errors import CovetError
from covet.kube import resources
from tests.unit.controllers.conftest import NAMESPACE, Bench

SETTING = {"engine": {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "7MB"}}}
BIGGER = {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "2Gi"}}}


def claims(bench: Bench) -> str:
    """Return the reason of Ready, and `True` if it is claimed of the newest generation."""
    found = bench.server.get(resources.CLUSTER, NAMESPACE, "shop")
    assert found is not None
    ready = bench.condition("Ready")
    newest = ready["observedGeneration"] == found["metadata"]["generation"]
    return "True" if newest and ready["status"] == "True" else str(ready["reason"])


async def said(bench: Bench, rounds: int) -> list[str]:
    """Return what rounds without time for anybody else said, a repetition once."""
    found: list[str] = []
    for _ in range(rounds):
        await bench.reconciler.once()
        if found[-1:] != [claims(bench)]:
            found.append(claims(bench))
    return found


async def test_a_setting_is_ready_once_servers_go_by_it(bench: Bench) -> None:
    """Published, handed over, taken up: Ready turns False once and True once."""
    await bench.born()
    bench.declare(**SETTING)
    assert ["WaitingForSpec"] == await said(bench, 5)
    await bench.kubelet.sync()
    assert ["True"] == await said(bench, 3)


async def test_an_agent_that_does_not_say_is_given_time(bench: Bench) -> None:
    """Where an agent tells no more than which spec it has, it goes by that a few seconds later, restart and all."""
    await bench.born()
    for agent in bench.kubelet.agents.values():
        agent.tells_applied = False
    assert ["True"] == await said(bench, 2)
    bench.declare(**SETTING)
    assert ["Updating", "WaitingForSpec"] == await said(bench, 5)
    bench.offset += asking.TAKE_UP
    assert ["True"] == await said(bench, 3)


async def test_a_new_operator_does_not_doubt_what_it_finds(bench: Bench) -> None:
    """An agent that does not say what it applied keeps nobody waiting when only the operator is new."""
    await bench.born(**SETTING)
    for agent in bench.kubelet.agents.values():
        agent.tells_applied = False
    await bench.reconciler.close()
    bench.restart()
    await bench.settle(2)
    assert "True" == claims(bench)


async def test_a_template_is_ready_once_pods_have_it(bench: Bench) -> None:
    """Applied, taken up by Kubernetes, and in force in no pod: not ready until the last pod was made anew."""
    await bench.born()
    bench.declare(**BIGGER)
    assert ["Repairing", "WaitingForStatefulSet"] == await said(bench, 4)
    await bench.kubelet.sync()
    before = bench.pods()
    for _ in range(40):
        assert "True" != claims(bench) or not before & bench.pods()
        with contextlib.suppress(ActionError, CovetError):
            await bench.reconciler.once()
        if "True" == claims(bench):
            break
        await bench.kubelet.sync()
    assert "True" == claims(bench)
    assert not before & bench.pods()
    assert [events.INSTANCE_RESTARTED] == list(dict.fromkeys(bench.events("Normal")[-3:]))


async def test_a_setting_that_needs_a_restart_gets_one(bench: Bench) -> None:
    """The pod is made anew while the others serve, and Ready is claimed afterwards."""
    await bench.born()
    before = bench.pods()
    bench.kubelet.agents["shop-s0-b"].pending_restart = ("shared_buffers",)
    assert [events.RESTARTING] == await said(bench, 1)
    await bench.settle()
    assert 2 == len(before & bench.pods())
    assert "True" == claims(bench)


async def test_a_restart_that_a_pause_holds_up_is_said_once(bench: Bench) -> None:
    """A setting waits for a restart: Ready says so, again and again the same, and no pod is touched."""
    await bench.born()
    before = bench.pods()
    bench.kubelet.agents["shop-s0-b"].pending_restart = ("shared_buffers",)
    bench.declare(maintenance={"paused": True})
    assert [events.PAUSED] == await said(bench, 3)
    bench.server.writes.clear()
    assert [events.PAUSED] == await said(bench, 3)
    assert [] == bench.server.writes
    assert before == bench.pods()


async def test_a_drain_and_a_restart_do_not_take_two(bench: Bench) -> None:
    """The disruption budget is asked: where a drain was quicker than the last look, the restart waits."""
    await bench.born()
    bench.kubelet.agents["shop-s0-b"].pending_restart = ("shared_buffers",)

    def drain(verb: str, _resource: resources.Resource, _manifest: dict[str, Any]) -> None:
        if verb == "evict":
            bench.server.delete(resources.POD, NAMESPACE, "shop-s0-c-0")

    bench.server.refuse = drain
    with pytest.raises(ActionError, match="disruption budget"):
        await bench.reconciler.once()
    bench.server.refuse = lambda *_: None
    await bench.settle()
    assert not bench.kubelet.agents["shop-s0-b"].pending_restart


async def test_parameters_that_servers_refuse_are_an_event(bench: Bench) -> None:
    """The servers' own word stalls the cluster with one Warning, and is gone when they go by the parameters again."""
    await bench.born()
    for agent in bench.kubelet.agents.values():
        agent.parameter_problem = "invalid value for parameter"
    assert [events.PARAMETERS_UNUSABLE] == await said(bench, 3)
    assert [events.PARAMETERS_UNUSABLE] == bench.events()
    assert "invalid value for parameter" in bench.condition("Stalled")["message"]
    for agent in bench.kubelet.agents.values():
        agent.parameter_problem = None
    assert ["True"] == await said(bench, 1)
