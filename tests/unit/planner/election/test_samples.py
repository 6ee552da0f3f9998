"""A sample of what `tests/model` runs in full: small bounds, few seeds, every kind of fault once."""

from covet.testing.election import checker, schedule
from covet.testing.election.schedule import Plan
from covet.testing.election.untimed.shard import Shard
from covet.testing.election.untimed.state import Bounds

SEEDS = 60


def test_a_lost_volume_loses_no_acknowledged_commit() -> None:
    """Every reachable state within the bounds was visited, and no invariant broke."""
    verdict = checker.explore(Shard(Bounds(term=2, crashes=1, losses=1)), limit=20_000)
    assert "" == verdict.problem, str(verdict)
    assert verdict.exhausted, str(verdict)


def test_a_small_shard_grows_without_losing_a_commit() -> None:
    """Growth from one to three members, every order of events within the bounds."""
    verdict = checker.explore(Shard(Bounds(cohort=1, acks=0, term=1, crashes=0, orders=((3, 1),))), limit=20_000)
    assert "" == verdict.problem, str(verdict)
    assert verdict.exhausted, str(verdict)


def test_sixty_schedules_of_faults_break_nothing() -> None:
    """Nothing acknowledged is lost and every shard takes writes again."""
    outcomes = [schedule.run(Plan(seed)) for seed in range(SEEDS)]
    assert [] == [(outcome.seed, outcome.problem) for outcome in outcomes if outcome.problem]
