"""Which of our fields somebody else changed, and in whose name."""

import copy
from typing import Any

import pytest

from covet.kube import ledger
from covet.kube.ledger import Ledger
from covet.planner.facts import Drift

WANTED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "s", "namespace": "ns", "labels": {"covet.dev/cluster": "shop"}},
    "spec": {
        "type": "ClusterIP",
        "selector": {"app": "x"},
        "ports": [{"name": "sql", "port": 5432}],
        "limits": {"cpu": "1000m"},
    },
}
OWNED: dict[str, Any] = {"f:spec": {"f:ports": {'k:{"port":9999,"protocol":"TCP"}': {".": {}, "f:port": {}}}}}
"""How `managedFields` tells of a port that was patched."""


def answered(version: str = "7") -> dict[str, Any]:
    """Return the object as the API server holds it: with defaults, and quantities normalised."""
    found = copy.deepcopy(WANTED)
    found["metadata"] |= {"resourceVersion": version, "uid": "u"}
    found["spec"]["limits"]["cpu"] = "1"
    found["spec"]["ports"][0]["protocol"] = "TCP"
    return found


@pytest.fixture
def applied() -> Ledger:
    """A ledger that saw the object applied."""
    subject = Ledger()
    subject.remember(WANTED, answered(), 0.0)
    return subject


def test_an_untouched_object_has_not_drifted(applied: Ledger) -> None:
    """Defaults, normalised quantities, and whatever others own are no drift."""
    found = answered("8")
    found["metadata"]["annotations"] = {"theirs": "x"}
    found["spec"]["ports"].append({"name": "theirs", "port": 1})
    assert applied.drift(WANTED, found) is None


def test_a_new_wish_is_no_drift(applied: Ledger) -> None:
    """The spec or the operator asks for something else now: that is nobody's doing."""
    wanted = copy.deepcopy(WANTED)
    wanted["spec"] |= {"type": "NodePort", "selector": {"app": "y"}, "ports": [{"name": "other", "port": 1}]}
    assert applied.drift(wanted, answered("8")) is None
    del wanted["spec"]["selector"]
    wanted["spec"]["ports"] = []
    assert applied.drift(wanted, answered("8")) is None


def test_what_others_made_as_it_is_wanted_now_is_no_drift(applied: Ledger) -> None:
    """Somebody was faster than the operator."""
    wanted = copy.deepcopy(WANTED)
    wanted["spec"]["type"] = "NodePort"
    found = answered("8")
    found["spec"]["type"] = "NodePort"
    assert applied.drift(wanted, found) is None


def test_a_new_process_knows_of_no_drift() -> None:
    """What it did not apply itself may have been changed by an upgrade: nobody is blamed."""
    assert Ledger().drift(WANTED, None) is None


def test_a_deleted_object_has_no_fields(applied: Ledger) -> None:
    """Nobody can say who deleted it."""
    assert Drift() == applied.drift(WANTED, None)


def test_the_field_and_its_manager_are_named(applied: Ledger) -> None:
    """A port that was patched: its path, and the field manager that owns it by now."""
    found = answered("8")
    found["spec"]["ports"][0]["port"] = 9999
    found["metadata"]["managedFields"] = [
        {"manager": "covet", "operation": "Apply", "fieldsV1": {"f:spec": {"f:ports": {}}}},
        {"manager": "kubectl-patch", "operation": "Update", "fieldsV1": OWNED},
        {"manager": "kubectl-label", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:mine": {}}}}},
    ]
    assert Drift(("spec.ports[sql].port",), ("kubectl-patch",)) == applied.drift(WANTED, found)


def test_what_was_removed_belongs_to_nobody(applied: Ledger) -> None:
    """A label, a selector and an item that are gone have no owner who could be named."""
    found = answered("8")
    found["metadata"]["labels"] = {}
    del found["spec"]["selector"]
    found["spec"]["ports"] = []
    expected = {"metadata.labels[covet.dev/cluster]", "spec.selector", "spec.ports[sql]"}
    drift = applied.drift(WANTED, found)
    assert drift is not None
    assert (expected, ()) == (set(drift.fields), drift.managers)


def test_what_owns_the_whole_value_above_is_named(applied: Ledger) -> None:
    """Fields that are owned as one: the tree ends above the field."""
    found = answered("8")
    found["spec"]["selector"]["app"] = "theirs"
    found["metadata"]["managedFields"] = [
        {"manager": "argocd", "operation": "Update", "fieldsV1": {"f:spec": {"f:selector": {}}}},
        {"manager": "status", "operation": "Update"},
    ]
    assert Drift(("spec.selector.app",), ("argocd",)) == applied.drift(WANTED, found)


def test_what_is_wanted_no_more_is_forgotten(applied: Ledger) -> None:
    """We delete it ourselves; should it be wanted again, nobody else had deleted it."""
    applied.keep("uid", {ledger.key_of(WANTED)})
    assert applied.drift(WANTED, None) is None, "another cluster of the name begins anew"
    applied.remember(WANTED, answered(), 0.0)
    applied.keep("uid", {ledger.key_of(WANTED)})
    assert applied.drift(WANTED, None) is not None
    applied.keep("uid", set())
    assert applied.drift(WANTED, None) is None
