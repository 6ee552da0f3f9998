"""`restart`, `reload`, `pause` and `resume`: what they order, and how they wait for it."""

import asyncio
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from covet.cli import access, executing, restarting
from covet.core import events, names
from covet.kube import resources
from tests.unit.cli import samples, surroundings
from tests.unit.cli.fakes import NOW, FakeAccess, World
from tests.unit.cli.surroundings import Caller, Surroundings

RESTART = names.ANNOTATION_RESTART
ORDERED = "Ordered: every instance of shop whose pod is older than 2026-11-23T08:00:00Z is restarted.\n"


def annotations(around: Surroundings) -> dict[str, str]:
    """Return the annotations of the cluster."""
    found = around.get(resources.CLUSTER, "default", "shop")
    assert found is not None
    kept: dict[str, str] = found["metadata"].get("annotations") or {}
    return kept


async def test_a_restart_is_ordered_by_the_api_server_s_clock(caller: Caller, around: Surroundings) -> None:
    """Pods are dated by that clock: with the one here an hour behind it, nothing would be older."""
    around.now = NOW.replace(hour=9)
    done = await caller.call("restart", "shop")
    assert {RESTART: "2026-11-23T09:00:00Z"} == annotations(around)
    assert 0 == done.code
    assert "older than 2026-11-23T09:00:00Z is restarted" in done.out
    assert "`kubectl covet status shop` shows what is left.\n" == done.err


async def test_a_restart_under_way_is_not_begun_again(caller: Caller, around: Surroundings) -> None:
    """What was restarted already would be restarted once more."""
    around.put(samples.cluster(**{RESTART.replace(".", "__"): "2026-11-23T07:00:00Z"}))
    done = await caller.call("restart", "shop")
    assert {RESTART: "2026-11-23T07:00:00Z"} == annotations(around)
    assert "A restart of what is older than 2026-11-23T07:00:00Z is under way already.\n" == done.out


async def test_a_restart_of_a_paused_cluster_says_that_it_waits(caller: Caller, around: Surroundings) -> None:
    """It is ordered all the same, and begins with the end of the pause."""
    surroundings.change(around, "CovetCluster", "shop", lambda body: body["spec"].update(maintenance={"paused": True}))
    done = await caller.call("restart", "shop")
    assert "shop is paused: nothing is restarted before `kubectl covet resume shop`." in done.err
    assert RESTART in annotations(around)


async def ordered(around: Surroundings) -> None:
    """Return once the restart was ordered."""
    async with asyncio.timeout(60):
        while RESTART not in annotations(around):  # noqa: ASYNC110 -- the server keeps a dictionary
            await asyncio.sleep(0.01)


def withdraw(body: dict[str, Any]) -> None:
    """Remove the order."""
    del body["metadata"]["annotations"][RESTART]


def say(around: Surroundings, reason: str, message: str) -> None:
    """Store an Event about the cluster, as the operator does."""
    found = around.get(resources.CLUSTER, "default", "shop")
    assert found is not None
    around.put(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "shop.1", "namespace": "default"},
            "involvedObject": {"kind": "CovetCluster", "name": "shop", "uid": found["metadata"]["uid"]},
            "reason": reason,
            "message": message,
        }
    )


def pending(body: dict[str, Any]) -> None:
    """Let the operator tell what is left."""
    change = {"field": f"metadata.annotations[{RESTART}]", "reason": "RestartOrdered", "message": "Left are two."}
    body["status"]["pendingChanges"] = [change]


async def test_a_restart_that_is_waited_for(caller: Caller, around: Surroundings) -> None:
    """It is done when the operator says so."""
    waiting = asyncio.create_task(caller.call("restart", "shop", "--wait"))
    await ordered(around)
    say(around, events.ORDER_DONE, "Every pod was made after 2026-11-23T08:00:00Z, as ordered.")
    surroundings.change(around, "CovetCluster", "shop", withdraw)
    done = await waiting
    assert (0, f"{ORDERED}Done: every pod of shop was made after 2026-11-23T08:00:00Z.\n") == (done.code, done.out)


