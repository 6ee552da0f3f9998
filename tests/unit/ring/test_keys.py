"""What is a key in Python and what is refused, each with its reason."""

import decimal
import enum
import fractions
import subprocess
import sys
import threading
import uuid

import covet_hasher
import numpy as np
import pytest

RING = covet_hasher.Map.initial("keys", [("s0", 1), ("s1", 1), ("s2", 2)])
UUID = uuid.UUID("126398b1-12d8-2268-e8d1-30b7c1380dd9")


class Tenant(enum.IntEnum):
    """An int that is not exactly an int."""

    FIRST = 42


class Name(str):
    """A str that is not exactly a str."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("key", "same"),
    [
        (Tenant.FIRST, 42),
        (np.int64(42), 42),
        (np.int16(-3), -3),
        (np.uint64(42), 42),
        (Name("abc"), "abc"),
        (np.str_("abc"), "abc"),
    ],
)
def test_equal_keys_of_other_types_have_one_owner(key: int | str, same: int | str) -> None:
    """The owner of a key depends on its value and not on the class that carries it."""
    assert covet_hasher.position(same) == covet_hasher.position(key)


@pytest.mark.parametrize("key", [2**63 - 1, -(2**63), "", "\0", "straße", "🦀", UUID, uuid.UUID(int=0)])
def test_every_integer_text_and_uuid_has_an_owner(key: int | str | uuid.UUID) -> None:
    """Nothing inside the three types falls off the ring."""
    assert RING.owner(covet_hasher.slot(key)) == RING.lookup(key)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (None, r"NULL \(None\) is not a key: a row without a key has no owner"),
        (True, "a boolean is not a key"),
        (np.bool_(1), "a bool is not a key"),
        (1.0, "a float is not a key: equal numbers may differ in their bits"),
        (float("nan"), "a float is not a key"),
        (np.float64(1), "a float is not a key"),
        (decimal.Decimal(1), "a Decimal is not a key; keys are int, str and uuid.UUID"),
        (fractions.Fraction(1), "a Fraction is not a key"),
        (b"abc", "a bytes is not a key"),
        ((1,), "a tuple is not a key"),
        (2**63, "9223372036854775808 does not fit a bigint"),
        (-(2**63) - 1, "-9223372036854775809 does not fit a bigint"),
        (np.uint64(2**63), "9223372036854775808 does not fit a bigint"),
        ("\ud800", "lone surrogates"),
    ],
)
def test_what_is_no_key_is_refused_in_words(key: object, words: str) -> None:
    """A value that the database would hash differently, or not at all, never gets an owner."""
    for ask in (RING.lookup, covet_hasher.position, covet_hasher.slot):
        with pytest.raises(covet_hasher.RingError, match=words) as refused:
            ask(key)  # type: ignore[arg-type]  # the refusal of wrong types is what is tested
        assert "NotAKey" == refused.value.reason
    with pytest.raises(covet_hasher.RingError) as refused:
        RING.lookup_many([1, key])  # type: ignore[arg-type]  # likewise
    assert "NotAKey" == refused.value.reason


@pytest.mark.parametrize("keys", [["a", 1], [UUID, 1], [1, "a"], [UUID, "a"], ["a", UUID]])
def test_a_list_holds_keys_of_one_type(keys: list[int]) -> None:
    """A mixed list is a mistake of the caller and not hashed half."""
    with pytest.raises(covet_hasher.RingError) as refused:
        RING.lookup_many(keys)
    assert "NotAKey" == refused.value.reason


@pytest.mark.parametrize("hash_name", ["cv1", "crc1", "md1"])
def test_a_hash_refuses_keys_it_is_not_defined_for(hash_name: str) -> None:
    """Only pg1 hashes uuids."""
    with pytest.raises(covet_hasher.RingError, match=f"hash {hash_name} is not defined for uuid keys") as refused:
        covet_hasher.position(UUID, hash_name)
    assert "HashKeyType" == refused.value.reason


def test_an_unknown_hash_is_named_with_the_known_ones() -> None:
    """A map from the future is refused, and the message says what this version knows."""
    with pytest.raises(covet_hasher.RingError, match='unknown hash "pg2"; known are pg1, cv1, crc1, md1'):
        covet_hasher.position(1, "pg2")


def test_a_refusal_is_a_value_error() -> None:
    """Callers that know nothing of the ring still catch it."""
    assert issubclass(covet_hasher.RingError, ValueError)


@pytest.mark.parametrize("step", [1, 2, -1])
def test_arrays_of_any_stride_give_the_owners_of_single_lookups(step: int) -> None:
    """A view of an array is looked up as what it shows."""
    keys = np.arange(-5000, 5000, dtype=np.int64)[::step] * 2**40
    owners = RING.lookup_many(keys)
    assert np.uint16 == owners.dtype
    assert [RING.lookup(int(key)).id for key in keys] == owners.tolist()


@pytest.mark.parametrize(
    "keys",
    [
        np.arange(3, dtype=np.int32),
        np.arange(3, dtype=np.float64),
        np.zeros((2, 2), dtype=np.int64),
        np.zeros(3, dtype=bool),
        (1, 2),
        {1, 2},
        "abc",
        None,
    ],
)
def test_anything_but_a_list_or_an_array_of_int64_is_a_type_error(keys: object) -> None:
    """An array of floats is not rounded, a str is not taken apart."""
    with pytest.raises(TypeError, match=r"list of int, str or uuid\.UUID, or a one-dimensional NumPy array of int64"):
        RING.lookup_many(keys)  # type: ignore[call-overload]  # the refusal of wrong types is what is tested


def test_everything_but_arrays_works_without_numpy() -> None:
    """An image that has no NumPy still looks keys up, and refuses other things in words."""
    program = (
        "import sys, covet_hasher\n"
        "ring = covet_hasher.Map.initial('c', [('s0', 1)])\n"
        "assert [0, 0] == ring.lookup_many([1, 2])\n"
        "try:\n"
        "    ring.lookup_many((1, 2))\n"
        "except TypeError:\n"
        "    sys.exit('numpy' in sys.modules)\n"
        "sys.exit(2)\n"
    )
    assert 0 == subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode


def test_no_keys_have_no_owners() -> None:
    """Empty in, empty out."""
    assert [] == RING.lookup_many([])
    assert 0 == len(RING.lookup_many(np.zeros(0, dtype=np.int64)))


def test_a_batch_leaves_other_threads_running() -> None:
    """The GIL is released while a batch is hashed: another thread counts on meanwhile."""
    keys = np.arange(10_000_000, dtype=np.int64)
    started, done = threading.Event(), threading.Event()
    beats: list[None] = []

    def beat() -> None:
        started.set()
        while not done.is_set():
            beats.append(None)
            done.wait(0.0005)

    thread = threading.Thread(target=beat)
    thread.start()
    assert started.wait(10)
    before = len(beats)
    RING.lookup_many(keys)
    during = len(beats) - before
    done.set()
    thread.join(10)
    assert during >= 2
