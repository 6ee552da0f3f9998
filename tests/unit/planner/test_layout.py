"""What a living cluster follows, and what a person has to do for the rest."""

import pytest

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
    assert () == layout.pending(weighing(s0=1), weighing())
    assert () == layout.pending(weighing(s1=3), weighing(s0=1, s1=3))


def test_another_weight_waits_with_the_reason_and_the_way_out() -> None:
    """The entry names both in a person's words."""
    (change,) = layout.pending(weighing(s0=2, s1=3), weighing())
    assert ("spec.shards.weights", "ReshardingUnsupported") == (change.field, change.reason)
    assert (
        "The cluster was born with the default and keeps it; s0: 2, s1: 3 waits. Keys cannot be moved between shards"
        " yet. Put the old value back, or make a new cluster and move the data; one that holds no data yet can be"
        " deleted with its volumes and made anew."
    ) == change.message


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
