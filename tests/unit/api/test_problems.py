"""What admission cannot see, and what was stored before admission knew it, is found and told."""

from typing import Any

import pydantic
import pytest

from covet.api import cluster, problems, spec
from covet.core import errors, names

METADATA = {"name": "shop", "namespace": "store", "uid": "u"}
SPEC: dict[str, Any] = {
    "engine": {"name": "PostgreSQL", "version": "15"},
    "shards": {"count": 2},
    "storage": {"size": "10Gi"},
}

BOUND = {"count": 2, "placement": {"s1": {"zone": "z"}}}


def found(name: str = "shop", versions: tuple[str, ...] | None = ("15",), **fields: Any) -> list[str]:
    """Return the sentences about a spec with these fields set."""
    wanted = spec.ClusterSpec.model_validate({**SPEC, **fields})
    return [str(problem) for problem in problems.problems(wanted, name, versions)]


def test_a_sound_spec_has_no_problem() -> None:
    """Nothing is held against the shortest cluster, nor against a shard with a zone of its own."""
    assert [] == found()
    assert [] == found(shards=BOUND)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "x" * 60}, "metadata.name: " + "x" * 60 + ": is 60 characters long; 40 are allowed"),
        ({"name": "4shop"}, "metadata.name: 4shop: must be a DNS label that begins with a letter"),
        (
            {"versions": ("15", "16"), "engine": {"name": "PostgreSQL", "version": "99"}},
            (
                "spec.engine.version: 99: the operator has no image of this version; it has: 15, 16"
                " (Helm value images.postgres)"
            ),
        ),
        (
            {"versions": ()},
            (
                "spec.engine.version: 15: the operator has no image of this version; it has: none"
                " (Helm value images.postgres)"
            ),
        ),
        (
            {"engine": {"name": "PostgreSQL", "version": "15", "parameters": {"a=b\nc": "1"}}},
            "spec.engine.parameters: a=b\nc: is not the name of a server setting",
        ),
        (
            {"shards": {"count": 2, "instances": 2}},
            f"spec.shards.instances: 2: {spec.INSTANCES_REASON}",
        ),
        (
            {"shards": {"count": 2, "weights": {"s2": 3}}},
            "spec.shards.weights.s2: there is no such shard: the names are s0 to s1",
        ),
        (
            {"shards": {"count": 2, "placement": {"s2": {"zone": "z"}}}},
            "spec.shards.placement.s2: there is no such shard: the names are s0 to s1",
        ),
        (
            {"shards": BOUND, "scheduling": {"nodeSelector": {"topology.kubernetes.io/zone": "y"}}},
            (
                "spec.shards.placement.s1.zone: z: spec.scheduling.nodeSelector binds every shard by"
                " topology.kubernetes.io/zone; take one out"
            ),
        ),
        (
            {"shards": BOUND, "scheduling": {"topologyKey": "topology.kubernetes.io/zone"}},
            (
                "spec.shards.placement.s1.zone: z: spec.scheduling.topologyKey spreads the instances of every shard"
                " over zones, and one zone would let them share a node; take one of the two fields out"
            ),
        ),
        ({"storage": {"size": "1Mi"}}, "spec.storage.size: 1Mi: must be at least 256Mi"),
        (
            {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}},
            "spec.resources.requests.memory: 2Gi: exceeds the limit of 1Gi",
        ),
        (
            {"resources": {"limits": {"cpu": 0}}},
            "spec.resources.limits.cpu: 0: a limit of nothing stops the server",
        ),
        (
            {"scheduling": {"nodeSelector": {"a b": "c"}}},
            "spec.scheduling.nodeSelector: a b: is not a label key",
        ),
        (
            {"scheduling": {"topologyKey": f"{'a' * 64}"}},
            f"spec.scheduling.topologyKey: {'a' * 64}: is not a label key",
        ),
        (
            {"scheduling": {"tolerations": [{"effect": "NoSchedule"}]}},
            "spec.scheduling.tolerations[0].operator: must be Exists where no key is given",
        ),
        (
            {"scheduling": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}},
            "spec.scheduling.tolerations[0].value: b: must be left out with the operator Exists",
        ),
        (
            {"scheduling": {"tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 5}]}},
            "spec.scheduling.tolerations[0].tolerationSeconds: 5: means something with the effect NoExecute only",
        ),
        (
            {"scheduling": {"tolerations": [{"key": "a" * 64}]}},
            f"spec.scheduling.tolerations[0].key: {'a' * 64}: is not a label key",
        ),
        (
            {"database": {"name": "postgres"}},
            "spec.database.name: postgres: belongs to the server; choose another name",
        ),
        (
            {"database": {"owner": "pg_read_all_data"}},
            "spec.database.owner: pg_read_all_data: is reserved by the server or by Covet; choose another name",
        ),
        (
            {"database": {"owner": "ca"}},
            "spec.database.owner: ca: is reserved by the server or by Covet; choose another name",
        ),
        (
            {"database": {"owner": "tls"}},
            "spec.database.owner: tls: is reserved by the server or by Covet; choose another name",
        ),
    ],
)
def test_a_problem_names_field_value_and_remedy(fields: dict[str, Any], sentence: str) -> None:
    """Each finding is one sentence that a user can act on."""
    assert [sentence] == found(**fields)


