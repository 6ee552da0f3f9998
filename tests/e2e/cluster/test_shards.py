"""Shards that come and go on a real Kubernetes while they are empty, and stay once the application made a table."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import covet_hasher
import pytest

from tests.e2e.cluster import shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.installation import Installation, InstallationError

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(900)]

PSQL = ("/usr/lib/postgresql/15/bin/psql", "-h", "/run/covet", "-U", "covet", "-v", "ON_ERROR_STOP=1", "-d")
ONE = {"instances": 1}


@pytest.fixture(scope="module")
def shop(covet: Installation) -> Iterator[Shop]:
    """Two shards of one instance, ready."""
    namespace = f"shards-{secrets.token_hex(3)}"
    covet.ensure_namespace(namespace)
    found = Shop(covet, namespace)
    found.declare(shards={**ONE, "count": 2})
    found.await_ready()
    yield found
    covet.kubectl("delete", "namespace", namespace, "--wait=false")


def ring(shop: Shop) -> covet_hasher.Map:
    """Return the published map."""
    return covet_hasher.Map.from_json(shop.get("configmap", "shop-map")["data"]["map.json"])


def sql(shop: Shop, shard: str, database: str, statement: str) -> str:
    """Run a statement on the primary of a shard."""
    (primary,) = [entry["primary"] for entry in shop.status()["shards"] if entry["name"] == shard]
    return shop.kubectl("exec", f"{primary}-0", "--", *PSQL, database, "-Atc", statement).strip()


def epochs(shop: Shop) -> dict[str, int]:
    """Return the epoch that each shard has stored."""
    return {
        entry["name"]: int(sql(shop, entry["name"], "postgres", "SELECT epoch FROM covet.map"))
        for entry in shop.status()["shards"]
    }


def as_the_owner(shop: Shop, shard: str, statement: str) -> None:
    """Run a statement as the application does: as the owner, not as the superuser."""
    sql(shop, shard, "app", f"SET SESSION AUTHORIZATION app; {statement}")


def seconds(shop: Shop, told: Callable[[str, object], None], what: str, **shards: Any) -> None:
    """Change the shards and tell how long that took."""
    began = time.monotonic()
    shop.declare(shards={**ONE, **shards})
    shop.await_ready()
    told(what, round(time.monotonic() - began, 1))


def test_empty_shards_come_and_go_and_stay_with_a_table(
    shop: Shop, record_property: Callable[[str, object], None]
) -> None:
    """2 -> 3 shards, other weights, 3 -> 2, 2 -> 3 under new letters; then a table, and nothing moves any more."""
    assert (1, {"s0": 1, "s1": 1}) == (ring(shop).epoch, epochs(shop))
    seconds(shop, record_property, "grown_seconds", count=3)
    assert (2, {"s0": 2, "s1": 2, "s2": 2}) == (ring(shop).epoch, epochs(shop))
    assert {"s0": 5462, "s1": 5461, "s2": 5461} == ring(shop).slot_counts()
    seconds(shop, record_property, "weighed_seconds", count=3, weights={"s0": 2})
    assert {"s0": 8192, "s1": 4096, "s2": 4096} == ring(shop).slot_counts()
    seconds(shop, record_property, "shrunk_seconds", count=2)
    assert (4, {"s0": 4, "s1": 4}) == (ring(shop).epoch, epochs(shop))
    kinds = "statefulset,service,secret,configmap,pod,poddisruptionbudget,networkpolicy,role,rolebinding,serviceaccount"
    label = "covet.dev/shard=s2"

    def left() -> list[str]:
        found = json.loads(shop.kubectl("get", f"{kinds},endpointslice", "-l", label, "-o", "json"))["items"]
        return [f"{item['kind']} {item['metadata']['name']}" for item in found]

    shops.until(lambda: not left(), 120, lambda: str(left()))
    assert "data-shop-s2-a-0" in shop.names("persistentvolumeclaims")
    seconds(shop, record_property, "grown_again_seconds", count=3)
    assert (5, "shop-s2-h") == (ring(shop).epoch, shop.status()["shards"][2]["primary"])

    as_the_owner(shop, "s1", "CREATE TABLE customers (id bigint PRIMARY KEY)")
    engine = {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "7MB"}}
    shop.declare(shards={**ONE, "count": 4}, engine=engine)
    shop.await_reason("Ready", "ChangesPending")
    (change,) = shop.status()["pendingChanges"]
    assert ("spec.shards.count", "ReshardingUnsupported") == (change["field"], change["reason"])
    assert "s1 holds table public.customers" in change["message"]
    shops.until(lambda: sql(shop, "s1", "app", "SHOW work_mem") == "7MB", 60)
    assert ({"s0", "s1", "s2"}, 5) == ({entry["name"] for entry in shop.status()["shards"]}, ring(shop).epoch)
    shop.declare(shards={**ONE, "count": 3})
    shop.await_ready()
    with pytest.raises(InstallationError):
        as_the_owner(shop, "s1", "CREATE TABLE customers (id bigint)")  # it is the one that was made, untouched
    as_the_owner(shop, "s1", "INSERT INTO customers VALUES (1); DROP TABLE customers")
