"""The StatefulSet of an instance and what can change about its volume."""

import copy
from typing import Any

import pytest

from covet.core import names
from covet.manifests import instances, metadata
from tests.unit.manifests import samples


def stateful_set(**fields: Any) -> dict[str, Any]:
    """Return the StatefulSet of shop-s0-a."""
    return instances.stateful_set(samples.CLUSTER, "s0", "a", samples.wanted(**fields), samples.IMAGE)


def test_an_instance_is_a_stateful_set_of_one() -> None:
    """It heals while the operator is away, and the operator alone orders restarts."""
    spec = stateful_set()["spec"]
    assert "shop-s0-a" == stateful_set()["metadata"]["name"]
    assert (1, "shop-s0", "Parallel", {"type": "OnDelete"}) == (
        spec["replicas"],
        spec["serviceName"],
        spec["podManagementPolicy"],
        spec["updateStrategy"],
    )


def test_the_selector_picks_its_own_pod() -> None:
    """The labels of the pod carry the selector; those of a sister do not."""
    spec = stateful_set()["spec"]
    sister = instances.stateful_set(samples.CLUSTER, "s0", "b", samples.wanted(), samples.IMAGE)["spec"]
    selector = spec["selector"]["matchLabels"].items()
    assert selector <= spec["template"]["metadata"]["labels"].items()
    assert not selector <= sister["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize(("volumes", "policy"), [("Keep", "Retain"), ("Delete", "Delete")])
def test_volumes_follow_the_users_wish_on_deletion(volumes: str, policy: str) -> None:
    """A volume goes with its cluster only where the user said so, and never by scaling."""
    found = stateful_set(deletion={"volumes": volumes})["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert {"whenDeleted": policy, "whenScaled": "Retain"} == found


def test_the_claim_asks_for_what_the_user_asked() -> None:
    """Size and class are the user's; without a class Kubernetes chooses its default."""
    (claim,) = stateful_set()["spec"]["volumeClaimTemplates"]
    assert {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}} == claim["spec"]
    (classed,) = stateful_set(storage={"size": "1Ti", "className": "fast"})["spec"]["volumeClaimTemplates"]
    assert "fast" == classed["spec"]["storageClassName"]
    assert names.data_volume_claim("shop-s0-a") == f"{claim['metadata']['name']}-{names.pod('shop-s0-a')}"


def test_a_live_claim_template_is_carried_over() -> None:
    """Another size or class does not make the API server refuse the rest of the change."""
    live = copy.deepcopy(stateful_set())
    live["spec"]["volumeClaimTemplates"][0]["status"] = {"phase": "Pending"}
    live["spec"]["volumeClaimTemplates"][0]["spec"]["volumeMode"] = "Filesystem"
    desired = stateful_set(
        storage={"size": "20Gi", "className": "fast"}, resources={"requests": {"cpu": "1", "memory": "1Gi"}}
    )
    before = copy.deepcopy(desired)
    found = instances.carry_over(desired, live)
    assert stateful_set()["spec"]["volumeClaimTemplates"] == found["spec"]["volumeClaimTemplates"]
    assert desired["spec"]["template"] == found["spec"]["template"]
    assert before == desired


def test_an_unknown_live_claim_changes_nothing() -> None:
    """A template that the live object lacks is left as it is wanted."""
    desired = stateful_set()
    live: dict[str, Any] = {"spec": {"volumeClaimTemplates": [{"metadata": {"name": "other"}, "spec": {}}]}}
    assert desired == instances.carry_over(desired, live)
    assert desired == instances.carry_over(desired, {"spec": {}})


def test_the_set_goes_with_its_cluster() -> None:
    """Deletion is Kubernetes' own work, done with the operator absent."""
    assert [metadata.owner(samples.CLUSTER)] == stateful_set()["metadata"]["ownerReferences"]


def test_the_longest_names_fit() -> None:
    """The longest cluster name with the last shard still makes labels of at most 63 characters."""
    longest = metadata.ClusterRef("c" * names.MAX_CLUSTER_NAME, "store", "u")
    found = instances.stateful_set(longest, "s511", "aa", samples.wanted(), samples.IMAGE)
    hashed = f"{found['metadata']['name']}-{'0' * 10}"
    values = [*found["metadata"]["labels"].values(), *found["spec"]["template"]["metadata"]["labels"].values(), hashed]
    assert 63 >= max(map(len, values))