def test_all_problems_are_told_at_once() -> None:
    """A user mends a spec in one go, not one message at a time."""
    assert 3 == len(found(name="X", shards={"count": 2, "instances": 4}, storage={"size": "1Mi"}))


def test_an_object_is_read_from_what_the_api_server_returns() -> None:
    """Fields of Kubernetes and of newer operators are passed over."""
    body = {
        "apiVersion": "covet.dev/v1alpha1",
        "kind": "CovetCluster",
        "metadata": {**METADATA, "generation": 4, "managedFields": [{"manager": "kubectl"}], "labels": {"a": "b"}},
        "spec": {**SPEC, "router": {"replicas": 2}},
        "status": {"observedGeneration": 3, "conditions": [], "backups": {"last": "never"}},
    }
    read = cluster.load(body)
    assert ("shop", "store", "u", 4) == (
        read.metadata.name,
        read.metadata.namespace,
        read.metadata.uid,
        read.metadata.generation,
    )
    assert read.status is not None
    assert 3 == read.status.observed_generation


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": "none"},
        {"observedGeneration": "three"},
        {"pendingChanges": [{"message": "x" * 5000}]},
        [],
        "ready",
    ],
)
def test_a_damaged_status_does_not_make_the_spec_invalid(status: Any) -> None:
    """The status is a cache that is written anew; the cluster goes on being served."""
    read = cluster.load({"metadata": METADATA, "spec": SPEC, "status": status})
    assert "shop" == read.metadata.name
    assert read.status is None


def test_an_object_that_breaks_the_schema_is_told_field_by_field() -> None:
    """An object stored under an older schema stalls with a sentence, not with a traceback."""
    body = {
        "metadata": METADATA,
        "spec": {"engine": {"name": "MySQL", "version": "15"}, "shards": {"count": 0}, "storage": {}},
    }
    with pytest.raises(errors.SpecError) as refused:
        cluster.load(body)
    assert "SpecInvalid" == refused.value.reason
    assert "spec.engine.name: 'MySQL': Input should be 'PostgreSQL'" in refused.value.message
    assert "spec.shards.count: 0: Input should be greater than or equal to 1" in refused.value.message
    assert "spec.storage.size: Field required" in refused.value.message


def test_a_long_value_is_shortened_in_the_message() -> None:
    """A message that holds a megabyte would be refused itself."""
    with pytest.raises(pydantic.ValidationError) as invalid:
        cluster.CovetCluster.model_validate({"metadata": METADATA, "spec": {**SPEC, "durability": "x" * 10**6}})
    assert all(len(str(problem)) < 400 for problem in cluster.problems_of(invalid.value))


def test_no_two_secrets_of_any_clusters_in_a_namespace_share_a_name() -> None:
    """Names of clusters and owners may be as unlucky as they can: each Secret is of one cluster and one purpose."""
    owners = ("app", "tls", "ca", "operator", "instance", "s0", "a", "map", "operator_tls", "a_tls")
    made = []
    for name in ("shop", "shop-s0", "shop-s0-a", "shop-operator", "shop-s0-a-operator", "shop-tls", "shop-ca"):
        made += [names.authority_secret(name), names.operator_secret(name)]
        made += [names.instance_secret(names.instance(name, "s0", letters)) for letters in ("a", "b", "aa")]
        made += [names.user_secret(name, owner) for owner in owners if not found(name=name, database={"owner": owner})]
    assert len(set(made)) == len(made), sorted(name for name in made if made.count(name) > 1)
