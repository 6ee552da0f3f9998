"""Births that are disturbed, and ends that leave nothing."""

import functools
import random
import time

import pytest

from tests.e2e.cluster import shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.installation import Installation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture
def shop(covet: Installation, namespace: str) -> Shop:
    """A cluster that is not declared yet."""
    return Shop(covet, namespace)


def test_a_birth_survives_a_dying_operator(shop: Shop) -> None:
    """The operator is killed at random moments; the shards are initialised once each, and open."""
    dice = random.Random(3)
    shop.declare()
    for _ in range(4):
        time.sleep(dice.uniform(1.0, 7.0))
        shops.kill_operator(shop.covet)
    shop.await_ready()
    assert 2 == len(set(shop.system_ids().values()))
    for shard in ("s0", "s1"):
        logs = [shop.kubectl("logs", f"shop-{shard}-{letter}-0") for letter in "abc"]
        assert [1, 0, 0] == [log.count("Born as") for log in logs]


def has_none(shop: Shop, kind: str) -> bool:
    """Return whether no object of a kind is left."""
    return not shop.items(kind)


def test_volumes_that_go_take_everything_along(shop: Shop) -> None:
    """Deleted with volumes Delete, a cluster leaves nothing behind."""
    shop.declare(shards={"count": 1, "instances": 1}, deletion={"volumes": "Delete"})
    shop.await_ready()
    assert "PrimaryOnly" == shop.condition("Durable")["reason"]
    shop.kubectl("delete", "covetcluster", shop.name)
    for kind in ("pods", "persistentvolumeclaims", "secrets", "services", "statefulsets"):
        shops.until(functools.partial(has_none, shop, kind), 120, functools.partial(repr, kind))
    shops.until(lambda: shop.names("configmaps") == {"kube-root-ca.crt"}, 60)


def test_a_namespace_goes_while_the_operator_is_away(shop: Shop) -> None:
    """Nothing of ours holds back the deletion of a namespace: no finalizer waits for the operator."""
    shop.declare(shards={"count": 1})
    shop.await_ready()
    shops.scale_operator(shop.covet, 0)
    try:
        shop.covet.kubectl("delete", "namespace", shop.namespace, "--wait", "--timeout=150s", timeout=200)
        assert f"namespace/{shop.namespace}" not in shop.covet.kubectl("get", "namespaces", "-o", "name").split()
    finally:
        shops.scale_operator(shop.covet, 1)
