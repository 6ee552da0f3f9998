"""The golden vectors through the Python binding: a changed hash would move every row of every cluster."""

import hashlib
import json
import pathlib
import uuid

import covet_hasher
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
FILE = ROOT / "rust-hasher" / "vectors" / "ring-vectors.json"
VECTORS = json.loads(FILE.read_text())
FROZEN = "0c686ccb5c2d0a04b5ed6e0a41d415c6580f98e8ed93f23279c950e5cd7b92e3"
"""SHA-256 of the file that the tests in Python and in Rust read."""
READ = {"bigint": int, "text": str, "uuid": uuid.UUID}
CASES = [
    pytest.param(name, key_type, VECTORS[name][key_type], id=f"{name}-{key_type}")
    for name in ("pg1", "cv1", "crc1", "md1")
    for key_type in VECTORS[name]
]


def test_the_vectors_never_change() -> None:
    """A hash that moved cannot be hidden by vectors that moved with it."""
    assert FROZEN == hashlib.sha256(FILE.read_bytes()).hexdigest()
    assert f'"../../{FILE.relative_to(FILE.parents[1])}"' in (ROOT / "rust-hasher/ring/tests/vectors.rs").read_text()


@pytest.mark.parametrize(("name", "key_type", "cases"), CASES)
def test_every_vector_has_its_position_and_slot(name: str, key_type: str, cases: list[dict[str, object]]) -> None:
    """A key lies where it lay in every version before."""
    keys = [READ[key_type](str(case["key"])) for case in cases]
    expected = [(case["position"], case["slot"]) for case in cases]
    assert expected == [(covet_hasher.position(key, name), covet_hasher.slot(key, name)) for key in keys]


def test_there_is_a_vector_for_every_hash_and_type_it_takes() -> None:
    """345 vectors are checked; a file that lost some would not pass unnoticed."""
    counts = {(name, key_type): len(VECTORS[name][key_type]) for name, key_type, _ in (case.values for case in CASES)}
    assert {
        ("pg1", "bigint"): 60,
        ("pg1", "text"): 64,
        ("pg1", "uuid"): 33,
        ("cv1", "bigint"): 60,
        ("crc1", "text"): 64,
        ("md1", "text"): 64,
    } == counts


def test_the_seed_and_the_number_of_slots_are_those_of_the_vectors() -> None:
    """The constants that SQL is written with belong to the same format."""
    assert (VECTORS["pg1_seed"], 16384) == (covet_hasher.PG1_SEED, covet_hasher.SLOTS)


def test_every_way_to_look_up_agrees_with_the_vectors() -> None:
    """One shard per slot makes every owner visible: lookup, lists and arrays give the vector's slot."""
    ring = covet_hasher.Map.initial("vectors", [(f"s{number}", 1) for number in range(covet_hasher.SLOTS)])
    for key_type, cases in VECTORS["pg1"].items():
        keys = [READ[key_type](case["key"]) for case in cases]
        expected = [case["slot"] for case in cases]
        assert expected == [ring.lookup(key).id for key in keys]
        assert expected == ring.lookup_many(keys)
