"""All volumes of a shard are lost: nothing is initialised in their place, and the runbook's commands lead on."""

import pathlib
import re
import shlex

import pytest

from tests.e2e.cluster import plugin, shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.installation import Installation

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(900)]

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8").partition("## BirthVolumeLost")[2]
BRING_BACK, GIVE_UP = re.findall(r"```sh\n(.*?)```", PAGE.partition("\n## ")[0], re.DOTALL)
"""The commands of the page, in the order of its two ways."""
PSQL = ("/usr/lib/postgresql/15/bin/psql", "-h", "/run/covet", "-U", "covet", "-d", "app", "-Atqc")


@pytest.fixture
def shop(covet: Installation, namespace: str) -> Shop:
    """A cluster that is not declared yet."""
    return Shop(covet, namespace)


def follow(shop: Shop, commands: str, **names: str) -> None:
    """Run the commands of a runbook in the namespace of a cluster, other names in place of the page's."""
    words = shlex.split(commands.replace('"namespace":"shop"', f'"namespace":"{shop.namespace}"'), comments=True)
    calls: list[list[str]] = []
    for word in words:
        if word == "kubectl":
            calls.append([])
        else:
            calls[-1].append(names.get(word, word))
    for call in calls:
        told = [word for before, word in zip(["", *call], call, strict=False) if "-n" not in {before, word}]
        if told[0] == "covet":
            plugin.run(shop, *told[1:])
        else:
            shop.kubectl(*told)


def lose(shop: Shop) -> None:
    """Let every claim go, and wait until the operator says what that means."""
    before = shop.system_ids()
    shop.kubectl("delete", "pvc", "--all", "--wait=false")
    shop.kubectl("delete", "pod", "--all")
    assert "never initialised twice" in shop.await_reason("Stalled", "BirthVolumeLost", 240)
    shop.await_warning("BirthVolumeLost")
    assert before == shop.system_ids()
    assert [0] == sorted({shop.kubectl("logs", pod).count("Born as") for pod in shop.names("pods")})


def test_a_volume_that_was_retained_brings_the_data_back(shop: Shop) -> None:
    """Put under its claim as the runbook says, it is taken for what it is, with every row."""
    shop.declare(shards={"count": 1, "instances": 1})
    shop.await_ready()
    before = shop.system_ids()
    shop.kubectl("exec", "shop-s0-a-0", "--", *PSQL, "CREATE TABLE kept AS SELECT 42 AS answer")
    volume = shop.get("pvc", "data-shop-s0-a-0")["spec"]["volumeName"]
    policy = '{"spec":{"persistentVolumeReclaimPolicy":"%s"}}'
    shop.kubectl("patch", "pv", volume, "--type=merge", "-p", policy % "Retain")
    try:
        lose(shop)
        follow(shop, BRING_BACK, VOLUME=volume)
        shop.await_ready()
    finally:
        shop.kubectl("patch", "pv", volume, "--type=merge", "-p", policy % "Delete")
    assert "42" == shop.kubectl("exec", "shop-s0-a-0", "--", *PSQL, "SELECT answer FROM kept").strip()
    assert before == shop.system_ids()


def test_a_shard_without_any_volume_is_refused_until_a_person_gives_it_up(shop: Shop) -> None:
    """Three empty volumes stay empty; deleted as the runbook says, the cluster is born anew."""
    shop.declare(shards={"count": 1})
    shop.await_ready()
    before = shop.system_ids()
    lose(shop)
    follow(shop, GIVE_UP)
    shops.until(lambda: not shop.items("pods"), 120)
    shop.declare(shards={"count": 1})
    shop.await_ready()
    assert set(before.values()).isdisjoint(shop.system_ids().values())
