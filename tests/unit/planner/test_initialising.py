"""An instance refuses to initialise its shard for whatever it knows against it (I13)."""

import pytest

from covet.planner import initialising
from covet.planner.initialising import Ground
from covet.planner.record import ShardRecord
from covet.testing.birth.operating import INSTANCES, UID, spec

EMPTY = Ground(INSTANCES[0], spec(3, opened=False))


@pytest.mark.parametrize(
    ("ground", "shard", "reason"),
    [
        (EMPTY, (UID, UID), None),
        (Ground(INSTANCES[0], EMPTY.spec, origin="Bootstrap"), (UID, UID), None),
        (Ground(INSTANCES[0], EMPTY.spec, refusal=("VolumeForeign", "")), (UID, UID), "VolumeForeign"),
        (EMPTY, (UID, "another"), "ShardForeign"),
        (EMPTY, ("another", UID), "ShardForeign"),
        (Ground(INSTANCES[0], EMPTY.spec, opened=True), (UID, UID), "ShardOpened"),
        (Ground(INSTANCES[1], EMPTY.spec), (UID, UID), "NotChosen"),
        (Ground(INSTANCES[0], EMPTY.spec, origin="Bootstrap", born=True), (UID, UID), "AlreadyBorn"),
        (Ground(INSTANCES[0], EMPTY.spec, origin=initialising.CLONE), (UID, UID), "CloneUnfinished"),
    ],
)
def test_i13_an_instance_refuses_by_what_it_knows_of_itself(
    ground: Ground, shard: tuple[str, str], reason: str | None
) -> None:
    """Only the chosen one, on a volume without a finished database or a clone, in a shard that was never open."""
    refusal = initialising.refuse(ground, shard)
    assert reason == (refusal[0] if refusal else None)


def test_i13_a_peer_that_has_data_forbids_it() -> None:
    """Peers with empty volumes do not."""
    assert initialising.refuse_for_peers({"shop-s0-b": None, "shop-s0-c": None}) is None
    expected = "PeerHasData", "shop-s0-c holds the database of s0-c-1: this shard was born before."
    assert expected == initialising.refuse_for_peers({"shop-s0-b": None, "shop-s0-c": "s0-c-1"})


@pytest.mark.parametrize(("opened", "system", "asks"), [(False, None, True), (False, "7", False), (True, None, False)])
def test_i13_a_record_asks_for_one_birth(opened: bool, system: str | None, asks: bool) -> None:
    """Of the instance that it names, until it has a system id."""
    record = ShardRecord("s0", UID, INSTANCES[0], system_id=system, opened=opened)
    assert [asks, False] == [record.asks(instance) for instance in INSTANCES[:2]]
