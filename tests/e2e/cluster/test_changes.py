"""Edits of a living cluster on a real Kubernetes: volumes grow under their servers, and a parameter is reloaded."""

import pytest

from tests.e2e.cluster import shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.installation import Installation, InstallationError

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(600)]

PSQL = ("/usr/lib/postgresql/15/bin/psql", "-h", "/run/covet", "-U", "covet", "-d", "postgres", "-Atc")


def room(shop: Shop, pod: str) -> int:
    """Return the bytes of the file system that an instance's database lies on."""
    text = shop.kubectl("exec", pod, "--", "df", "--output=size", "-B1", "/var/lib/covet")
    return int(text.split()[-1])


def test_volumes_grow_and_a_parameter_is_reloaded_under_running_servers(covet: Installation, namespace: str) -> None:
    """Every file system has the new size, the server answers with the new value, and no pod was made anew."""
    shop = Shop(covet, namespace)
    shop.declare(shards={"count": 1})
    shop.await_ready()
    before = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in shop.items("pods")}
    small = {pod: room(shop, pod) for pod in before}
    shop.declare(
        shards={"count": 1},
        storage={"size": "768Mi"},
        engine={"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "7MB"}},
    )
    shop.await_ready()
    assert {"768Mi"} == {item["status"]["capacity"]["storage"] for item in shop.items("persistentvolumeclaims")}
    shops.until(
        lambda: all(room(shop, pod) > small[pod] + (200 << 20) for pod in before),
        60,
        lambda: str({pod: room(shop, pod) for pod in before}),
    )
    assert {"7MB"} == {shop.kubectl("exec", pod, "--", *PSQL, "SHOW work_mem").strip() for pod in before}
    assert before == {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in shop.items("pods")}
    assert "768Mi" == shop.status()["effective"]["storage"]["size"]
    # Less than the volumes have is refused at the door.
    with pytest.raises(InstallationError, match="never shrinks"):
        shop.declare(shards={"count": 1}, storage={"size": "512Mi"})
