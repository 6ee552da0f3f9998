"""An unchanged object costs no write; a changed one is noticed, whoever changed it."""

import copy
from typing import Any

import pytest

from covet.kube import ledger
from covet.kube.ledger import Ledger

WANTED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "s", "namespace": "ns", "labels": {"a": "1"}},
    "spec": {"ports": [{"name": "sql", "port": 5432}], "limits": {"cpu": "1000m"}},
}


def answered(version: str = "7") -> dict[str, Any]:
    """Return the object as the API server holds it: with defaults, and quantities normalised."""
    found = copy.deepcopy(WANTED)
    found["metadata"] |= {"resourceVersion": version, "uid": "u"}
    found["spec"]["limits"]["cpu"] = "1"
    found["spec"]["ports"][0]["protocol"] = "TCP"
    found["spec"]["sessionAffinity"] = "None"
    return found


@pytest.fixture
def applied() -> Ledger:
    """A ledger that saw the object applied at second 100."""
    entry = Ledger()
    entry.remember(WANTED, answered(), 100.0)
    return entry


def test_a_missing_object_is_stale(applied: Ledger) -> None:
    """What is gone is made again."""
    assert applied.stale(WANTED, None)


def test_an_unknown_object_is_stale() -> None:
    """A new process applies once what it has not applied itself."""
    assert Ledger().stale(WANTED, answered())


def test_an_untouched_object_is_not(applied: Ledger) -> None:
    """Nothing changed, nothing is written."""
    assert not applied.stale(WANTED, answered())


def test_a_change_elsewhere_is_not_ours(applied: Ledger) -> None:
    """Another writer's fields and the status move the version and mean nothing."""
    found = answered("8")
    found["status"] = {"loadBalancer": {}}
    found["spec"]["sessionAffinity"] = "ClientIP"
    found["metadata"]["annotations"] = {"theirs": "x"}
    assert not applied.stale(WANTED, found)


@pytest.mark.parametrize("path", [("metadata", "labels", "a"), ("spec", "limits", "cpu"), ("spec", "ports", 0, "port")])
def test_a_change_of_ours_is_noticed(applied: Ledger, path: tuple[str | int, ...]) -> None:
    """A field of ours that somebody edited is put back."""
    found: Any = answered("8")
    inner = found
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = "edited"
    assert applied.stale(WANTED, found)


def test_a_new_wish_is_noticed(applied: Ledger) -> None:
    """Another manifest than before is applied."""
    wanted = copy.deepcopy(WANTED)
    wanted["spec"]["ports"][0]["port"] = 5433
    assert applied.stale(wanted, answered())


def test_everything_is_repeated_after_ten_minutes(applied: Ledger) -> None:
    """Against drift that no comparison sees."""
    assert not applied.due(WANTED, 99.0 + ledger.REPEAT_AFTER)
    assert applied.due(WANTED, 100.0 + ledger.REPEAT_AFTER)
    assert not applied.stale(WANTED, answered())


def test_a_list_is_compared_item_by_item() -> None:
    """Items are found by name, in whatever order the API server returns them."""
    wanted = [{"name": "a", "v": 1}, {"name": "b", "v": 2}]
    observed = [{"name": "x"}, {"name": "b", "v": 2, "d": 0}, {"name": "a", "v": 1}]
    assert wanted == ledger.projection(observed, wanted)


def test_a_list_that_became_empty_is_seen_whole() -> None:
    """An empty list of ours is compared with everything that stands there."""
    assert [{"addresses": ["10.0.0.1"]}] == ledger.projection([{"addresses": ["10.0.0.1"]}], [])