async def test_each_step_of_a_restart_is_told() -> None:
    """Once, as the operator puts it."""
    moment = "2026-11-23T08:00:00Z"
    api = FakeAccess(samples.cluster(**{RESTART.replace(".", "__"): moment}))
    api.script = [pending, pending, withdraw]
    api.events = [access.Word(events.ORDER_DONE, f"Every pod was made after {moment}, as ordered.", "7")]
    told: list[str] = []
    await restarting.until_done(api, await api.read("shop"), moment, 60.0, told.append)
    assert ["Ordered; the operator has not taken it up yet.", "Left are two."] == told


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ((events.RESTART_REFUSED, "'2026-11-23T08:00:00Z' is no moment of the past."), "The operator refused: '2026"),
        ((events.ORDER_DONE, "Every pod was made after 2026-11-20T08:00:00Z, as ordered."), "somebody withdrew it"),
    ],
)
async def test_a_restart_that_does_not_come(
    caller: Caller, around: Surroundings, event: tuple[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused in the operator's own words, or withdrawn; an Event about an earlier order is no answer."""
    monkeypatch.setattr(restarting, "GRACE", 0.2)
    waiting = asyncio.create_task(caller.call("restart", "shop", "--wait"))
    await ordered(around)
    say(around, *event)
    surroundings.change(around, "CovetCluster", "shop", withdraw)
    done = await waiting
    assert 1 == done.code
    assert words in done.err


async def test_a_restart_that_takes_longer_stands(caller: Caller, around: Surroundings) -> None:
    """The command ends, and says how to look and how to withdraw it."""
    done = await caller.call("restart", "shop", "--wait", "--timeout", "1")
    assert 6 == done.code
    assert f"kubectl annotate covetclusters shop -n default {RESTART}-`." in done.err
    assert RESTART in annotations(around)


def test_a_restart_that_stands_is_shown() -> None:
    """By `status`, also before the operator has taken it up, and by `resume`, which sets it going."""
    body = samples.cluster(**{RESTART.replace(".", "__"): "2026-11-23T07:00:00Z"})
    body["spec"]["maintenance"] = {"paused": True}
    world = World(FakeAccess(body))
    note = "- Ordered and not carried out yet: restart of every instance whose pod is older than"
    assert note in world.call("status", "shop").out
    assert "Ordered before and carried out now: a restart of every instance.\n" == world.call("resume", "shop").err


def test_a_pause_and_its_end(world: World) -> None:
    """The field comes and goes; nothing else of the spec is touched."""
    before = dict(world.api.bodies["shop"]["spec"])
    done = world.call("pause", "shop")
    assert (0, "Paused: shop. `kubectl covet resume shop` lets the operator go on.\n") == (done.code, done.out)
    assert {**before, "maintenance": {"paused": True}} == world.api.bodies["shop"]["spec"]
    assert "shop is paused already.\n" == world.call("pause", "shop").out
    assert "Resumed: shop.\n" == world.call("resume", "shop").out
    assert {**before, "maintenance": {}} == world.api.bodies["shop"]["spec"]
    assert "shop is not paused.\n" == world.call("resume", "shop").out


def test_a_pause_beside_another_change(world: World) -> None:
    """It is decided anew by the newest object."""
    world.api.conflicts = 2
    assert 0 == world.call("pause", "shop").code
    assert {"paused": True} == world.api.bodies["shop"]["spec"]["maintenance"]


async def test_a_pause_is_kept_by_the_api_server(caller: Caller, around: Surroundings) -> None:
    """As a patch that the real one takes too."""
    await caller.call("pause", "shop")
    found = around.get(resources.CLUSTER, "default", "shop")
    assert found is not None
    assert {"paused": True} == found["spec"]["maintenance"]
    assert samples.cluster()["spec"] == {key: part for key, part in found["spec"].items() if key != "maintenance"}


Answer = Callable[[str], executing.Ended]


def reloading(caller: Caller, answer: Answer) -> list[list[str]]:
    """Let each instance answer kubectl exec; return the calls that will be made."""
    calls: list[list[str]] = []

    def run(call: list[str], limit: float) -> executing.Ended:
        assert 30.0 == limit
        calls.append(call)
        return answer(call[call.index("-c") - 1])

    caller.run = run
    return calls


async def test_a_reload_of_all_instances(caller: Caller) -> None:
    """Each by kubectl exec; what cannot be in force is said."""
    answers = {"shop-s0-b-0": "t\nmax_connections: setting could not be applied\n"}
    calls = reloading(caller, lambda pod: executing.Ended(0, answers.get(pod, "t\n\n"), ""))
    done = await caller.call("reload", "shop", "--shard", "s0")
    expected = """
        INSTANCE   RELOADED  NOTE
        shop-s0-a  yes       -
        shop-s0-b  yes       not in force: max_connections: setting could not be applied
        shop-s0-c  yes       -
        """
    assert (0, textwrap.dedent(expected).lstrip("\n")) == (done.code, done.out)
    assert ["kubectl", "--namespace=default", "exec", "-i", "shop-s0-a-0", "-c", "instance", "--", "env"] == calls[0][
        :9
    ]
    assert "SELECT pg_reload_conf()" == calls[0][calls[0].index("-XAtq") + 2]


async def test_a_reload_that_fails(caller: Caller) -> None:
    """Of one instance: the others are reloaded, and the code says that not all were."""
    refused = executing.Ended(1, "", "Error from server (NotFound): pods not found\n")
    reloading(caller, lambda pod: refused if pod == "shop-s1-c-0" else executing.Ended(0, "t\n\n", ""))
    done = await caller.call("reload", "shop")
    assert 5 == done.out.count(" yes ")
    assert "shop-s1-c  no        Error from server (NotFound): pods not found\n" in done.out
    assert (1, "Error: Not reloaded: shop-s1-c.\n") == (done.code, done.err)


async def test_a_reload_of_one_instance(caller: Caller) -> None:
    """By its name; one that is not there is named."""
    calls = reloading(caller, lambda _: executing.Ended(0, "t\n\n", ""))
    assert 0 == (await caller.call("reload", "shop", "--instance", "shop-s1-b")).code
    assert ["shop-s1-b-0"] == [call[call.index("-c") - 1] for call in calls]
    assert 3 == (await caller.call("reload", "shop", "--instance", "shop-s9-b")).code


def test_a_program_that_is_not_there_or_does_not_end() -> None:
    """Both are told by their codes, as a shell does."""
    assert executing.NOT_FOUND == executing.run(["no-such-program-here"], 5.0).code
    assert executing.TIMED_OUT == executing.run(["sleep", "60"], 0.1).code
    assert executing.Ended(0, "yes\n", "") == executing.run(["echo", "yes"], 60.0)
