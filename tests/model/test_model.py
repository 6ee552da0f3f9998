"""Every order of events of a small shard, with the decision functions of the core; see docs/failover.md."""

import dataclasses
from collections.abc import Collection

import pytest

from covet.core.agentapi import Rule
from covet.planner import quorum
from covet.planner.election.guards import Guards
from covet.planner.election.timers import Timers
from covet.planner.quorum import Step
from covet.testing.election import checker, leases
from covet.testing.election.untimed.shard import Shard
from covet.testing.election.untimed.state import Bounds

ELECTIONS = Bounds(term=3, crashes=1, writes=1)

EXHAUSTIVE = {
    "elections": ELECTIONS,
    "two crashes, two writes": Bounds(term=2, crashes=2, writes=2),
    "no leave to rewind early": Bounds(term=2, crashes=1, writes=2, permits=False),
    "switchover": Bounds(term=3, crashes=0, writes=1, switchovers=True),
    "a lost volume": Bounds(term=2, crashes=1, losses=1),
    "growth from one to three": Bounds(cohort=1, acks=0, term=2, crashes=1, orders=((3, 1),)),
    "shrinking from three to one": Bounds(term=2, crashes=0, orders=((1, 0),)),
}

EXHAUSTIVE_LONG = {
    "three terms, two crashes": Bounds(term=3, crashes=2, writes=1),
    "three terms, two writes": Bounds(term=3, crashes=1, writes=2),
    "switchover and crash": Bounds(term=3, crashes=1, writes=1, switchovers=True),
    "shrinking with a crash": Bounds(term=2, crashes=1, orders=((1, 0),)),
}

CORE = {
    "durable_promise": ("I1", ELECTIONS),
    "fence_answers": ("I8", ELECTIONS),
    "stop_answers": ("I8", ELECTIONS),
    "handed_term": ("I8", Bounds(term=3, crashes=0, writes=2)),
    "led_mark": ("I1", ELECTIONS),
    "own_term": ("I1", ELECTIONS),
    "row_opens": ("I2", ELECTIONS),
    "lineage": ("I8", ELECTIONS),
    "rewind_late": ("I2", Bounds(term=2, crashes=1, writes=2, permits=False)),
    "rewinding_mark": ("I8", Bounds(term=3, crashes=0, writes=2)),
    "position": ("I2", ELECTIONS),
    "newest_rule": ("I1", Bounds(term=2, crashes=1, orders=((1, 0),))),
    "learner_votes": ("I1", Bounds(term=2, crashes=1, orders=((1, 0),))),
    "change_after_row": ("I4", Bounds(cohort=1, acks=0, term=2, crashes=1, orders=((3, 1),))),
    "change_order": ("I2", Bounds(members=4, cohort=3, term=2, crashes=0, orders=((4, 1),))),
}
"""By switch: the invariant that breaks without it, on the shortest way, and the bounds within which it does."""

EXECUTOR = {
    "timeline_is_term": ("I8", ELECTIONS),
    "position_of_last_byte": ("I2", ELECTIONS),
    "new_volume_is_new_member": ("I8", Bounds(term=2, crashes=1, losses=1)),
}

LEASES = ("lease_wait", "start_grace")


def test_every_safeguard_of_the_core_has_a_test_without_it() -> None:
    """A safeguard whose switch nobody turns off may be one that nothing needs, or that nothing keeps."""
    assert {field.name for field in dataclasses.fields(Guards)} == {*CORE, *LEASES}


@pytest.mark.parametrize("bounds", EXHAUSTIVE.values(), ids=EXHAUSTIVE)
def test_no_acknowledged_commit_is_lost_in_any_order_of_events(bounds: Bounds) -> None:
    """Within the bounds every reachable state was visited, and none breaks I1, I2, I4 or I8."""
    verdict = checker.explore(Shard(bounds), limit=400_000)
    assert "" == verdict.problem, str(verdict)
    assert verdict.exhausted, f"the bounds no longer fit: {verdict}"


