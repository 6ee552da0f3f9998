"""A run is drawn from its seed alone, so that it can be done again."""

from benchmarks.nemesis import plan
from benchmarks.nemesis.faults import FAULTS


def test_the_same_seed_gives_the_same_run() -> None:
    """Fault, victim and moments do not depend on what ran before."""
    before = plan.draw("node-gone", 7, 12)
    plan.order(tuple(FAULTS), 3, 8, set())
    assert before == plan.draw("node-gone", 7, 12)


def test_other_seeds_runs_and_faults_give_other_moments() -> None:
    """Each of the three takes part."""
    base = plan.draw("pod-killed", 1, 1).warm
    others = [plan.draw("pod-killed", 1, 2), plan.draw("pod-killed", 2, 1), plan.draw("node-gone", 1, 1)]
    assert base not in {other.warm for other in others}


def test_what_is_done_is_not_done_again() -> None:
    """An interrupted bench goes on where it was, kinds in turn."""
    left = plan.order(("switchover", "pod-killed"), 2, 1, {("switchover", 1, 0), ("pod-killed", 2, 1)})
    assert [("pod-killed", 0), ("switchover", 1), ("pod-killed", 1)] == [(one.fault, one.run) for one in left]


def test_every_fault_with_a_repair_has_a_moment_for_it() -> None:
    """A fault that is undone at once measures nothing; one without a repair needs no moment."""
    repaired = {name for name, fault in FAULTS.items() if fault.repair is not None}
    assert repaired == set(plan.REPAIR)
