"""The judge of lists sees what is wrong with a history, and nothing in one that is right."""

import dataclasses
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.nemesis import cycles, lists
from benchmarks.nemesis.lists import Ends, Fate, Step, Transaction

SEEDS = st.integers(0, 2**32)
MOMENT = 10
"""Nanoseconds between two commits of a made history."""

History = tuple[list[Transaction], dict[int, tuple[int, ...]]]


Mutation = Callable[[History, random.Random], History]


def make(seed: int, count: int = 20) -> History:
    """Return a history as it would be if transactions took place one after the other, some with ends unknown."""
    chance = random.Random(seed)
    ends: dict[int, tuple[int, ...]] = {}
    found = []
    for number in range(1, count + 1):
        fate = chance.choice([Fate.COMMITTED] * 8 + [Fate.ABORTED, Fate.UNKNOWN])
        before = dict(ends)
        keys = sorted(chance.choices(range(3), k=chance.randint(1, 3)))
        values = [number * 10 + place if place == 0 or chance.random() < 0.7 else None for place in range(len(keys))]
        steps = tuple(add(ends, key, value) for key, value in zip(keys, values, strict=True))
        if fate is Fate.ABORTED or (fate is Fate.UNKNOWN and chance.random() < 0.5):
            ends = before
        sent, at = number * MOMENT - chance.randrange(3 * MOMENT), number * MOMENT + chance.randrange(1, 3 * MOMENT)
        found.append(Transaction(fate, number % 2, "a", sent, at, "dsn", steps))
    return found, ends


def add(ends: dict[int, tuple[int, ...]], key: int, value: int | None) -> Step:
    """Append to a list, or read it."""
    ends[key] = (*ends.get(key, ()), *([] if value is None else [value]))
    return Step(key, value, ends[key])


def transaction(
    number: int, *steps: tuple[int, int | None, tuple[int, ...]], fate: Fate = Fate.COMMITTED
) -> Transaction:
    """Return a transaction beside which all others of the same kind ran."""
    return Transaction(fate, number, "a", 0, 10**9, "dsn", tuple(Step(*step) for step in steps))


def judge(history: History) -> str:
    """Return all that is found."""
    found, ends = history
    return "; ".join([*lists.judge_values(found, ends), *cycles.judge(found, ends)])


@given(SEEDS)
@settings(max_examples=60)
def test_a_serial_history_is_right(seed: int) -> None:
    """Whatever the clients know of the ends, and however their transactions overlapped."""
    assert "" == judge(make(seed))


# ---------------------------------------------------------------- histories that were right


