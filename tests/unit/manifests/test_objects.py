"""Every object of a cluster: what they have in common, and that none is called like another."""

import collections
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from covet.api import problems, quantity, spec
from covet.core import names
from covet.manifests import instances, metadata
from tests.unit.manifests import samples
from tests.unit.manifests.test_pods import violations

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
    """Per instance 2, per shard 10, per cluster 6."""
    asked = samples.wanted(shards={"count": 3, "instances": 5})
    assert 3 * 5 * 2 + 3 * 10 + 6 == len(samples.every_object(asked))


AMOUNTS = st.fixed_dictionaries(
    {}, optional={"cpu": st.sampled_from([1, "250m", "1.5"]), "memory": st.sampled_from(["64Mi", "1Gi", 2**30])}
)
SPECS = st.fixed_dictionaries(
    {
        "engine": st.fixed_dictionaries(
            {"name": st.just("PostgreSQL"), "version": st.sampled_from(["15", "16"])},
            optional={"parameters": st.dictionaries(st.from_regex(r"[a-z_]{1,20}", fullmatch=True), st.integers())},
        ),
        "shards": st.fixed_dictionaries(
            {"count": st.integers(1, 512)}, optional={"instances": st.sampled_from([1, 3, 5, 7])}
        ),
        "storage": st.fixed_dictionaries(
            {"size": st.sampled_from(["256Mi", "1Ti"])}, optional={"className": st.just("fast")}
        ),
    },
    optional={
        "resources": st.fixed_dictionaries({}, optional={"requests": AMOUNTS, "limits": AMOUNTS}),
        "scheduling": st.fixed_dictionaries(
            {},
            optional={
                "nodeSelector": st.dictionaries(st.sampled_from(["a", "b.c/d"]), st.sampled_from(["", "x"])),
                "tolerations": st.lists(
                    st.fixed_dictionaries(
                        {"operator": st.just("Exists")},
                        optional={"key": st.just("a"), "effect": st.sampled_from(["NoSchedule", "NoExecute"])},
                    ),
                    max_size=3,
                ),
                "topologyKey": st.just("topology.kubernetes.io/zone"),
            },
        ),
        "deletion": st.fixed_dictionaries({"volumes": st.sampled_from(["Keep", "Delete"])}),
    },
)


@hypothesis_settings(max_examples=100, deadline=None)
@given(SPECS)
def test_whatever_is_admitted_can_be_built(document: dict[str, Any]) -> None:
    """A spec without a problem makes a StatefulSet of plain JSON whose requests stay within its limits."""
    asked = spec.ClusterSpec.model_validate(document)
    if problems.problems(asked, "shop", ("15", "16")):
        return
    wanted = samples.wanted(**document)
    made = instances.stateful_set(samples.CLUSTER, "s0", "a", wanted, samples.IMAGE)
    assert made == json.loads(json.dumps(made))
    assert [] == violations(made["spec"]["template"]["spec"])
    container = made["spec"]["template"]["spec"]["containers"][0]
    for kind, limit in container["resources"].get("limits", {}).items():
        assert quantity.parse(container["resources"]["requests"][kind]) <= quantity.parse(limit)
