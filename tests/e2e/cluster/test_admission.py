"""What the API server takes and refuses: the examples, and objects that are wrong in one thing each."""

import copy
import functools
import json
import pathlib
import secrets
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from covet.manifests import metadata
from tests.e2e import installation
from tests.unit.manifests import samples

pytestmark = pytest.mark.cluster

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
TABLE: list[dict[str, Any]] = yaml.safe_load((HERE / "invalid_clusters.yaml").read_text(encoding="utf-8"))
NEW = [entry for entry in TABLE if "was" not in entry]
CHANGED = [entry for entry in TABLE if "was" in entry]
VALID: dict[str, Any] = {
    "apiVersion": "covet.dev/v1alpha1",
    "kind": "CovetCluster",
    "metadata": {"name": "shop"},
    "spec": {
        "engine": {"name": "PostgreSQL", "version": "15"},
        "shards": {"count": 2},
        "storage": {"size": "10Gi"},
        # The operator leaves the few objects that these tests really make alone.
        "maintenance": {"paused": True},
    },
}

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def namespace(covet: installation.Installation) -> Iterator[str]:
    """Return one namespace for all of these tests; nearly all of them leave nothing in it."""
    name = f"admission-{secrets.token_hex(3)}"
    covet.ensure_namespace(name)
    yield name
    covet.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def kubectl(covet: installation.Installation, namespace: str) -> Kubectl:
    """Return kubectl in that namespace; its refusals are answers, not errors."""
    return functools.partial(run_kubectl, covet, namespace)


def run_kubectl(
    covet: installation.Installation, namespace: str, *arguments: str, manifest: Any = None
) -> subprocess.CompletedProcess[str]:
    """Run kubectl, with an object on its standard input where one is given."""
    return subprocess.run(
        [covet.kubectl_path, "-n", namespace, *arguments],
        env=covet.place.environment(),
        input=None if manifest is None else json.dumps(manifest),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def changed(base: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the fields of an entry set and removed."""
    found = copy.deepcopy(base)
    for path, value in entry.get("set", {}).items():
        parent, last = reach(found, path)
        parent[last] = value
    for path in entry.get("remove", ()):
        parent, last = reach(found, path)
        parent.pop(last, None)
    return found


def reach(root: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """Return the mapping that holds the last part of a path, and that part."""
    *parents, last = path.split(".")
    for part in parents:
        root = root.setdefault(part, {})
    return root, last


def expand(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with its one long value written out."""
    return yaml.safe_load(yaml.safe_dump(entry, width=10**6).replace("${long}", "x" * 2000))  # type: ignore[no-any-return]  # YAML is untyped


def test_the_table_holds_sixty_invalid_objects() -> None:
    """Every kind of mistake that the schema can refuse stands in the table once."""
    assert len(TABLE) >= 60
    assert len({entry["title"] for entry in TABLE}) == len(TABLE)
    assert all(entry["says"] for entry in TABLE)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_admitted(example: pathlib.Path, kubectl: Kubectl) -> None:
    """A user who applies an example is not refused."""
    done = kubectl("apply", "--dry-run=server", "-f", str(example))
    assert 0 == done.returncode, done.stderr
    assert "server dry run" in done.stdout


def test_the_valid_object_is_admitted(kubectl: Kubectl) -> None:
    """The object that the invalid ones are made from is valid itself."""
    done = kubectl("apply", "--dry-run=server", "-f", "-", manifest=VALID)
    assert 0 == done.returncode, done.stderr


@pytest.mark.parametrize("entry", NEW, ids=lambda entry: entry["title"])
def test_an_invalid_object_is_refused_with_field_and_reason(entry: dict[str, Any], kubectl: Kubectl) -> None:
    """A mistake is told at `kubectl apply`, with the field and the reason."""
    manifest = changed(VALID, expand(entry))
    done = kubectl("apply", "--dry-run=server", "-f", "-", manifest=manifest)
    assert 0 != done.returncode, f"admitted: {done.stdout}"
    missing = [text for text in entry["says"] if text not in done.stderr]
    assert [] == missing, done.stderr


@pytest.mark.parametrize("entry", CHANGED, ids=lambda entry: entry["title"])
def test_a_change_that_cannot_be_honoured_is_refused(entry: dict[str, Any], kubectl: Kubectl) -> None:
    """A change that would lose data or do nothing is refused, and the object stays as it was."""
    before = changed(VALID, {"set": entry["was"]})
    before["metadata"]["name"] = after_name = f"change-{secrets.token_hex(3)}"
    made = kubectl("create", "-f", "-", manifest=before)
    assert 0 == made.returncode, made.stderr
    after = changed(before, entry)
    done = kubectl("replace", "--dry-run=server", "-f", "-", manifest=after)
    kubectl("delete", "covetcluster", after_name, "--wait=false")
    assert 0 != done.returncode, f"admitted: {done.stdout}"
    missing = [text for text in entry["says"] if text not in done.stderr]
    assert [] == missing, done.stderr


def test_what_is_allowed_to_change_is_admitted(kubectl: Kubectl) -> None:
    """The same size in another unit, more shards, another durability: none of it is refused at the door."""
    before = copy.deepcopy(VALID)
    before["metadata"]["name"] = "grows"
    made = kubectl("create", "-f", "-", manifest=before)
    assert 0 == made.returncode, made.stderr
    after = changed(
        before,
        {
            "set": {
                "spec.storage.size": "10240Mi",
                "spec.shards.count": 3,
                "spec.durability": "Async",
                "spec.database.name": "app",
            }
        },
    )
    done = kubectl("replace", "--dry-run=server", "-f", "-", manifest=after)
    assert 0 == done.returncode, done.stderr


def test_the_server_writes_no_defaults_into_the_object(kubectl: Kubectl) -> None:
    """Argo CD compares what was applied with what is stored: they are equal."""
    done = kubectl("create", "--dry-run=server", "-o", "yaml", "-f", "-", manifest=VALID)
    assert 0 == done.returncode, done.stderr
    assert VALID["spec"] == yaml.safe_load(done.stdout)["spec"]


def test_an_object_says_from_its_first_moment_that_it_is_not_ready(kubectl: Kubectl) -> None:
    """Whoever waits for it, Helm 4 too, never finds it without a condition."""
    named = copy.deepcopy(VALID)
    named["metadata"]["name"] = "fresh"
    done = kubectl("create", "-o", "json", "-f", "-", manifest=named)
    assert 0 == done.returncode, done.stderr
    (condition,) = json.loads(done.stdout)["status"]["conditions"]
    assert ("Ready", "Unknown", "NotSeen") == (condition["type"], condition["status"], condition["reason"])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"shards": {"count": 1, "instances": 5}, "deletion": {"volumes": "Delete"}},
        {
            "resources": {"requests": {"cpu": 1}, "limits": {"cpu": "2", "memory": "1Gi"}},
            "scheduling": {
                "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
                "topologyKey": "topology.kubernetes.io/zone",
            },
            "storage": {"size": "1Gi", "className": "fast"},
        },
    ],
    ids=["default", "five instances", "scheduling"],
)
def test_every_object_of_a_cluster_is_admitted_without_a_warning(
    fields: dict[str, Any], kubectl: Kubectl, namespace: str
) -> None:
    """What the operator makes is valid, and its pods break no rule of the restricted standard."""
    cluster = metadata.ClusterRef("shop", namespace, "9b7f1f2e-0000-4000-8000-000000000001")
    manifest = {"apiVersion": "v1", "kind": "List", "items": samples.every_object(samples.wanted(**fields), cluster)}
    done = kubectl("apply", "--server-side", "--dry-run=server", "--field-manager=covet", "-f", "-", manifest=manifest)
    assert (0, "") == (done.returncode, done.stderr)


