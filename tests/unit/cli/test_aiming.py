"""Commands that are shown go where the command itself went: they can be pasted."""

import pytest

from covet.cli import access, aiming
from tests.unit.cli import surroundings
from tests.unit.cli.surroundings import Caller, Surroundings


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        ("`kubectl covet why shop --shard s0` says it.", "`kubectl covet why shop --shard s0 -n prod` says it."),
        ("Look (`kubectl get pods`).", "Look (`kubectl get pods -n prod`)."),
        ("`kubectl logs -n covet-system op-0` says why.", "`kubectl logs -n covet-system op-0` says why."),
        ("`kubectl get cc --all-namespaces` lists them.", "`kubectl get cc --all-namespaces` lists them."),
        ("`kubectl drain` waits, `kubectl covet why` tells.", "`kubectl drain` waits, `kubectl covet why` tells."),
        ("`kubectl config get-contexts` and `helm list`.", "`kubectl config get-contexts` and `helm list`."),
    ],
)
def test_a_command_names_the_namespace_unless_it_names_one(shown: str, wanted: str) -> None:
    """What is about no namespace, or is no command to run, stays as it is."""
    aiming.at(access.Target(namespace="prod"))
    assert wanted == aiming.aim(shown)


def test_context_and_kubeconfig_come_along() -> None:
    """Quoted, as a shell reads them; where nothing was given nothing is added."""
    aiming.at(access.Target(None, "east", "/home/a b/config"))
    wanted = "`kubectl covet resume shop --context east --kubeconfig '/home/a b/config'`"
    assert wanted == aiming.aim("`kubectl covet resume shop`")
    aiming.at(access.Target())
    assert "`kubectl covet resume shop`" == aiming.aim("`kubectl covet resume shop`")


async def test_every_way_out_is_aimed(caller: Caller, around: Surroundings) -> None:
    """Tables, lines, and the sentence of a failure."""
    surroundings.change(around, "Pod", "shop-s0-a-0", lambda pod: pod["status"].update(conditions=[]))
    told = await caller.call("doctor", "shop", "-n", "default")
    assert "--instance shop-s0-a --level warning -n default`" in " ".join(told.out.split())
    told = await caller.call("pause", "shop", "--context", "east")
    assert "Paused: shop. `kubectl covet resume shop --context east` lets the operator go on.\n" == told.out
    told = await caller.call("-n", "default", "fence", "shop", "shop-s9-a")
    assert "`kubectl covet shards shop -n default`" in told.err
    told = await caller.call("resume", "shop")
    assert "-n default" not in told.out + told.err
