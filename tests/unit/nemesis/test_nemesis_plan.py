"""A run is drawn from its seed alone, so that it can be done again."""

from benchmarks.nemesis import clusterfaults, plan
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


def test_of_eight_runs_on_a_cluster_half_lack_the_api_server_and_a_quarter_the_operator() -> None:
    """Whatever the seed; a switchover needs both, and the rest of a run is that of the process tier."""
    for seed in range(5):
        runs = [plan.draw_in_cluster("pod-killed", seed, run) for run in range(8, 16)]
        assert (4, 2) == (sum(one.api_away for one in runs), sum(one.operator_away for one in runs))
    assert plan.draw("switchover", 1, 3) == plan.draw_in_cluster("switchover", 1, 3)
    assert plan.draw("pod-killed", 1, 3).warm == plan.draw_in_cluster("pod-killed", 1, 3).warm


def test_every_fault_with_a_repair_has_a_moment_for_it() -> None:
    """A fault that is undone at once measures nothing; one without a repair needs no moment."""
    repaired = {name for name, fault in FAULTS.items() if fault.repair is not None}
    repaired |= {name for name, fault in clusterfaults.FAULTS.items() if fault.repair is not None}
    assert set(plan.REPAIR) == repaired
