"""Promises of the ring that hold for every cluster, not only for the examples."""

import json
import uuid

import covet_hasher
from hypothesis import given, settings
from hypothesis import strategies as st

BIGINTS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = BIGINTS | TEXTS | st.uuids()
WEIGHTS = st.lists(st.integers(0, 20), min_size=1, max_size=40).filter(any)


def named(weights: list[int]) -> list[tuple[str, int]]:
    """Name shards s0, s1 and so on."""
    return [(f"s{number}", weight) for number, weight in enumerate(weights)]


def make(weights: list[int]) -> covet_hasher.Map:
    """Make the first map of shards with these weights."""
    return covet_hasher.Map.initial("c", named(weights))


def read_or_reason(text: str) -> covet_hasher.Map | str:
    """Read a map, or tell why it was refused."""
    try:
        return covet_hasher.Map.from_json(text)
    except covet_hasher.RingError as refused:
        return refused.reason


@given(WEIGHTS, KEYS)
def test_every_key_has_exactly_one_owner(weights: list[int], key: int | str | uuid.UUID) -> None:
    """One shard's ranges hold the key's slot, and lookup names that shard."""
    ring = make(weights)
    slot = covet_hasher.slot(key)
    owners = [shard.name for shard in ring.shards for first, last in ring.ranges(shard.name) if first <= slot <= last]
    assert [ring.lookup(key).name] == owners


@given(WEIGHTS, st.lists(BIGINTS) | st.lists(TEXTS) | st.lists(st.uuids()))
def test_a_batch_answers_as_single_lookups_do(weights: list[int], keys: list[int]) -> None:
    """Which path a key takes makes no difference."""
    ring = make(weights)
    assert [ring.lookup(key).id for key in keys] == ring.lookup_many(keys)


@given(WEIGHTS, WEIGHTS)
def test_a_plan_is_balanced_and_moves_no_slot_without_need(before: list[int], after: list[int]) -> None:
    """Every shard ends within one slot of its share, and only what a shard has too much leaves it."""
    ring, shares = make(before), dict(named(after))
    plan = ring.plan(named(after))
    counts = plan.slot_counts()
    for name, weight in shares.items():
        assert abs(counts[name] - 16384 * weight / sum(after)) < 1
    surplus = sum(max(0, count - counts.get(name, 0)) for name, count in ring.slot_counts().items())
    assert surplus == sum(move.slots for move in ring.diff(plan))


@given(WEIGHTS, st.lists(st.integers(1, 20), min_size=1, max_size=3))
def test_added_shards_take_slots_only_for_themselves(before: list[int], added: list[int]) -> None:
    """Adding capacity never moves rows between the shards that were there."""
    ring = make(before)
    new = {name for name, _ in named(before + added)[len(before) :]}
    assert {move.target for move in ring.diff(ring.plan(named(before + added)))} <= new


@given(st.lists(st.integers(1, 20), min_size=2, max_size=40), st.data())
def test_removed_shards_move_only_their_own_slots(before: list[int], data: st.DataObject) -> None:
    """Taking a shard away never moves rows between the shards that stay."""
    ring, shards = make(before), named(before)
    name, _ = shards.pop(data.draw(st.integers(0, len(before) - 1)))
    moves = ring.diff(ring.plan(shards))
    assert {name} == {move.source for move in moves}
    assert ring.slot_counts()[name] == sum(move.slots for move in moves)


@given(st.lists(WEIGHTS, min_size=2, max_size=5))
def test_a_map_survives_being_written_and_read(changes: list[list[int]]) -> None:
    """However often a cluster was resharded, its map is one text."""
    ring = make(changes[0])
    for weights in changes[1:]:
        ring = ring.plan(named(weights))
    again = covet_hasher.Map.from_json(ring.to_json())
    assert (ring, ring.to_json()) == (again, again.to_json())
    assert len(changes) == again.epoch


@settings(max_examples=300)
@given(WEIGHTS, st.data())
def test_a_corrupt_map_is_refused_or_the_same_map(weights: list[int], data: st.DataObject) -> None:
    """No flipped byte routes a key elsewhere."""
    ring = make(weights)
    text = bytearray(ring.to_json().encode())
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 127))
    assert read_or_reason(text.decode()) in (ring, "Malformed", "BadChecksum", "UnknownFormat")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_json_is_a_map_or_refused(value: object) -> None:
    """Bad input is answered with a reason and never with a crash."""
    for text in (json.dumps(value), json.dumps({"format": 1, "groups": value, "crc32c": value})):
        assert read_or_reason(text) in ("Malformed", "BadChecksum")
