"""Scale and stubbornness on a real Kubernetes: many shards, an operator that is killed, an API server that is gone."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e import target
from tests.e2e.cluster import shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.cluster.test_failover import shard
from tests.e2e.cluster.writing import write_during
from tests.e2e.installation import Installation
from tests.e2e.target import Target

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(1200)]

MANY = 12
MANY_SECONDS = 180.0
"""Within which twelve shards of one instance are Ready."""
GONE_SECONDS = 300.0
BACK_SECONDS = 30.0
"""From the API server's return until the operator acts."""
KILLS = 10
NAMES = ("a", "b", "c", "d")
Record = Callable[[str, object], None]
PSQL = ("/usr/lib/postgresql/15/bin/psql", "-h", "/run/covet", "-U", "covet", "-d", "app", "-Atqc")


def ask(shop: Shop, instance: str, statement: str) -> str:
    """Return what an instance's server answers to a statement in the application's database."""
    return shop.kubectl("exec", f"{instance}-0", "--", *PSQL, statement).strip()


def test_twelve_shards_are_ready_in_time(covet: Installation, namespace: str, record_property: Record) -> None:
    """Twelve shards of one instance each, from one object."""
    shop = Shop(covet, namespace)
    shop.declare(shards={"count": MANY, "instances": 1})
    took = shop.await_ready(2 * MANY_SECONDS)
    record_property("seconds until Ready", round(took, 1))
    assert f"{MANY}/{MANY}" == shop.status()["primaries"]
    assert took <= MANY_SECONDS


def test_three_clusters_are_made_at_once(covet: Installation, namespace: str, record_property: Record) -> None:
    """Three clusters of a shard of three are declared in one breath, and none waits for another's end."""
    made = [Shop(covet, namespace, name) for name in NAMES[:3]]
    for shop in made:
        shop.declare(shards={"count": 1})
    began = time.monotonic()
    for shop in made:
        shop.await_ready(2 * shops.READY_SECONDS)
        record_property(f"seconds until {shop.name} is Ready", round(time.monotonic() - began, 1))
    assert 3 == len({next(iter(shop.system_ids().values())) for shop in made})


@pytest.fixture(scope="module")
def crowd(covet: Installation) -> Iterator[list[Shop]]:
    """Four clusters of a shard of three, made while the operator is killed ten times; kept for the next test."""
    namespace = f"stubborn-{random.randrange(16**6):06x}"
    covet.ensure_namespace(namespace)
    yield [Shop(covet, namespace, name) for name in NAMES]
    covet.kubectl("delete", "namespace", namespace, "--wait=false")


def kill_amid(crowd: list[Shop], dice: random.Random, holds: Callable[[], bool]) -> list[float]:
    """Kill the operator at random moments while something is not reached; return the moments in seconds."""
    began, moments = time.monotonic(), list[float]()
    while len(moments) < KILLS:
        time.sleep(dice.uniform(2.0, 16.0))
        if holds():
            break
        moments.append(round(time.monotonic() - began, 1))
        shops.kill_operator(crowd[0].covet)
    return moments


def all_ready(crowd: list[Shop]) -> bool:
    """Return whether every cluster is Ready."""
    return all(shop.is_ready() for shop in crowd)


def explained(crowd: list[Shop]) -> str:
    """Return what keeps clusters from being Ready."""
    return str([(shop.name, shop.condition("Ready")) for shop in crowd if not shop.is_ready()])


def births(shop: Shop) -> tuple[int, ...]:
    """Return how often each instance of the shard initialised it."""
    logs = [shop.kubectl("logs", f"{shop.name}-s0-{letter}-0") for letter in "abc"]
    return tuple(log.count("Born as") for log in logs)