def test_the_definition_is_structural_and_established(kubectl: Kubectl) -> None:
    """The API server prunes, validates and explains by it."""
    found = json.loads(kubectl("get", "crd", "covetclusters.covet.dev", "-o", "json").stdout)
    conditions = {condition["type"]: condition["status"] for condition in found["status"]["conditions"]}
    assert "NonStructuralSchema" not in conditions
    assert ("True", "True") == (conditions["NamesAccepted"], conditions["Established"])


def test_people_see_what_matters_first(kubectl: Kubectl) -> None:
    """`kubectl get` by short name and category shows the columns that the design names."""
    named = copy.deepcopy(VALID)
    named["metadata"]["name"] = "columns"
    made = kubectl("create", "-f", "-", manifest=named)
    assert 0 == made.returncode, made.stderr
    for kind in ("cc", "covet", "covetclusters"):
        header, *rows = kubectl("get", kind).stdout.splitlines()
        assert ["NAME", "READY", "SHARDS", "PRIMARIES", "ENGINE", "AGE"] == header.split()
        assert any(row.startswith(("columns", "covetcluster.covet.dev/columns")) for row in rows)
    wide = kubectl("get", "cc", "-o", "wide").stdout.splitlines()[0]
    assert ["VERSION", "MESSAGE"] == wide.split()[-2:]


def test_every_field_is_explained(kubectl: Kubectl) -> None:
    """`kubectl explain` gives the sentence of the model."""
    explained = kubectl("explain", "covetcluster.spec.shards.instances").stdout
    assert "Database servers per shard: 1, 3, 5 or 7." in explained
