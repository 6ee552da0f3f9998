"""Routers of a cluster: made beside it, named to clients once one works, and in nobody's way."""

import datetime as dt
import json
from typing import Any

from covet.core import names
from covet.kube import resources
from covet.manifests import passwords, secrets
from tests.unit.controllers.conftest import NAMESPACE, Bench

ROUTERS: dict[str, Any] = {"shards": {"count": 1, "instances": 1}, "router": {"replicas": 2}}
DOOR = "shop-router.ns.svc"


def host(bench: Bench) -> str:
    """Return where applications are told to connect."""
    return secrets.values_of(bench.server.objects[resources.SECRET, NAMESPACE, "shop-app"])["host"]


def held(bench: Bench) -> dict[str, str]:
    """Return the verifiers that routers have."""
    return secrets.values_of(bench.server.objects[resources.SECRET, NAMESPACE, "shop-router-config"])


def routers(bench: Bench) -> set[str]:
    """Return the names of the routers' pods."""
    return {name for kind, _, name in bench.server.objects if kind == resources.POD and "router" in name}


async def test_clients_are_led_to_the_routers_of_a_new_cluster(bench: Bench) -> None:
    """Secret and status name the routers, which are ready before the cluster is."""
    await bench.born(**ROUTERS)
    status = bench.status()
    assert (DOOR, {"replicas": 2, "ready": 2}) == (host(bench), status["router"])
    assert ([f"{DOOR}:5432"], [f"{DOOR}:5433"]) == (status["endpoints"]["readWrite"], status["endpoints"]["readOnly"])


async def test_routers_log_in_with_what_the_servers_hold(bench: Bench) -> None:
    """The verifier is made with a salt that every shard uses as well."""
    await bench.born(**ROUTERS)
    password = secrets.values_of(bench.server.objects[resources.SECRET, NAMESPACE, "shop-app"])["password"]
    uid = bench.record()["clusterUid"]
    assert {"app": passwords.verifier(password, passwords.salt(uid, "app"))} == held(bench)


async def test_routers_know_shard_and_users(bench: Bench) -> None:
    """What they read names each instance with its agent, and a file for each verifier."""
    await bench.born(**ROUTERS)
    found = bench.server.objects[resources.CONFIG_MAP, NAMESPACE, "shop-router-config"]
    config = json.loads(found["data"]["router.json"])
    (shard,) = config["shards"]
    assert ("s0", bench.record()["shards"][0]["uid"]) == (shard["name"], shard["uid"])
    expected = {"name": "shop-s0-a", "address": "shop-s0-a-0.shop-s0.ns.svc", "port": 5432, "agentPort": 7443}
    assert [expected] == shard["instances"]
    assert [{"name": "app", "verifierFile": "/etc/covet/users/app"}] == config["users"]


async def test_a_living_cluster_gets_routers_without_a_restart(bench: Bench) -> None:
    """The Secret goes on naming the shard until a router is ready; no database pod is made anew."""
    await bench.born(shards=ROUTERS["shards"])
    pods = bench.pods()
    bench.declare(**ROUTERS)
    await bench.reconciler.once()
    assert "shop-s0-rw.ns.svc" == host(bench)
    await bench.settle()
    await bench.settle()
    assert (DOOR, pods) == (host(bench), bench.pods())
    bench.declare(shards=ROUTERS["shards"], router={"replicas": 0})
    await bench.settle()
    await bench.settle()
    assert ("shop-s0-rw.ns.svc", set()) == (host(bench), routers(bench))


async def test_ready_waits_for_routers_and_nothing_else_does(bench: Bench) -> None:
    """A router that is gone is told in Ready; the cluster stays available."""
    await bench.born(**ROUTERS)
    bench.server.delete(resources.POD, NAMESPACE, min(routers(bench)))
    await bench.reconciler.once()
    ready, available = bench.condition("Ready"), bench.condition("Available")
    assert ("False", "RoutersStarting", "True") == (ready["status"], ready["reason"], available["status"])
    assert "1 of 2 routers take clients." == ready["message"]


async def test_a_cluster_of_several_shards_has_no_routers_yet(bench: Bench) -> None:
    """They do not route by key: it is listed, and clients are told of the shards."""
    await bench.born(shards={"count": 2, "instances": 1}, router={"replicas": 2})
    assert set() == routers(bench)
    assert ["ShardsUnrouted"] == [entry["reason"] for entry in bench.status()["pendingChanges"]]


async def test_the_next_login_is_known_to_routers_before_the_secret_names_it(bench: Bench) -> None:
    """They get its verifier, and two minutes to read it; that of the former one stays until it may not log in."""
    await bench.born(**ROUTERS)
    bench.annotate(rotate="one")
    for _ in range(8):
        await bench.reconciler.once()
        await bench.kubelet.sync()
    assert {"app", "app_a"} == set(held(bench))
    assert ("app", "Preparing") == (bench.status()["login"]["username"], bench.status()["login"]["phase"])
    bench.ahead = dt.timedelta(minutes=3)
    for _ in range(4):
        await bench.reconciler.once()
        await bench.kubelet.sync()
    assert "app_a" == bench.status()["login"]["username"]
    assert {"app", "app_a"} == set(held(bench))


async def test_routers_have_a_certificate_of_their_own(bench: Bench) -> None:
    """It is issued with the others, and belongs to no shard."""
    await bench.born(**ROUTERS)
    found = bench.server.objects[resources.SECRET, NAMESPACE, "shop-router-tls"]
    assert names.COMPONENT_ROUTER == found["metadata"]["labels"][names.LABEL_COMPONENT]
    assert {"ca.crt", "tls.crt", "tls.key"} == set(found["data"])