@pytest.mark.long
@pytest.mark.parametrize("bounds", EXHAUSTIVE_LONG.values(), ids=EXHAUSTIVE_LONG)
def test_no_acknowledged_commit_is_lost_within_larger_bounds(bounds: Bounds) -> None:
    """The same for larger bounds."""
    verdict = checker.explore(Shard(bounds), limit=2_000_000)
    assert "" == verdict.problem, str(verdict)
    assert verdict.exhausted, f"the bounds no longer fit: {verdict}"


FIVE = Bounds(members=5, cohort=5, acks=2, term=5, crashes=3, writes=3, switchovers=True)
TO_ONE_AND_BACK = Bounds(members=5, cohort=5, acks=2, term=4, crashes=2, writes=2, orders=((1, 0), (5, 2)))


@pytest.mark.parametrize("walks", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_five_members_lose_nothing_on_random_walks(walks: int) -> None:
    """Five members with W=2 have too many states to visit all; random walks break nothing."""
    verdict = checker.wander(Shard(FIVE), seed=4, walks=walks, length=60)
    assert "" == verdict.problem, str(verdict)


def test_five_members_shrink_to_one_and_grow_again_without_a_loss_on_random_walks() -> None:
    """Every step of the way, with crashes and elections between."""
    verdict = checker.wander(Shard(TO_ONE_AND_BACK), seed=4, walks=200, length=80)
    assert "" == verdict.problem, str(verdict)


def test_random_walks_of_five_members_find_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """The walks go far enough: if any member may lead, they lose a commit."""
    shard = Shard(FIVE, dataclasses.replace(Guards(), position=False))
    assert "I2" == _broken("position", checker.wander(shard, seed=4, walks=2000, length=60), capsys)


@pytest.mark.parametrize("safeguard", CORE)
def test_without_a_safeguard_of_the_core_a_violation_is_found(
    safeguard: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each safeguard is there for a reason: without it the search finds a lost commit or a second leader."""
    invariant, bounds = CORE[safeguard]
    shard = Shard(bounds, dataclasses.replace(Guards(), **{safeguard: False}))
    shard.mirror = False
    assert invariant == _broken(safeguard, checker.explore(shard, limit=400_000), capsys)


@pytest.mark.parametrize("safeguard", EXECUTOR)
def test_without_a_safeguard_of_the_executor_a_violation_is_found(
    safeguard: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the executor has to keep is as necessary as what the core keeps."""
    invariant, bounds = EXECUTOR[safeguard]
    shard = Shard(bounds, lapses=frozenset([safeguard]))
    shard.mirror = False
    assert invariant == _broken(safeguard, checker.explore(shard, limit=400_000), capsys)


def test_lowering_w_before_the_followers_leave_loses_a_commit() -> None:
    """On the way to one member, W=0 in a cohort of three lets the leader acknowledge alone while two elect."""

    class HastyShard(Shard):
        @staticmethod
        def plan(rule: Rule, cohort: tuple[str, ...], acks: int, ready: Collection[str] = ()) -> Step | None:
            del ready
            return quorum.next_step(rule, cohort, acks)

    verdict = checker.explore(HastyShard(Bounds(term=2, crashes=1, orders=((1, 0),))), limit=400_000)
    assert verdict.problem.startswith("I2"), str(verdict)


def test_no_reader_sees_the_past_whatever_the_timing() -> None:
    """On a grid of 100 ms and with clocks 10 % apart no new leader opens before the old read lease is over."""
    tried, found = leases.search(Timers())
    assert [] == found
    assert tried > 50_000


@pytest.mark.parametrize("safeguard", LEASES)
def test_without_a_wait_a_reader_sees_the_past(safeguard: str) -> None:
    """A new leader that does not wait, or a recruit that forgot its echoes, lets an old lease overlap."""
    _, found = leases.search(Timers(), dataclasses.replace(Guards(), **{safeguard: False}))
    assert found


def _broken(safeguard: str, verdict: checker.Verdict, capsys: pytest.CaptureFixture[str]) -> str:
    """Show a counterexample and return the invariant that it breaks."""
    with capsys.disabled():
        print(f"\nwithout {safeguard}: {verdict}")  # noqa: T201  the counterexample is meant to be read
    assert verdict.problem, f"without {safeguard} nothing goes wrong within the bounds: {verdict}"
    return verdict.problem.split()[0]
