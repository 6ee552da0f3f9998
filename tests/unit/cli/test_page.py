"""The page about the command says what the command does."""

import pathlib
import re

import yaml

from covet.cli import application
from covet.cli.failures import Exit
from covet.core import events, names
from covet.kube import rights

PAGE = (pathlib.Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_every_verb_is_on_the_page() -> None:
    """In the order of help, and none that is gone."""
    rows = re.findall(r"^\| `([a-z]+) CLUSTER", PAGE, re.MULTILINE)
    assert list(application.VERBS) == rows


def test_every_exit_code_is_on_the_page() -> None:
    """A script may rely on each."""
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert {0, *Exit} == rows


def test_the_role_on_the_page_is_the_table_of_rights() -> None:
    """Whoever is given it can use every verb; psql needs what kubectl exec needs."""
    role = yaml.safe_load(PAGE.partition("```yaml\n")[2].partition("```")[0])
    granted = {
        (rule["apiGroups"][0], plural): set(rule["verbs"]) for rule in role["rules"] for plural in rule["resources"]
    }
    used = {(resource.group, resource.plural): set(verbs) for resource, verbs in rights.PERSON.items()}
    assert {**used, ("", "pods"): {"get"}, ("", "pods/exec"): {"create"}} == granted


def test_orders_and_refusals_are_on_the_page() -> None:
    """The contract with the operator stands there by its names."""
    wanted = [
        names.switchover_annotation("<shard>"),
        names.promote_annotation("<shard>"),
        names.ANNOTATION_FENCED,
        events.SWITCHOVER_REFUSED,
        events.PROMOTE_REFUSED,
    ]
    assert [] == [name for name in wanted if name not in PAGE]
