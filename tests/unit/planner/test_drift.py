"""What is told of objects that others changed and that were put back."""

from covet.planner import drift
from covet.planner.facts import Drift, ObjectKey


def key(name: str) -> ObjectKey:
    """Return the key of a Service."""
    return ("Service", "ns", name)


def messages(healed: dict[ObjectKey, Drift]) -> list[str]:
    """Return what is told; all of it warns."""
    told = drift.news(healed)
    assert {("DriftHealed", True)} >= {(entry.reason, entry.warning) for entry in told}
    return [entry.message for entry in told]


def test_nothing_is_told_of_nothing() -> None:
    """A round that healed nothing has no news."""
    assert [] == messages({})


def test_the_object_its_fields_and_the_writer_are_named() -> None:
    """And that it was put back."""
    (told,) = messages({key("shop-s0-rw"): Drift(("spec.type", "spec.ports[sql].port"), ("kubectl-edit",))})
    start = "Service shop-s0-rw: spec.type, spec.ports[sql].port had been changed by kubectl-edit and is put back."
    assert told.startswith(start)


def test_of_many_fields_a_few_are_named() -> None:
    """The rest is counted."""
    (told,) = messages({key("s"): Drift(tuple(f"spec.f{index}" for index in range(7)))})
    assert "spec.f3 and 3 more had been changed by another than covet" in told
    assert "spec.f4" not in told


def test_a_deleted_object_is_made_anew() -> None:
    """Nobody knows who deleted it."""
    assert ["Service s had been deleted and is made anew."] == messages({key("s"): Drift()})


def test_many_objects_share_an_event() -> None:
    """Thirty objects that were deleted at once are five Events, and every object is named."""
    told = messages({key(f"s{index:02}"): Drift() for index in range(30)})
    assert drift.OBJECTS + 1 == len(told)
    assert told[-1].startswith("26 more objects")
    assert all(f"s{index:02}" in " ".join(told) for index in range(30))
