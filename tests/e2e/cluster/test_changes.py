"""Volumes that grow on a real Kubernetes: under running servers, while a node is off, and when every disk is full."""

import secrets
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e import target
from tests.e2e.cluster import shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.installation import Installation, InstallationError
from tests.e2e.target import Target

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(600)]

PSQL = ("/usr/lib/postgresql/15/bin/psql", "-h", "/run/covet", "-U", "covet", "-d", "postgres", "-Atc")
FILLER = "/var/lib/covet/filler"
WRITE = "CREATE TABLE tall AS SELECT repeat(md5(i::text), 30) AS text FROM generate_series(1, 20000) AS i"
"""20 MB, and as much of log."""
ENGINE = {"name": "PostgreSQL", "version": "15"}
ONE = {"count": 1}


@pytest.fixture(scope="module")
def shop(covet: Installation) -> Iterator[Shop]:
    """One shard of three on volumes of 512 MiB, ready."""
    namespace = f"changes-{secrets.token_hex(3)}"
    covet.ensure_namespace(namespace)
    found = Shop(covet, namespace)
    found.declare(shards=ONE)
    found.await_ready()
    yield found
    covet.kubectl("delete", "namespace", namespace, "--wait=false")


def room(shop: Shop, pod: str) -> int:
    """Return the bytes of the file system that an instance's database lies on."""
    text = shop.kubectl("exec", pod, "--", "df", "--output=size", "-B1", "/var/lib/covet")
    return int(text.split()[-1])


def rooms(shop: Shop) -> dict[str, int]:
    """Return the same of every pod."""
    return {pod: room(shop, pod) for pod in sorted(shop.names("pods"))}


def uids(shop: Shop) -> dict[str, str]:
    """Return the uid of each pod."""
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in shop.items("pods")}


def asked(shop: Shop) -> set[str]:
    """Return the sizes that the claims ask for."""
    return {item["spec"]["resources"]["requests"]["storage"] for item in shop.items("persistentvolumeclaims")}


def had(shop: Shop) -> dict[str, str]:
    """Return the size that each claim has, by instance."""
    return {
        item["metadata"]["labels"]["covet.dev/instance"]: item["status"]["capacity"]["storage"]
        for item in shop.items("persistentvolumeclaims")
    }


def grown(shop: Shop, before: dict[str, int], size: str) -> None:
    """Wait until every claim has a size and every file system is 200 MB larger."""
    shop.await_ready()
    assert {size} == set(had(shop).values())
    shops.until(
        lambda: all(now > before[pod] + 200_000_000 for pod, now in rooms(shop).items()), 60, lambda: str(rooms(shop))
    )
    assert size == shop.status()["effective"]["storage"]["size"]


def test_volumes_grow_and_a_parameter_is_reloaded_under_running_servers(shop: Shop) -> None:
    """Every file system has the new size, the server answers with the new value, and no pod was made anew."""
    before, small = uids(shop), rooms(shop)
    shop.declare(shards=ONE, storage={"size": "768Mi"}, engine={**ENGINE, "parameters": {"work_mem": "7MB"}})
    grown(shop, small, "768Mi")
    assert {"7MB"} == {shop.kubectl("exec", pod, "--", *PSQL, "SHOW work_mem").strip() for pod in before}
    assert before == uids(shop)
    # Less than the volumes have is refused at the door.
    with pytest.raises(InstallationError, match="never shrinks"):
        shop.declare(shards=ONE, storage={"size": "512Mi"})


def test_volumes_grow_although_every_one_is_full(shop: Shop) -> None:
    """Nothing can be written any more; the size in the spec is raised, and everything goes on by itself."""
    small, members = rooms(shop), set(shop.status()["shards"][0]["rule"]["cohort"])
    for pod in small:
        with pytest.raises(InstallationError, match="No space left"):
            shop.kubectl("exec", pod, "--", "dd", "if=/dev/zero", f"of={FILLER}", "bs=1M")
    with pytest.raises((InstallationError, subprocess.TimeoutExpired)):
        write(shop)
    shop.declare(shards=ONE, storage={"size": "1Gi"})
    grown(shop, small, "1Gi")
    shops.until(lambda: writes(shop), 120, lambda: str(shop.status().get("conditions")))
    assert members == set(shop.status()["shards"][0]["rule"]["cohort"])
    for pod in small:
        shop.kubectl("exec", pod, "--", "rm", FILLER)


def write(shop: Shop) -> None:
    """Write on the primary.

    Raises:
        InstallationError: it refuses.
        subprocess.TimeoutExpired: it does not answer.
    """
    primary = shop.status()["shards"][0].get("primary") or "shop-s0-a"
    shop.kubectl("exec", f"{primary}-0", "--", *PSQL, f"DROP TABLE IF EXISTS tall; {WRITE}", timeout=30)


def writes(shop: Shop) -> bool:
    """Tell whether the primary takes a write."""
    try:
        write(shop)
    except (InstallationError, subprocess.TimeoutExpired):
        return False
    return True


def test_volumes_grow_while_a_node_is_off(shop: Shop, place: Target) -> None:
    """The others grow at once; the claim of the one that is away asks too, and grows when its node is back."""
    owner = place.devcluster_name()
    if owner is None:
        pytest.skip("only a devcluster switches a node off")
    shop.await_ready()
    small, shard = rooms(shop), shop.status()["shards"][0]
    away = next(entry for entry in shard["instances"] if entry["name"] != shard["primary"])
    others = {entry["name"] for entry in shard["instances"]} - {away["name"]}
    target.devcluster("node", "kill", away["node"], "--name", owner)
    try:
        shop.declare(shards=ONE, storage={"size": "1280Mi"})
        shops.until(lambda: {"1280Mi"} == asked(shop), 60, lambda: str(asked(shop)))
        shops.until(lambda: {"1280Mi"} == {had(shop)[name] for name in others}, 120, lambda: str(had(shop)))
        shops.until(lambda: away["name"] in waiting(shop), 60, lambda: str(shop.status().get("pendingChanges")))
        assert "1Gi" == had(shop)[away["name"]]
    finally:
        target.devcluster("node", "start", away["node"], "--name", owner)
    grown(shop, small, "1280Mi")


def waiting(shop: Shop) -> str:
    """Return what the status says of volumes that have not grown yet."""
    changes = shop.status().get("pendingChanges") or []
    return " ".join(entry["message"] for entry in changes if entry["reason"] == "VolumesGrowing")
