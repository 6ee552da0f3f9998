"""What a living cluster follows, and what a person has to do for the rest."""

import pytest

from covet.api import pods
from covet.api.effective import EffectiveSpec
from covet.planner import layout
from covet.planner.facts import VolumeFacts, Volumes
from covet.testing import world as worlds


def sized(size: str) -> EffectiveSpec:
    """Return a spec with volumes of a size."""
    made = worlds.cluster_spec()
    return made.model_copy(update={"storage": made.storage.model_copy(update={"size": size})})


def test_the_same_size_in_another_unit_is_no_change() -> None:
    """10Gi and 10240Mi are one size; nothing waits."""
    assert () == layout.pending(sized("10240Mi"), sized("10Gi"))


def test_the_same_size_in_another_unit_stays_as_it_was_written() -> None:
    """Nothing is applied anew for the sake of another unit."""
    assert "10Gi" == layout.in_force(sized("10240Mi"), sized("10Gi")).storage.size


def weighing(**weights: int) -> EffectiveSpec:
    """Return a spec with weights of shards."""
    made = worlds.cluster_spec()
    return made.model_copy(update={"shards": made.shards.model_copy(update={"weights": weights})})


def test_a_weight_that_a_shard_has_anyway_is_no_change() -> None:
    """A shard that is not named weighs 1; to name it, or to leave it out, moves no key."""
    assert () == layout.of_shards(weighing(s0=1), weighing())
    assert () == layout.of_shards(weighing(s1=3), weighing(s0=1, s1=3))
    assert {"s0": 1} == layout.in_force(weighing(s0=1), weighing()).shards.weights


def test_a_zone_is_in_force_while_another_change_of_the_shards_waits() -> None:
    """Where the pods of a shard run has nothing to do with which keys are in it."""
    bound = {"s0": pods.Placement(zone="z")}
    made = weighing(s0=2)
    wanted = made.model_copy(update={"shards": made.shards.model_copy(update={"placement": bound})})
    assert (bound, {}) == (
        layout.in_force(wanted, weighing()).shards.placement,
        layout.in_force(wanted, weighing()).shards.weights,
    )


def test_another_weight_is_not_in_force_before_the_record_says_so() -> None:
    """What the map goes by stands in the record."""
    assert ("spec.shards.weights",) == layout.of_shards(weighing(s0=2), weighing())
    assert {} == layout.in_force(weighing(s0=2), weighing()).shards.weights


@pytest.mark.parametrize(
    ("wanted", "asked", "expandable", "expected"),
    [
        ("20Gi", "10Gi", ("fast",), "20Gi"),
        ("20Gi", "10Gi", (), "10Gi"),
        ("5Gi", "10Gi", ("fast",), "10Gi"),
        ("10Gi", "20Gi", ("fast",), "20Gi"),
    ],
)
def test_the_size_in_force_is_what_volumes_can_have(
    wanted: str, asked: str, expandable: tuple[str, ...], expected: str
) -> None:
    """More where the class allows it, and never less than a claim asks for already."""
    seen = Volumes({"shop-s0-a": VolumeFacts(asked, asked, "fast", bound=True)}, frozenset(expandable))
    assert expected == layout.in_force(sized(wanted), sized("10Gi"), seen).storage.size
