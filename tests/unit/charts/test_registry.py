"""Images from a registry of one's own: what a value says arrives in the pods of the operator and of the databases."""

import json
import pathlib
from typing import Any

import pytest
import yaml

from covet.core import settings
from covet.manifests import instances
from covet.manifests.pods import Image
from tests.unit.charts import test_charts as charts
from tests.unit.manifests import samples
from tools import images as push

DIGEST = f"sha256:{'0' * 64}"


def database_pod(*values: str) -> dict[str, Any]:
    """Return the pod of an instance as an operator with these values makes it."""
    found = settings.from_environ(charts.environment(*values))
    image = Image(found.postgres_images["15"], found.image_pull_policy, found.image_pull_secrets)
    template = instances.stateful_set(samples.CLUSTER, "s0", "a", samples.wanted(), image)["spec"]["template"]
    pod: dict[str, Any] = template["spec"]
    return pod


def images(pod: dict[str, Any]) -> set[str]:
    """Return the images of all containers of a pod."""
    return {entry["image"] for entry in (*pod["containers"], *pod.get("initContainers", []))}


@pytest.mark.parametrize("reference", [":1.2.3", f"@{DIGEST}"], ids=["tag", "digest"])
def test_tags_and_digests_get_the_registry_in_front(reference: str) -> None:
    """Both images are taken from where `images.registry` says, by whatever names them."""
    values = (
        "images.registry=reg.example:5000/covet",
        f"images.operator=covet-operator{reference}",
        f"images.postgres.15=covet-postgres{reference}",
    )
    assert {f"reg.example:5000/covet/covet-operator{reference}"} == images(charts.operator_pod(*values)["spec"])
    assert {f"reg.example:5000/covet/covet-postgres{reference}"} == images(database_pod(*values))


def test_what_was_pushed_is_installed_by_its_digest(tmp_path: pathlib.Path) -> None:
    """The file that a push leaves behind is all that a release needs to name its images."""
    pushed = [
        f"reg.example:5000/covet/covet-{name}@sha256:{digit * 64}"
        for name, digit in (("postgres", "1"), ("operator", "2"), ("router", "3"))
    ]
    (tmp_path / "images.yaml").write_text(push.values(pushed))
    arguments = ("template", "covet", str(charts.CHARTS / "covet"), "--values", str(tmp_path / "images.yaml"))
    for major in charts.MAJORS:
        done = charts.helm(major, *arguments)
        assert 0 == done.returncode, done.stderr
        (pod,) = [made["spec"]["template"] for made in yaml.safe_load_all(done.stdout) if made["kind"] == "Deployment"]
        (container,) = pod["spec"]["containers"]
        databases = next(entry["value"] for entry in container["env"] if entry["name"] == "COVET_POSTGRES_IMAGES")
        router = next(entry["value"] for entry in container["env"] if entry["name"] == "COVET_ROUTER_IMAGE")
        assert (pushed[1], {"15": pushed[0]}, pushed[2]) == (container["image"], json.loads(databases), router)


def test_pull_secrets_are_named_in_every_pod() -> None:
    """Operator and databases are pulled with the same Secrets, which are named and never copied."""
    values = ("images.pullSecrets={one,two}", "images.pullPolicy=Always")
    for pod in (charts.operator_pod(*values)["spec"], database_pod(*values)):
        assert [{"name": "one"}, {"name": "two"}] == pod["imagePullSecrets"]
        assert {"Always"} == {entry["imagePullPolicy"] for entry in pod["containers"]}


def test_without_a_registry_images_are_complete_names() -> None:
    """The default adds nothing."""
    values = ("images.operator=other.example/op:1", "images.postgres.15=other.example/pg:15")
    pods = (charts.operator_pod(*values)["spec"], database_pod(*values))
    assert [{"other.example/op:1"}, {"other.example/pg:15"}] == [images(pod) for pod in pods]
    assert not any(pod.get("imagePullSecrets") for pod in pods)
