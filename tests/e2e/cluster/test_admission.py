"""What the API server takes and refuses: the examples, and objects that are wrong in one thing each."""

import copy
import pathlib
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

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
        # An operator that runs here leaves the objects of these tests alone.
        "maintenance": {"paused": True},
    },
}


def kubectl(*arguments: str, manifest: Any = None) -> subprocess.CompletedProcess[str]:
    """Run kubectl against the cluster of KUBECONFIG."""
    return subprocess.run(
        ["kubectl", *arguments],
        input=None if manifest is None else yaml.safe_dump(manifest),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """Return a namespace that knows the definition, and delete it afterwards."""
    name = f"covet-admission-{uuid.uuid4().hex[:8]}"
    applied = kubectl("apply", "--server-side", "--field-manager=covet-crds", "-f", str(ROOT / "crds"))
    assert 0 == applied.returncode, applied.stderr
    waited = kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd/covetclusters.covet.dev")
    assert 0 == waited.returncode, waited.stderr
    made = kubectl("create", "namespace", name)
    assert 0 == made.returncode, made.stderr
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


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
def test_every_example_is_admitted(example: pathlib.Path, namespace: str) -> None:
    """A user who applies an example is not refused."""
    done = kubectl("-n", namespace, "apply", "--dry-run=server", "-f", str(example))
    assert 0 == done.returncode, done.stderr
    assert "server dry run" in done.stdout


def test_the_valid_object_is_admitted(namespace: str) -> None:
    """The object that the invalid ones are made from is valid itself."""
    done = kubectl("-n", namespace, "apply", "--dry-run=server", "-f", "-", manifest=VALID)
    assert 0 == done.returncode, done.stderr


@pytest.mark.parametrize("entry", NEW, ids=lambda entry: entry["title"])
def test_an_invalid_object_is_refused_with_field_and_reason(entry: dict[str, Any], namespace: str) -> None:
    """A mistake is told at `kubectl apply`, with the field and the reason."""
    manifest = changed(VALID, expand(entry))
    done = kubectl("-n", namespace, "apply", "--dry-run=server", "-f", "-", manifest=manifest)
    assert 0 != done.returncode, f"admitted: {done.stdout}"
    missing = [text for text in entry["says"] if text not in done.stderr]
    assert [] == missing, done.stderr


@pytest.mark.parametrize("entry", CHANGED, ids=lambda entry: entry["title"])
def test_a_change_that_cannot_be_honoured_is_refused(entry: dict[str, Any], namespace: str) -> None:
    """A change that would lose data or do nothing is refused, and the object stays as it was."""
    before = changed(VALID, {"set": entry["was"]})
    before["metadata"]["name"] = after_name = f"change-{uuid.uuid4().hex[:6]}"
    made = kubectl("-n", namespace, "create", "-f", "-", manifest=before)
    assert 0 == made.returncode, made.stderr
    after = changed(before, entry)
    done = kubectl("-n", namespace, "replace", "--dry-run=server", "-f", "-", manifest=after)
    kubectl("-n", namespace, "delete", "covetcluster", after_name, "--wait=false")
    assert 0 != done.returncode, f"admitted: {done.stdout}"
    missing = [text for text in entry["says"] if text not in done.stderr]
    assert [] == missing, done.stderr


def test_what_is_allowed_to_change_is_admitted(namespace: str) -> None:
    """Storage grows, shards are added, durability is chosen anew: none of it is refused at the door."""
    before = copy.deepcopy(VALID)
    before["metadata"]["name"] = "grows"
    made = kubectl("-n", namespace, "create", "-f", "-", manifest=before)
    assert 0 == made.returncode, made.stderr
    after = changed(
        before,
        {
            "set": {
                "spec.storage.size": "20Gi",
                "spec.shards.count": 3,
                "spec.durability": "Async",
                "spec.database.name": "app",
            }
        },
    )
    done = kubectl("-n", namespace, "replace", "--dry-run=server", "-f", "-", manifest=after)
    assert 0 == done.returncode, done.stderr


def test_the_server_writes_no_defaults_into_the_object(namespace: str) -> None:
    """Argo CD compares what was applied with what is stored: they are equal."""
    done = kubectl("-n", namespace, "create", "--dry-run=server", "-o", "yaml", "-f", "-", manifest=VALID)
    assert 0 == done.returncode, done.stderr
    assert VALID["spec"] == yaml.safe_load(done.stdout)["spec"]
