"""What renews that which still works may fail for as long as somebody forbids it: shards are healed beside it."""

import datetime as dt

import pytest

from covet.controllers.setbacks import PATIENCE, Setbacks
from covet.core.agentapi import MemberState
from covet.core.errors import ConflictError, RefusedError
from covet.kube import resources
from covet.planner import actions as act
from covet.planner.authorityactions import AnnounceAuthority
from covet.planner.loginactions import StageLogin
from tests.unit.controllers.conftest import NAMESPACE, Bench

ROTATE = {"rotate": "one"}
REPLACE = {"replace-authority": ""}


def states(bench: Bench) -> dict[str, MemberState]:
    """Return what the instances are doing."""
    return {name: agent.state for name, agent in bench.kubelet.agents.items()}


def order(bench: Bench, orders: dict[str, str]) -> None:
    """Write orders; the authority was made some time before."""
    bench.ahead = dt.timedelta(seconds=10)
    moment = f"{bench.tools.clock.wall():%Y-%m-%dT%H:%M:%SZ}"
    bench.annotate(**{key: moment if key == "replace-authority" else value for key, value in orders.items()})


@pytest.mark.parametrize(
    ("orders", "fails"),
    [
        (ROTATE, ["StageLogin"]),
        (REPLACE, ["AnnounceAuthority"]),
        ({**ROTATE, **REPLACE}, ["AnnounceAuthority", "StageLogin"]),
    ],
)
async def test_a_shard_is_healed_while_kubernetes_forbids_to_write_secrets(
    bench: Bench, orders: dict[str, str], fails: list[str]
) -> None:
    """Each step fails every round and is told; a lost volume is copied meanwhile, and then the steps go on."""
    await bench.born()
    bench.server.denied.add(("patch", "secrets"))
    order(bench, orders)
    await bench.rounds(3)
    bench.kubelet.agents["shop-s0-c"].lose_volume()
    await bench.rounds(12)
    assert [MemberState.LEADER, MemberState.FOLLOWER, MemberState.FOLLOWER] == [*states(bench).values()]
    assert 1 == bench.actions["Clone", "Done"]
    said = bench.condition("Ready")["message"]
    assert fails == [kind for kind in ("AnnounceAuthority", "StageLogin") if f"{kind} fails: " in said]
    moment = await bench.reconciler.once()
    assert moment is not None
    assert not moment.settled, "it is tried again sooner than a settled cluster is looked at"
    bench.server.denied.clear()
    await bench.rounds(6)
    assert "fails: " not in bench.condition("Ready")["message"]
    assert {"PasswordRotated" if kind == "StageLogin" else "AuthorityAnnounced" for kind in fails} <= {
        *bench.events("Normal")
    }


async def test_a_shard_that_takes_no_login_holds_up_nothing_but_the_rotation(bench: Bench) -> None:
    """One shard refuses SQL: it and the other one are healed, a damaged Service is put back, and the rotation waits."""
    await bench.born(shards={"count": 2})
    stubborn = bench.kubelet.agents["shop-s1-a"]
    stubborn.refused.add("login")
    bench.annotate(**ROTATE)
    await bench.rounds(4)
    assert "app" == login(bench)
    assert bench.actions["PutLogin", "ServerFailed"] >= 1
    for name in ("shop-s0-b", "shop-s1-c"):
        bench.kubelet.agents[name].lose_volume()
    bench.server.delete(resources.SERVICE, NAMESPACE, "shop-s0-ro")
    await bench.rounds(12)
    assert 2 == list(states(bench).values()).count(MemberState.LEADER)
    assert 4 == list(states(bench).values()).count(MemberState.FOLLOWER)
    assert bench.server.get(resources.SERVICE, NAMESPACE, "shop-s0-ro") is not None
    stubborn.refused.clear()
    await bench.rounds(4)
    assert "app_a" == login(bench)


async def test_a_shard_that_cannot_be_healed_holds_up_no_rotation(bench: Bench) -> None:
    """The clone of one instance is refused in every round: the application gets its new password all the same."""
    await bench.born(shards={"count": 2})
    broken = bench.kubelet.agents["shop-s1-c"]
    broken.lose_volume()
    broken.refused.add("clone")
    bench.annotate(**ROTATE)
    await bench.rounds(8)
    assert 0 == bench.actions["Clone", "Done"]
    assert bench.actions["Clone", "ServerFailed"] >= 1
    assert "app_a" == login(bench)


def login(bench: Bench) -> str:
    """Return the login that the application is told to use."""
    return str(bench.status()["login"]["username"])


def test_what_kubernetes_refuses_is_told_at_once_and_races_after_a_while() -> None:
    """Each kind of action by itself: one that fails neither hides another nor ends its count."""
    setbacks = Setbacks()
    forbidden = (StageLogin("app_a"), RefusedError("Forbidden", "no right."))
    race = (AnnounceAuthority(), ConflictError("Changed", "somebody wrote."))
    for _ in range(PATIENCE - 1):
        setbacks.round([], [forbidden, race])
    assert ["StageLogin fails: no right."] == [found.message for found in setbacks.findings]
    setbacks.round([], [race])
    assert ["Forbidden", "Changed"] == [found.reason for found in setbacks.findings]
    setbacks.round([act.CreateUser(), StageLogin("app_a")], [])
    assert ["Changed"] == [found.reason for found in setbacks.findings]
    setbacks.planned(["Open"])
    assert () == setbacks.findings


def test_of_several_shards_the_first_is_told() -> None:
    """In whatever order they fail: the sentence is the same in every round."""
    setbacks = Setbacks()
    failures = [(act.Open(shard, "x"), RefusedError("Busy", f"{shard} is busy.")) for shard in ("s0", "s1")]
    for index in range(PATIENCE):
        setbacks.round([], failures[:: 1 if index % 2 else -1])
    assert ["Open fails: s0 is busy."] == [found.message for found in setbacks.findings]
