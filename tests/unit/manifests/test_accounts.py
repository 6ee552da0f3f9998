"""What a shard's pods may do at the API server."""

from covet.core import names
from covet.kube import resources, rights
from covet.manifests import accounts
from tests.unit.manifests import samples


def test_pods_may_touch_two_objects_of_their_shard_only() -> None:
    """Creating a Lease cannot be narrowed to a name; everything else is."""
    rules = accounts.role(samples.CLUSTER, "s0")["rules"]
    named = {(rule["resources"][0], *rule.get("resourceNames", ["*"]), *rule["verbs"]) for rule in rules}
    assert {
        ("endpointslices", names.read_write_slice("shop", "s0"), "get", "patch"),
        ("leases", names.shard_lease("shop", "s0"), "get", "patch"),
        ("leases", "*", "create"),
    } == named


def test_the_operator_has_every_right_that_it_gives_away() -> None:
    """Kubernetes refuses a Role with a right that its maker lacks."""
    by_name = {(resource.group, resource.plural): resource for resource in resources.ALL}
    for rule in accounts.role(samples.CLUSTER, "s0")["rules"]:
        resource = by_name[rule["apiGroups"][0], rule["resources"][0]]
        held = {*rights.NAMESPACED.get(resource, ()), *rights.GIVEN_AWAY.get(resource, ())}
        assert set() == set(rule["verbs"]) - held


def test_the_role_is_bound_to_the_shards_account_alone() -> None:
    """Another shard's pods are none of its business."""
    binding = accounts.role_binding(samples.CLUSTER, "s0")
    account = accounts.service_account(samples.CLUSTER, "s0")
    assert [account["metadata"]["name"]] == [subject["name"] for subject in binding["subjects"]]
    assert accounts.role(samples.CLUSTER, "s0")["metadata"]["name"] == binding["roleRef"]["name"]
    assert account["automountServiceAccountToken"] is False
