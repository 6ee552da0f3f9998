"""A shard's birth in every order of events, with the operator's planner and the agent's refusals."""

import dataclasses

import pytest

from covet.testing.birth.shard import Birth
from covet.testing.birth.state import Bounds
from covet.testing.election import checker

LOST = Bounds(operators=2, crashes=1, losses=1)
STALE = Bounds(operators=2, crashes=2, losses=1)
FORGOTTEN = Bounds(operators=1, crashes=1, losses=1, records=1)
FOREIGN = Bounds(foreign=0)
TWINS = Bounds(operators=1, twins=1, losses=0, crashes=2)
OPEN = Bounds(open=True, crashes=2, losses=2, cuts=1)

EXHAUSTIVE = {
    "a lost volume, two operators": LOST,
    "a lost volume, peers out of reach": Bounds(operators=1, crashes=2, losses=1, cuts=1),
    "two lost volumes": Bounds(operators=1, crashes=2, losses=2, made=3),
    "three instances": Bounds(instances=3, operators=1),
    "a lost record": FORGOTTEN,
    "the first volume is somebody else's": FOREIGN,
    "the second volume is somebody else's": Bounds(foreign=1, crashes=2),
    "two agents want one volume": TWINS,
    "an open shard": OPEN,
    "an open shard of three": dataclasses.replace(OPEN, instances=3, crashes=3),
}

EXHAUSTIVE_LONG = {
    "two operators, two crashes": STALE,
    "two operators, two agents of one volume": dataclasses.replace(TWINS, operators=2, losses=1),
    "two operators, three instances": Bounds(instances=3),
}

LAPSES = {
    "record_read_again": STALE,
    "record_compared": LOST,
    "foreign_refused": FOREIGN,
    "born_refused": LOST,
    "peers_asked": FORGOTTEN,
    "volume_held": TWINS,
}
"""By safeguard: the bounds within which something breaks without it."""


@pytest.mark.parametrize("bounds", EXHAUSTIVE.values(), ids=EXHAUSTIVE)
def test_i13_a_shard_is_initialised_once_in_any_order_of_events(bounds: Bounds) -> None:
    """No initdb beside data of the shard or after clients were in, no second system copied, nothing finished wiped."""
    verdict = checker.explore(Birth(bounds), limit=100_000)
    assert "" == verdict.problem, str(verdict)
    assert verdict.exhausted, f"the bounds no longer fit: {verdict}"


@pytest.mark.long
@pytest.mark.parametrize("bounds", EXHAUSTIVE_LONG.values(), ids=EXHAUSTIVE_LONG)
def test_i13_a_shard_is_initialised_once_within_larger_bounds(bounds: Bounds) -> None:
    """The same for larger bounds."""
    verdict = checker.explore(Birth(bounds), limit=2_000_000)
    assert "" == verdict.problem, str(verdict)
    assert verdict.exhausted, f"the bounds no longer fit: {verdict}"


@pytest.mark.parametrize("safeguard", LAPSES)
def test_i13_without_a_safeguard_a_second_birth_is_found(safeguard: str) -> None:
    """Each safeguard is there for a reason."""
    _find(Birth(LAPSES[safeguard], frozenset([safeguard])))


def test_i13_an_open_shard_refuses_even_an_order_that_outlived_its_receiver() -> None:
    """Clients have used it: neither a new volume nor silent peers change that, unless nobody told the agent."""
    late = frozenset(["orders_die"])
    verdict = checker.explore(Birth(OPEN, late), limit=100_000)
    assert ("", True) == (verdict.problem, verdict.exhausted), str(verdict)
    _find(Birth(OPEN, late | {"opened_refused"}))


def test_i13_before_it_is_open_a_shard_relies_on_orders_that_end_with_their_receiver() -> None:
    """What the model takes for granted: an order travels on a connection, which a new process does not inherit."""
    _find(Birth(STALE, frozenset(["orders_die"])))


def test_i13_the_record_is_not_to_be_lost_with_the_first_volume_while_the_others_are_down() -> None:
    """The bounds of what can be promised: three losses at once, against which nothing here stands."""
    _find(Birth(dataclasses.replace(FORGOTTEN, crashes=2)))


def _find(birth: Birth) -> None:
    verdict = checker.explore(birth, limit=100_000)
    assert verdict.problem.startswith("I13 "), f"nothing goes wrong within the bounds: {verdict}"
