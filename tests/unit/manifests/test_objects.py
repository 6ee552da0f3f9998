"""Every object of a cluster: what they have in common, and that none is called like another."""

import collections
import re
from typing import Any

import pytest

from covet.core import names
from covet.manifests import metadata
from tests.unit.manifests import samples

KEPT = {
    ("ConfigMap", "shop-identity"),
    ("ConfigMap", "shop-map"),
    ("Secret", "shop-ca"),
    ("Secret", "shop-app"),
}


@pytest.fixture(scope="module", params=["Keep", "Delete"])
def volumes(request: pytest.FixtureRequest) -> str:
    """Return each fate of the volumes in turn."""
    return str(request.param)


def objects(volumes: str = "Keep") -> list[dict[str, Any]]:
    """Return every object of a cluster of two shards."""
    return samples.every_object(samples.wanted(deletion={"volumes": volumes}))


def key(made: dict[str, Any]) -> tuple[str, str]:
    """Return kind and name of an object."""
    return made["kind"], made["metadata"]["name"]


def test_no_two_objects_share_a_name() -> None:
    """One would overwrite the other."""
    counted = collections.Counter(key(made) for made in objects())
    assert [] == [found for found, times in counted.items() if times > 1]


def test_every_object_is_found_by_the_label_of_its_cluster(volumes: str) -> None:
    """The operator watches its children by label; one without it would never be healed."""
    for made in objects(volumes):
        labels = made["metadata"]["labels"]
        assert ("shop", "covet", "covet") == (
            labels[names.LABEL_CLUSTER],
            labels[names.LABEL_APP],
            labels[names.LABEL_MANAGED_BY],
        )
        assert "store" == made["metadata"]["namespace"]


def test_exactly_what_belongs_to_kept_volumes_outlives_the_object(volumes: str) -> None:
    """Everything else goes by its owner reference, with the operator absent."""
    without = {key(made) for made in objects(volumes) if "ownerReferences" not in made["metadata"]}
    assert (KEPT if volumes == "Keep" else set()) == without
    owners = [made["metadata"].get("ownerReferences") for made in objects(volumes) if key(made) not in without]
    assert [[metadata.owner(samples.CLUSTER)]] * len(owners) == owners


def test_names_and_labels_are_taken_by_kubernetes() -> None:
    """Services are DNS labels, everything else DNS subdomains, label values at most 63 characters."""
    for made in objects():
        kind, name = key(made)
        shape = r"[a-z]([-a-z0-9]*[a-z0-9])?" if kind == "Service" else r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
        assert re.fullmatch(shape, name), key(made)
        for value in made["metadata"]["labels"].values():
            assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value), key(made)


def test_building_twice_gives_the_same_but_for_certificates() -> None:
    """An unchanged cluster is an unchanged set of manifests."""

    def comparable() -> list[dict[str, Any]]:
        return [made for made in objects() if made.get("type") != "kubernetes.io/tls"]

    assert comparable() == comparable()


def test_the_number_of_objects_is_that_of_the_design() -> None:
    """Per instance 2, per shard 7, per cluster 7."""
    asked = samples.wanted(shards={"count": 3, "instances": 5})
    assert 3 * 5 * 2 + 3 * 7 + 7 == len(samples.every_object(asked))
