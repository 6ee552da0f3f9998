"""Promises only rise (I1), whoever writes them, however many do at once, and whatever the disk does."""

import contextlib
import dataclasses
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet.agent import durable
from covet.agent.volume import Volume
from covet.core.agentapi import Rule
from covet.core.errors import RefusedError
from covet.planner.election.rules import Sworn

A, B = "s0-a-0123456789ab", "s0-b-0123456789ab"


def promise(term: int, rule_term: int, seq: int, leader: str = A) -> Sworn:
    """Return a promise with a rule of two members."""
    return Sworn(term, Rule(rule_term, seq, leader, (A, B), 1))


def led(sworn: Sworn) -> Sworn:
    """Return the same of a member that led term 2."""
    return dataclasses.replace(sworn, led=2)


def order(sworn: Sworn | None) -> tuple[int, int, int]:
    """Return what must never fall."""
    if sworn is None:
        return (0, 0, 0)
    return (sworn.promise, sworn.rule.term if sworn.rule else 0, sworn.rule.seq if sworn.rule else 0)


PROMISES = st.builds(promise, st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.sampled_from([A, B]))


@given(st.lists(PROMISES, min_size=2, max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_writers_at_once_never_lower_a_promise(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[Sworn]
) -> None:
    """Of writers at the same moment each is refused or durable, and what stands at the end contradicts no success."""
    made = Volume(tmp_path_factory.mktemp("volume"))
    kept: list[Sworn] = []
    gate = threading.Barrier(len(wanted))

    def swear(one: Sworn) -> None:
        gate.wait(5.0)
        with contextlib.suppress(RefusedError):
            made.write_promise(one)
            kept.append(one)

    threads = [threading.Thread(target=swear, args=(one,)) for one in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    last = made.read_promise()
    assert kept
    assert last in kept
    for one in kept:
        assert order(one)[0] <= order(last)[0]
        assert order(one)[1:] <= order(last)[1:]
    rules = {one.rule for one in kept if one.rule is not None}
    assert len({(rule.term, rule.seq) for rule in rules}) == len(rules)
    assert [] == sorted(made.agent.glob(".*.new"))


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (led(promise(2, 2, 9)), "PromiseOlder"),
        (led(promise(3, 3, 1)), "RuleOlder"),
        (led(promise(4, 2, 7)), "RuleOlder"),
        (led(Sworn(3)), "RuleOlder"),
        (led(promise(3, 3, 2, B)), "RuleContradicted"),
        (promise(3, 3, 2), "LedOlder"),
    ],
)
def test_a_lower_or_contradicting_promise_is_refused(tmp_path: Path, wanted: Sworn, reason: str) -> None:
    """Lower in term or rule, or another rule of the same number: refused, and the file stays as it was."""
    made = Volume(tmp_path)
    made.write_promise(led(promise(3, 3, 2)))
    with pytest.raises(RefusedError) as refused:
        made.write_promise(wanted)
    assert reason == refused.value.reason
    assert led(promise(3, 3, 2)) == made.read_promise()


def test_a_rewind_may_begin_and_end(tmp_path: Path) -> None:
    """The mark of a rewind comes and goes while promise and rule stand."""
    made, sworn = Volume(tmp_path), promise(3, 3, 2)
    for wanted in (sworn, dataclasses.replace(sworn, rewinding=True), sworn):
        made.write_promise(wanted)
        assert wanted == made.read_promise()


def test_two_writers_of_one_file_never_mix(tmp_path: Path) -> None:
    """Whatever many writers of one file do at once, one writer's whole content stands there."""
    target = tmp_path / "spec.json"
    contents = [bytes([65 + number]) * (4096 * (number + 1)) for number in range(6)]

    def write(content: bytes) -> None:
        for _ in range(20):
            durable.write(target, content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if target.exists():
            assert target.read_bytes() in contents
    assert target.read_bytes() in contents
    assert [target] == list(tmp_path.iterdir())
