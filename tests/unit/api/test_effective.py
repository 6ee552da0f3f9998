"""Defaults fill every gap, never overrule a user, and never change under a cluster that lives."""

import json
from typing import Any

import pytest
import yaml

from covet.api import crd, effective, effectivepods, spec
from covet.core import errors

MINIMAL: dict[str, Any] = {
    "engine": {"name": "PostgreSQL", "version": "15"},
    "shards": {"count": 2},
    "storage": {"size": "10Gi"},
}


def filled(**fields: Any) -> effective.EffectiveSpec:
    """Return the effective spec of the shortest cluster with these fields set."""
    return effective.effective(spec.ClusterSpec.model_validate({**MINIMAL, **fields}))


def test_the_first_defaults_never_change() -> None:
    """A cluster born with these defaults has them for life; other values need a new version."""
    expected = {
        "defaultsVersion": 1,
        "engine": {"name": "PostgreSQL", "version": "15", "parameters": {}},
        "shards": {"count": 2, "instances": 3, "weights": {}},
        "durability": "Quorum",
        "storage": {"size": "10Gi"},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {}},
        "scheduling": {"nodeSelector": {}, "tolerations": [], "topologyKey": "kubernetes.io/hostname"},
        "router": {
            "replicas": 0,
            "pool": {
                "mode": "Transaction",
                "min": 0,
                "max": 20,
                "waitSeconds": 30,
                "holdSeconds": 5,
                "idleSeconds": 600,
                "lifetimeSeconds": 3600,
            },
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {}},
            "scheduling": {"nodeSelector": {}, "tolerations": [], "topologyKey": "kubernetes.io/hostname"},
        },
        "database": {"name": "app", "owner": "app"},
        "failover": {"whenUnsafe": "Wait"},
        "maintenance": {"paused": False},
        "deletion": {"volumes": "Keep"},
    }
    found = effective.effective(spec.ClusterSpec.model_validate(MINIMAL), 1)
    assert expected == found.document()


def test_what_the_user_wrote_stands() -> None:
    """No default overrules a user."""
    asked: dict[str, Any] = {
        "engine": {"name": "PostgreSQL", "version": "16", "parameters": {"work_mem": "64MB", "max_connections": 200}},
        "shards": {"count": 4, "instances": 5, "weights": {"s1": 3}},
        "durability": "Async",
        "storage": {"size": "1Ti", "className": "fast"},
        "resources": {"requests": {"cpu": 2, "memory": "4Gi"}, "limits": {"cpu": "4", "memory": "8Gi"}},
        "scheduling": {
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "dedicated", "operator": "Exists", "tolerationSeconds": 30, "effect": "NoExecute"}],
            "topologyKey": "topology.kubernetes.io/zone",
        },
        "database": {"name": "shop", "owner": "clerk"},
        "failover": {"whenUnsafe": "PromoteWithLoss"},
        "maintenance": {"paused": True},
        "deletion": {"volumes": "Delete"},
    }
    found = filled(**asked).document()
    assert {"max_connections": "200", "work_mem": "64MB"} == found["engine"]["parameters"]
    assert {"cpu": "2", "memory": "4Gi"} == found["resources"]["requests"]
    for field in ("shards", "durability", "storage", "scheduling", "database", "failover", "maintenance", "deletion"):
        assert asked[field] == found[field]


def test_a_default_request_never_exceeds_a_given_limit() -> None:
    """A pod that asks for more than its limit would be refused."""
    found = filled(resources={"limits": {"cpu": "50m", "memory": "128Mi"}})
    assert effectivepods.EffectiveAmounts(cpu="50m", memory="128Mi") == found.resources.requests


def test_a_shard_without_a_weight_weighs_one() -> None:
    """Weights that are given stand; the rest are equal."""
    shards = filled(shards={"count": 2, "weights": {"s1": 5}}).shards
    assert [1, 5] == [shards.weight("s0"), shards.weight("s1")]


def test_unknown_defaults_are_refused() -> None:
    """A cluster of a newer operator is not run with other defaults in silence."""
    with pytest.raises(errors.SpecError, match="version 99") as refused:
        effective.effective(spec.ClusterSpec.model_validate(MINIMAL), 99)
    assert "DefaultsUnknown" == refused.value.reason


def test_the_newest_defaults_exist() -> None:
    """New clusters are born with defaults that this operator has."""
    assert effective.NEWEST == max(effective.DEFAULTS)


def test_the_document_is_json_and_fits_the_schema() -> None:
    """What status shows is what the definition describes, field by field."""
    described = crd.schema()["properties"]["status"]["properties"]["effective"]["properties"]
    asked = {"authoritySecret": "clients"}
    shown = filled(adopt="00000000-0000-4000-8000-000000000000", certificates=asked).document()
    assert shown == json.loads(json.dumps(shown))
    assert shown == yaml.safe_load(yaml.safe_dump(shown))
    assert set(shown) == set(described)


def test_every_field_of_the_spec_is_in_the_effective_spec() -> None:
    """A field that the user may set and nothing reads is a lie."""

    def leaves(schema: dict[str, Any], path: str = "") -> set[str]:
        parts = schema.get("properties")
        if not parts:
            return {path}
        return {leaf for name, part in parts.items() for leaf in leaves(part, f"{path}.{name}")}

    asked = leaves(crd.schema()["properties"]["spec"])
    worked_by = leaves(crd.schema()["properties"]["status"]["properties"]["effective"])
    assert {".defaultsVersion"} == worked_by ^ asked
