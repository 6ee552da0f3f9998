"""The page about the command says what the command does."""

import pathlib
import re

import yaml

from covet.cli import application, failures
from covet.cli.failures import Exit
from covet.core import events, names
from covet.kube import rights

PAGE = (pathlib.Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_every_verb_is_on_the_page() -> None:
    """In the order of help, and none that is gone."""
    rows = re.findall(r"^\| `([a-z]+) \[?[A-Z]", PAGE, re.MULTILINE)
    assert list(application.VERBS) == rows


def test_every_exit_code_is_on_the_page() -> None:
    """A script may rely on each."""
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert {0, *Exit} == rows


def test_the_role_on_the_page_is_the_table_of_rights() -> None:
    """Whoever is given it can use every verb; psql needs what kubectl exec needs."""
    granted = {right: set(verbs) for right, verbs in roles()["Role"].items()}
    used = {(resource.group, resource.plural): set(verbs) for resource, verbs in rights.PERSON.items()}
    parts = {
        (resource.group, f"{resource.plural}/{part}"): set(verbs)
        for (resource, part), verbs in rights.PERSON_SUBRESOURCES.items()
    }
    assert {**used, **parts, ("", "pods"): {"get", "list"}, ("", "pods/exec"): {"create"}} == granted


def test_the_cluster_role_on_the_page_is_the_table_of_rights() -> None:
    """What belongs to no namespace stands in a role of its own."""
    used = {(resource.group, resource.plural): list(verbs) for resource, verbs in rights.PERSON_CLUSTERWIDE.items()}
    assert used == roles()["ClusterRole"]


def test_every_right_can_be_named() -> None:
    """A refusal names the API group of whatever was asked for."""
    tables = (rights.PERSON, rights.PERSON_CLUSTERWIDE, rights.EVERYBODY)
    asked = {resource.plural: resource.group for table in tables for resource in table}
    asked |= {f"{resource.plural}/{part}": resource.group for resource, part in rights.PERSON_SUBRESOURCES}
    assert asked == failures.GROUPS


def roles() -> dict[str, dict[tuple[str, str], list[str]]]:
    """Return the rules of the roles on the page: by kind, then by API group and plural."""
    found = [yaml.safe_load(block.partition("```")[0]) for block in PAGE.split("```yaml\n")[1:]]
    return {
        role["kind"]: {
            (rule["apiGroups"][0], plural): rule["verbs"] for rule in role["rules"] for plural in rule["resources"]
        }
        for role in found
    }


def test_orders_and_refusals_are_on_the_page() -> None:
    """The contract with the operator stands there by its names."""
    wanted = [
        names.switchover_annotation("<shard>"),
        names.promote_annotation("<shard>"),
        names.ANNOTATION_FENCED,
        names.ANNOTATION_RESTART,
        events.SWITCHOVER_REFUSED,
        events.PROMOTE_REFUSED,
        events.RESTART_REFUSED,
    ]
    assert [] == [name for name in wanted if name not in PAGE]
