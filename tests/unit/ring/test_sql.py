"""The SQL of the ring, as text; tests/e2e/process/test_ring_sql.py asks a server."""

import covet_hasher
import pytest


def test_the_predicate_of_slots_is_one_between_on_the_signed_hash() -> None:
    """Slot 0 begins at the lowest bigint, slot 16383 ends at the highest."""
    assert (
        'hashint8extended("tenant_id", 8816678312871386365) '
        "BETWEEN '-9223372036854775808'::bigint AND '-9222246136947933185'::bigint"
    ) == covet_hasher.sql_predicate("tenant_id", "bigint", 0, 0)
    assert (
        "hashtextextended(\"name\", 8816678312871386365) BETWEEN '0'::bigint AND '9223372036854775807'::bigint"
    ) == covet_hasher.sql_predicate("name", "text", 8192, 16383)


def test_the_predicates_of_neighbouring_slots_meet_without_a_gap() -> None:
    """The end of a slot plus one is the start of the next."""
    bounds = []
    for slot in (0, 1, 8191, 8192, 16383):
        words = covet_hasher.sql_predicate("k", "uuid", slot, slot).split("'")
        bounds.append((int(words[1]), int(words[3])))
    assert bounds[0][1] + 1 == bounds[1][0]
    assert bounds[2][1] + 1 == bounds[3][0] == 0
    assert (-(2**63), 2**63 - 1) == (bounds[0][0], bounds[-1][1])


def test_a_column_name_is_always_quoted() -> None:
    """A name cannot break out of its quotes."""
    assert covet_hasher.sql_expression('a") OR true --', "text").startswith('hashtextextended("a"") OR true --",')


@pytest.mark.parametrize("column", ["", "a\0b", "x" * 64])
def test_a_name_that_is_no_column_is_refused(column: str) -> None:
    """PostgreSQL would cut a longer name and mean another column."""
    with pytest.raises(covet_hasher.RingError) as refused:
        covet_hasher.sql_predicate(column, "bigint", 0, 1)
    assert "BadColumn" == refused.value.reason


def test_a_shards_predicate_joins_its_ranges() -> None:
    """A shard of two ranges has two BETWEENs; one without slots owns no row."""
    ring = covet_hasher.Map.initial("c", [("s0", 1), ("s1", 0)])
    ring = ring.with_moves([covet_hasher.Move("s0", "s1", slot, slot) for slot in (5, 7)])
    joined = " OR ".join(f"({covet_hasher.sql_predicate('k', 'bigint', slot, slot)})" for slot in (5, 7))
    assert joined == ring.sql_predicate("s1", "k", "bigint")
    empty = covet_hasher.Map.initial("c", [("s0", 1), ("s1", 0)])
    assert "false" == empty.sql_predicate("s1", "k", "bigint")


def test_a_hash_without_sql_is_refused() -> None:
    """PostgreSQL has no crc32 of a string."""
    with pytest.raises(covet_hasher.RingError, match="PostgreSQL has no function for hash crc1") as refused:
        covet_hasher.sql_expression("k", "text", "crc1")
    assert "NoSql" == refused.value.reason


@pytest.mark.parametrize(("first", "last"), [(5, 4), (0, 16384), (16384, 16384)])
def test_slots_outside_the_ring_are_refused(first: int, last: int) -> None:
    """A predicate covers slots that exist."""
    with pytest.raises(covet_hasher.RingError) as refused:
        covet_hasher.sql_predicate("k", "bigint", first, last)
    assert "BadRange" == refused.value.reason
