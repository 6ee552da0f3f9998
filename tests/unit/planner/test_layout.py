"""What a living cluster follows, and what a person has to do for the rest."""

from covet.api.effective import EffectiveSpec
from covet.planner import layout
from covet.testing import world as worlds


def sized(size: str) -> EffectiveSpec:
    """Return a spec with volumes of a size."""
    made = worlds.cluster_spec()
    return made.model_copy(update={"storage": made.storage.model_copy(update={"size": size})})


def test_the_same_size_in_another_unit_is_no_change() -> None:
    """10Gi and 10240Mi are one size; nothing waits."""
    assert () == layout.pending(sized("10240Mi"), sized("10Gi"))


def test_another_size_is_listed_without_advice_that_admission_refuses() -> None:
    """A size that was stored under an older definition is told; the definition lets no size change back."""
    (change,) = layout.pending(sized("20Gi"), sized("10Gi"))
    assert ("spec.storage.size", "VolumeGrowthUnsupported") == (change.field, change.reason)
    assert "Put the old value back" not in change.message
    assert "10Gi" in change.message
