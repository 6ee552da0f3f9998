"""Whether the process begins anew, and which definitions it works on."""

import asyncio

import pytest

from covet import app
from covet.core.settings import Settings
from covet.testing.operating import DEFINITION


class Ending:
    """An operator that ends at once, with one code after the other."""

    codes: list[int]

    def __init__(self, *_: object) -> None:
        """Take what an operator takes."""

    async def run(self) -> int:
        """Return the next code."""
        await asyncio.sleep(0)
        return self.codes.pop(0)


@pytest.mark.parametrize(("lasted", "ends_with", "left"), [(0.0, 0, []), (60.0, 1, [1, 0])])
def test_who_lost_the_lease_begins_anew_unless_it_did_not_get_far(
    monkeypatch: pytest.MonkeyPatch, lasted: float, ends_with: int, left: list[int]
) -> None:
    """Kubernetes waits ever longer before it starts a container again that ends; one that cannot work should end."""
    monkeypatch.setattr(app, "AGAIN_AFTER", lasted)
    monkeypatch.setattr(app, "Operator", Ending)
    Ending.codes = [1, 1, 0]
    assert ends_with == app.run(Settings(), None)
    assert left == Ending.codes


@pytest.mark.parametrize(
    ("versions", "good"),
    [
        ([{"name": "v1alpha1", "served": True, "storage": True}], True),
        ([{"name": "v1alpha1", "served": True}, {"name": "v1", "served": True, "storage": True}], False),
        ([{"name": "v1alpha1", "served": False, "storage": True}], False),
        ([], False),
    ],
)
def test_a_newer_storage_version_is_refused(versions: list[dict[str, object]], good: bool) -> None:
    """An operator does not work on objects that a newer one stores."""
    assert good is app.judge_definition({**DEFINITION, "spec": {"versions": versions}}).good
