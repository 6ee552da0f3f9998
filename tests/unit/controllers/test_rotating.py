"""An order for a new password is carried out through the API server and the agents, and told."""

import base64

from covet.controllers.act import ActionError
from covet.core import events
from covet.core.errors import CovetError
from covet.kube import resources
from covet.planner import rotation
from tests.unit.controllers.conftest import NAMESPACE, Bench
from tests.unit.manifests import scram


def values(bench: Bench) -> dict[str, str]:
    """Return what stands in the owner's Secret."""
    found = bench.server.get(resources.SECRET, NAMESPACE, "shop-app")
    assert found is not None
    return {key: base64.b64decode(text).decode() for key, text in found["data"].items()}


def logins(bench: Bench, shard: int) -> dict[str, str]:
    """Return the verifiers that a shard's primary holds."""
    volume = bench.kubelet.agents[f"shop-s{shard}-a"].volume
    assert volume is not None
    return volume.logins


async def rounds(bench: Bench, count: int) -> None:
    """Do rounds, and go on as a new process after each one that failed."""
    for _ in range(count):
        try:
            await bench.reconciler.once()
        except (ActionError, CovetError):
            await die(bench)
        await bench.kubelet.sync()


async def die(bench: Bench) -> None:
    """End the operator's process; the next one remembers nothing."""
    await bench.reconciler.close()
    bench.restart()


async def test_a_rotation_from_order_to_end(bench: Bench) -> None:
    """Secret, shards, record, status and Events agree at each stage; then nothing is written any more."""
    await bench.born(shards={"count": 2})
    before = values(bench)
    bench.kubelet.agents["shop-s1-b"].sessions.add("app")
    bench.annotate(rotate="2026-11-23T12:00:00Z")
    await rounds(bench, 8)
    after = values(bench)
    assert ("app", "app_a") == (before["username"], after["username"])
    assert before["password"] != after["password"]
    assert after["uri-s1"] == before["uri-s1"].replace(f"app:{before['password']}", f"app_a:{after['password']}")
    assert {*before} == {*after}
    assert [True, True] == [scram.verifies(after["password"], logins(bench, index)["app_a"]) for index in (0, 1)]
    login = bench.status()["login"]
    assert ("app_a", "Draining", "app") == (login["username"], login["phase"], login["former"])
    assert "shop-s1-b" in login["message"]
    assert "True" == bench.condition("Ready")["status"]
    bench.kubelet.agents["shop-s1-b"].sessions.clear()
    await rounds(bench, 2)
    assert "app" in logins(bench, 0)
    bench.offset += rotation.UNUSED_SECONDS
    await rounds(bench, 4)
    assert [{"app_a"}, {"app_a"}] == [{*logins(bench, index)} for index in (0, 1)]
    assert ("app_a", "Done") == (bench.status()["login"]["username"], bench.status()["login"]["phase"])
    assert {events.PASSWORD_ROTATED, events.LOGIN_RETIRED} <= {*bench.events("Normal")}
    bench.server.writes.clear()
    await rounds(bench, 2)
    assert [] == bench.server.writes
    for secret in (before["password"], after["password"]):
        assert secret not in str(bench.record()) + str(bench.status())


async def test_an_operator_that_dies_amid_a_rotation_is_followed_by_one_that_ends_it(bench: Bench) -> None:
    """Every round is done by a new process, and one Secret is deleted on the way: it ends all the same."""
    await bench.born()
    bench.annotate(rotate="one")
    for turn in range(6):
        await die(bench)
        await rounds(bench, 1)
        if turn == 2:
            bench.server.delete(resources.SECRET, NAMESPACE, "shop-app")
    await rounds(bench, 8)
    bench.offset += rotation.UNUSED_SECONDS
    await rounds(bench, 4)
    assert "Done" == bench.status()["login"]["phase"]
    assert ["app_a"] == [*logins(bench, 0)]
    assert scram.verifies(values(bench)["password"], logins(bench, 0)["app_a"])


async def test_a_secret_that_must_not_be_changed_is_told_at_once(bench: Bench) -> None:
    """Kubernetes refuses the operator the Secret: the first round after says what fails."""
    bench.declare()
    await bench.settle()
    bench.server.denied.add(("patch", "secrets"))
    bench.annotate(rotate="one")
    await bench.reconciler.once()
    for _ in range(2):
        await bench.reconciler.once()
    assert "StageLogin fails: " in bench.condition("Ready")["message"]
    bench.server.denied.clear()
    await rounds(bench, 4)
    assert "app_a" == values(bench)["username"]


async def test_a_password_edited_after_a_rotation_is_the_login_s(bench: Bench) -> None:
    """What a person writes into the Secret becomes the password of the role that it names."""
    await bench.born()
    bench.annotate(rotate="one")
    await rounds(bench, 6)
    found = bench.server.get(resources.SECRET, NAMESPACE, "shop-app")
    assert found is not None
    coded = base64.b64encode(b"by-hand").decode()
    bench.server.put({**found, "data": {**found["data"], "password": coded}})
    await rounds(bench, 3)
    assert scram.verifies("by-hand", logins(bench, 0)["app_a"])
    assert "app_a:by-hand@" in values(bench)["uri"]