def test_four_creations_survive_ten_kills_of_the_operator(crowd: list[Shop], record_property: Record) -> None:
    """The operator's pod is killed without grace at random moments until four clusters are Ready."""
    for shop in crowd:
        shop.declare(shards={"count": 1})
    moments = kill_amid(crowd, random.Random(21), lambda: all_ready(crowd))
    record_property("kills after seconds", str(moments))
    took = shops.until(lambda: all_ready(crowd), 2 * shops.READY_SECONDS, lambda: explained(crowd))
    record_property("seconds from the last kill until all are Ready", round(took, 1))
    assert dict.fromkeys(NAMES, (1, 0, 0)) == {shop.name: births(shop) for shop in crowd}
    assert len(NAMES) == len({shop.system_ids()["s0"] for shop in crowd})
    for shop in crowd:
        ask(shop, shard(shop)["primary"], "CREATE TABLE kept AS SELECT 42 AS answer")


def test_four_changes_survive_ten_kills_of_the_operator(crowd: list[Shop], record_property: Record) -> None:
    """A setting that takes a restart, fewer instances, larger volumes and another password: all done, nothing lost."""
    assert all_ready(crowd), "the creations come first"
    before = crowd[3].get("secret", "d-app")["data"]["password"]
    engine = {"name": "PostgreSQL", "version": "15", "parameters": {"max_connections": "150"}}
    changes: tuple[dict[str, Any], ...] = (
        {"engine": engine},
        {"shards": {"count": 1, "instances": 1}},
        {"storage": {"size": "768Mi"}, "engine": engine},
    )
    for shop, change in zip(crowd, changes, strict=False):
        shop.declare(**{"shards": {"count": 1}, **change})
    crowd[3].kubectl("annotate", "covetcluster", "d", "covet.dev/rotate=now")

    def done() -> bool:
        return crowd[3].get("secret", "d-app")["data"]["password"] != before and all_ready(crowd)

    moments = kill_amid(crowd, random.Random(22), done)
    record_property("kills after seconds", str(moments))
    took = shops.until(done, 2 * shops.READY_SECONDS, lambda: explained(crowd))
    record_property("seconds from the last kill until all is done", round(took, 1))
    assert {"42"} == {ask(shop, shard(shop)["primary"], "SELECT answer FROM kept") for shop in crowd}
    assert "150" == ask(crowd[0], shard(crowd[0])["primary"], "SHOW max_connections")
    assert ["b-s0-a-0"] == [name for name in sorted(crowd[1].names("pods")) if name.startswith("b-")]


def test_databases_work_while_the_api_server_is_gone_and_the_operator_is_back_soon(
    covet: Installation, namespace: str, place: Target, record_property: Record
) -> None:
    """Five minutes without an API server: writes go on, nobody leads anew; then an edit is in force within 30 s."""
    devcluster = place.devcluster_name()
    if devcluster is None:
        pytest.skip("only a devcluster's API server can be stopped")
    shop = Shop(covet, namespace)
    shop.declare(shards={"count": 1})
    shop.await_ready()
    before = shard(shop)["rule"]["term"], shop.restarts()
    back = list[float]()

    def strike() -> None:
        target.devcluster("apiserver", "stop", "--name", devcluster)
        try:
            threading.Event().wait(GONE_SECONDS)
        finally:
            target.devcluster("apiserver", "start", "--name", devcluster)
        began = time.monotonic()
        engine = {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "9MB"}}
        shop.declare(shards={"count": 1}, engine=engine)
        shops.until(lambda: "9MB" in shop.get("configmap", "shop-s0-config")["data"]["spec.json"], 300)
        back.append(round(time.monotonic() - began, 1))
        shop.await_ready()

    told = write_during(shop, devcluster, strike)
    record_property("seconds until the operator acted", back[0])
    record_property("silence", round(told.silence, 2))
    record_property("acknowledged", told.acknowledged)
    assert () == told.problems
    assert before == (shard(shop)["rule"]["term"], shop.restarts())
    assert 1 == len(told.terms)
    assert told.silence < 5.0
    assert back[0] <= BACK_SECONDS