def without(history: History, gone: int) -> History:
    """Return the history as if a number had never been appended, though its transaction says so."""
    found, ends = history

    def less(items: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(item for item in items if item != gone)

    seen = [
        dataclasses.replace(
            one,
            steps=tuple(
                step if step.value == gone or step.seen is None else dataclasses.replace(step, seen=less(step.seen))
                for step in one.steps
            ),
        )
        for one in found
    ]
    return seen, {key: less(items) for key, items in ends.items()}


def committed(found: list[Transaction], chance: random.Random) -> int:
    """Return the place of a committed transaction."""
    return chance.choice([place for place, one in enumerate(found) if one.fate is Fate.COMMITTED])


def lose(history: History, chance: random.Random) -> History:
    """Take an acknowledged append away."""
    found, _ = history
    _, value = chance.choice(found[committed(found, chance)].appends)
    return without(history, value)


def tear(history: History, chance: random.Random) -> History:
    """Keep one of two appends of a transaction in doubt."""
    found, ends = history
    steps = add(ends, 0, 901), add(ends, 1, 902)
    torn = Transaction(Fate.UNKNOWN, 0, "a", 0, 10**9, "dsn", steps)
    return without(([*found, torn], ends), chance.choice([901, 902]))


def double(history: History, chance: random.Random) -> History:
    """Append a number again, as a client would that repeats what it has no answer to."""
    found, ends = history
    key = chance.choice([key for key, items in ends.items() if items])
    return found, ends | {key: (*ends[key], ends[key][-1])}


def invent(history: History, chance: random.Random) -> History:
    """Put a number into a list that nobody appended."""
    found, ends = history
    key = chance.choice(list(ends))
    return found, ends | {key: (*ends[key], 999)}


def abort(history: History, chance: random.Random) -> History:
    """Roll a transaction back of which something stays."""
    found, ends = history
    place = committed(found, chance)
    found[place] = dataclasses.replace(found[place], fate=Fate.ABORTED)
    return found, ends


def fork(history: History, chance: random.Random) -> History:
    """Let one transaction see two items the other way round."""
    found, ends = history
    first, second = sorted(chance.sample(range(903, 910), 2))
    steps = [add(ends, 7, first), add(ends, 7, second)]
    other = transaction(2, (7, second, (first, second)))
    wrong = transaction(3, (7, None, (second, first)), (8, 911, (911,)))
    return [*found, transaction(1, (7, first, steps[0].seen or ())), other, wrong], ends | {8: (911,)}


def forget(history: History, _: random.Random) -> History:
    """Let a transaction miss what was acknowledged before it was sent."""
    found, ends = history
    first, second = add(ends, 0, 903), add(ends, 1, 904)
    late = max(one.at for one in found) + 1
    steps = (dataclasses.replace(first, value=None, seen=(first.seen or ())[:-1]), second)
    return [
        *found,
        Transaction(Fate.COMMITTED, 0, "a", late, late + 1, "dsn", (first,)),
        Transaction(Fate.COMMITTED, 1, "b", late + 2, late + 3, "dsn", steps),
    ], ends


def interleave(history: History, _: random.Random) -> History:
    """Let each of two transactions append first to one list and second to the other."""
    found, ends = history
    one = transaction(1, (7, 901, (901,)), (8, 902, (904, 902)))
    other = transaction(2, (7, 903, (901, 903)), (8, 904, (904,)))
    return [*found, one, other], ends | {7: (901, 903), 8: (904, 902)}


def peep(history: History, _: random.Random) -> History:
    """Let each of two transactions see what the other appended."""
    found, ends = history
    one = transaction(1, (7, 901, (901,)), (8, None, (902,)))
    other = transaction(2, (7, None, (901,)), (8, 902, (902,)))
    return [*found, one, other], ends | {7: (901,), 8: (902,)}


def skew_read(history: History, _: random.Random) -> History:
    """Let a transaction see one append of another and not the other."""
    found, ends = history
    one = transaction(1, (7, None, ()), (8, 901, (903, 901)))
    other = transaction(2, (7, 902, (902,)), (8, 903, (903,)))
    return [*found, one, other], ends | {7: (902,), 8: (903, 901)}


def skew_write(history: History, _: random.Random) -> History:
    """Let each of two transactions miss what the other appended."""
    found, ends = history
    one = transaction(1, (7, None, ()), (8, 901, (901,)))
    other = transaction(2, (7, 902, (902,)), (8, None, ()))
    return [*found, one, other], ends | {7: (902,), 8: (901,)}


def interrupt(history: History, _: random.Random) -> History:
    """Let a transaction see the first of two appends of another to one list."""
    found, ends = history
    one = transaction(1, (7, 901, (901,)), (7, 902, (901, 902)))
    other = transaction(2, (7, None, (901,)), (8, 903, (903,)))
    return [*found, one, other], ends | {7: (901, 902), 8: (903,)}


def overlook(history: History, _: random.Random) -> History:
    """Let a transaction read a list as it was before its own append."""
    found, ends = history
    one = transaction(1, (7, 901, (901,)), (7, None, ()))
    return [*found, one], ends | {7: (901,)}


MUTATIONS: dict[Mutation, str] = {
    lose: "lost updates",
    tear: "lost updates",
    double: "more than once in a list",
    invent: "nobody appended",
    abort: "(G1a)",
    fork: "a fork",
    forget: "missed what was acknowledged",
    interrupt: "(G1b)",
    overlook: "did not see their own",
    interleave: "G0: ",
    peep: "G1c: ",
    skew_read: "G-single: ",
    skew_write: "G2: ",
}


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
@given(seed=SEEDS)
@settings(max_examples=25)
def test_what_is_wrong_is_found(mutate: Mutation, seed: int) -> None:
    """Each anomaly is seen in any history, and said by its name."""
    assert MUTATIONS[mutate] in judge(mutate(make(seed), random.Random(seed)))


def test_a_way_round_is_told_step_by_step() -> None:
    """Whoever reads it finds the transactions in the log by their numbers."""
    expected = (
        "G1c: the transaction of 902 before the transaction of 901 (wr, list 8), "
        "the transaction of 901 before the transaction of 902 (wr, list 7)"
    )
    assert expected == judge(peep(([], {}), random.Random(1)))


def test_members_have_to_end_alike() -> None:
    """A replica that has all numbers, in another order, is on another line."""
    same: Ends = {1: (10, 11), 2: (12,)}
    assert [] == lists.judge_ends({"a": same, "b": dict(same), "c": dict(same)})
    found = lists.judge_ends({"a": same, "b": same, "c": {1: (11, 10), 2: (12,)}})
    assert ["1 lists differ between b and c, the first is 1"] == found


def test_what_a_rolled_back_transaction_saw_is_no_evidence() -> None:
    """It may have read what a fenced leader was about to lose; nobody was told that it was so."""
    seen = transaction(1, (7, 901, (900, 901)), fate=Fate.ABORTED)
    assert "" == judge(([seen], {}))


def test_the_log_of_a_transaction_is_read_as_it_was_written() -> None:
    """A step that was never answered has no items."""
    told = ["aborted", 1, "a", 5, 9, "rw", [[3, 30, [29, 30]], [4, None, None]]]
    steps = Step(3, 30, (29, 30)), Step(4, None, None)
    assert Transaction(Fate.ABORTED, 1, "a", 5, 9, "rw", steps) == lists.read(told)
    assert [3, 4] == lists.keys([lists.read(told)])
