"""What cannot be honoured: a reason, a sentence, a Warning Event; no restart loop, no touched volume."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import installation
from tests.e2e.cluster import shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.installation import Installation, InstallationError

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SMALL: dict[str, Any] = {"count": 1, "instances": 1}


@pytest.fixture
def shop(covet: Installation, namespace: str) -> Iterator[Shop]:
    """A cluster that is not declared yet; whatever is asked of it, the operator neither restarts nor stumbles."""
    began, restarts = dt.datetime.now(dt.UTC), shops.operator_restarts(covet)
    yield Shop(covet, namespace)
    assert restarts == shops.operator_restarts(covet)
    assert "round failed unexpectedly" not in shops.operator_log(covet, began)


def test_an_unknown_version(shop: Shop) -> None:
    """The operator has no image of that version: it says which it has, and makes nothing."""
    shop.declare(engine={"name": "PostgreSQL", "version": "99"})
    message = shop.await_reason("Stalled", "EngineVersionUnknown")
    assert "99" in message
    assert "15" in message
    shop.await_warning("EngineVersionUnknown")
    assert {"kube-root-ca.crt"} == shop.names("configmaps")


@pytest.mark.parametrize(
    ("name", "shards", "told"),
    [("shop", {"count": 1, "instances": 2}, "1, 3, 5 or 7"), ("s" * 60, {"count": 1}, "at most 40 characters")],
)
def test_what_admission_refuses(shop: Shop, name: str, shards: dict[str, int], told: str) -> None:
    """Two instances, or a name of sixty characters: refused before anything is stored, with the reason."""
    with pytest.raises(InstallationError, match=told):
        Shop(shop.covet, shop.namespace, name).declare(shards=shards)


def test_a_missing_storage_class(shop: Shop) -> None:
    """Nothing is made until the class exists; the classes there are, are named."""
    shop.declare(shards=SMALL, storage={"size": "512Mi", "className": "nowhere"})
    message = shop.await_reason("Stalled", "StorageClassMissing")
    assert "nowhere" in message
    shop.await_warning("StorageClassMissing")
    assert {"kube-root-ca.crt"} == shop.names("configmaps")


def test_a_refused_parameter(shop: Shop) -> None:
    """A setting that Covet needs for itself is refused with the reason."""
    shop.declare(engine={"name": "PostgreSQL", "version": "15", "parameters": {"fsync": "off"}})
    assert "fsync" in shop.await_reason("Stalled", "ParameterRefused")
    shop.await_warning("ParameterRefused")


def quota(shop: Shop, **hard: str) -> None:
    """Limit the namespace."""
    metadata = {"name": "small", "namespace": shop.namespace}
    shop.covet.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}})


@pytest.mark.parametrize("hard", [{"pods": "0"}, {"services": "1"}, {"persistentvolumeclaims": "0"}])
def test_a_full_quota(shop: Shop, hard: dict[str, str]) -> None:
    """Whether our own object or a pod of a StatefulSet finds no room: the reason is the quota."""
    quota(shop, **hard)
    shop.declare(shards=SMALL)
    message = shop.await_reason("Ready", "QuotaExceeded")
    assert "small" in message
    shop.await_warning("QuotaExceeded")
    assert len(shop.warnings()) <= 3


def test_a_pod_that_no_node_takes(shop: Shop) -> None:
    """A node selector that no node fits is the scheduler's word, passed on."""
    shop.declare(shards=SMALL, scheduling={"nodeSelector": {"disk": "golden"}})
    assert "node affinity/selector" in shop.await_reason("Ready", "Unschedulable")
    shop.await_warning("Unschedulable")


@pytest.fixture
def missing_image(covet: Installation) -> Iterator[str]:
    """A version whose image cannot be pulled, known to the operator for as long as the test runs."""
    images = json.dumps({"15": installation.DEV_POSTGRES, "16": "localhost/covet-none:16"})
    deployment = ("-n", installation.NAMESPACE, "deployment/covet")
    covet.kubectl("set", "env", *deployment, f"COVET_POSTGRES_IMAGES={images}")
    covet.kubectl("rollout", "status", *deployment, "--timeout=120s")
    yield "16"
    covet.kubectl("rollout", "undo", *deployment)
    covet.kubectl("rollout", "status", *deployment, "--timeout=120s")


def test_an_image_that_cannot_be_pulled(missing_image: str, covet: Installation, namespace: str) -> None:
    """The image is named, once, however often the kubelet tries."""
    shop = Shop(covet, namespace)
    shop.declare(shards=SMALL, engine={"name": "PostgreSQL", "version": missing_image})
    assert "localhost/covet-none:16" in shop.await_reason("Ready", "ImageUnavailable", 120)
    shop.await_warning("ImageUnavailable")
    assert 1 == shop.warnings().count("ImageUnavailable")


def test_a_foreign_volume(shop: Shop) -> None:
    """A volume of an earlier cluster whose record is gone: named, refused, not touched, and no pod restarts."""
    shop.declare(shards=SMALL)
    shop.await_ready()
    shop.kubectl("delete", "covetcluster", shop.name)
    shops.until(lambda: not shop.items("pods"), 120)
    shop.kubectl("delete", "configmap/shop-identity", "configmap/shop-map", "secret/shop-ca", "secret/shop-app")
    shop.declare(shards=SMALL)
    assert "data-shop-s0-a-0" in shop.await_reason("Stalled", "KeptIdentity")
    # A person who hides the volumes from the operator meets the agents.
    shop.kubectl("label", "persistentvolumeclaims", "--all", "covet.dev/cluster-")
    message = shop.await_reason("Stalled", "VolumeForeign", 120)
    assert "shop-s0-a" in message
    shop.await_warning("VolumeForeign")
    assert 0 == shop.restarts()
    assert {"s0": ""} == shop.system_ids()
