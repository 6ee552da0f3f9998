"""The core in virtual time: seeded schedules of faults; see docs/failover.md. A failing seed prints its schedule."""

import dataclasses
import multiprocessing
import os

import pytest

from covet.planner.election.guards import Guards
from covet.testing.election import schedule
from covet.testing.election.schedule import Outcome, Plan

CI_SCHEDULES = 20_000
LONG_SCHEDULES = 100_000
PORTION = 250

SWITCHES = {"durable_promise": "I1", "fence_answers": "I8", "row_opens": "I4", "lineage": "I8", "position": "I2"}
"""The invariant that breaks first without a safeguard; seeds are tried in order."""


def run_portion(first: int) -> list[Outcome]:
    """Run some schedules and return those that broke something."""
    outcomes = (schedule.run(Plan(seed)) for seed in range(first, first + PORTION))
    return [outcome for outcome in outcomes if outcome.problem]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("first", "count"), [(0, CI_SCHEDULES), pytest.param(10**6, LONG_SCHEDULES, marks=pytest.mark.long)]
)
def test_no_schedule_of_faults_loses_a_commit_or_makes_two_leaders(first: int, count: int) -> None:
    """Nothing acknowledged is lost, no read is stale, and every shard takes writes again."""
    cores = len(os.sched_getaffinity(0))
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        broken = [o for some in pool.imap_unordered(run_portion, range(first, first + count, PORTION)) for o in some]
    assert [] == [describe(outcome.seed) for outcome in broken[:3]]


@pytest.mark.parametrize("kinds", [("stray_promise", "shrink"), ("shrink", "node_gone", "pod_killed")])
def test_a_follower_that_is_lost_amid_a_change_of_the_cohort_holds_up_nobody(kinds: tuple[str, ...]) -> None:
    """Dead, or promised to a candidate that came to nothing: the shard of five takes writes again all the same."""
    plans = (Plan(seed, kinds=kinds, count=3, size=5) for seed in range(200))
    assert [] == [(outcome.seed, outcome.problem) for outcome in map(schedule.run, plans) if outcome.problem]


def test_a_seed_gives_the_same_schedule_always() -> None:
    """A failing seed can be run again and again."""
    runs = [schedule.run(Plan(7), trace=True) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0].lines


@pytest.mark.parametrize("safeguard", SWITCHES)
def test_without_a_safeguard_the_simulation_finds_a_violation(safeguard: str) -> None:
    """The simulation would notice a core that forgot a safeguard."""
    guards = dataclasses.replace(Guards(), **{safeguard: False})
    found = (schedule.run(Plan(seed, guards=guards)) for seed in range(3000))
    problem = next((outcome.problem for outcome in found if outcome.problem), "")
    assert problem, f"{safeguard} was not missed"
    assert SWITCHES[safeguard] == problem.split()[0], problem


@pytest.mark.parametrize(
    ("kind", "bound_ms"), [("server_killed", 1500), ("pod_killed", 1700), ("frozen", 3000), ("switchover", 1000)]
)
def test_a_shard_is_writable_again_within_its_budget(kind: str, bound_ms: int) -> None:
    """With the simulated durations of a server's steps, 95 of 100 failovers stay within the budget."""
    plans = (Plan(seed, kinds=(kind,), count=1, size=3, on_leader=True) for seed in range(100))
    outcomes = [schedule.run(plan) for plan in plans]
    assert [] == [(outcome.seed, outcome.problem) for outcome in outcomes if outcome.problem]
    times = sorted(outcome.writable_ms for outcome in outcomes if outcome.writable_ms is not None)
    assert 100 == len(times), "a shard took no write after its fault"
    assert times[94] <= bound_ms


def describe(seed: int) -> str:
    """Return what happened in a schedule, for the report of a failing test."""
    outcome = schedule.run(Plan(seed), trace=True)
    return "\n".join([f"seed {seed}: {outcome.problem}", *outcome.lines])
