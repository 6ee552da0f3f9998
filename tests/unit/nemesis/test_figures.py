"""Results become figures as the issue counts them: p99 from 300 runs on, judged at p95 before."""

import json
import pathlib
from typing import Any

from benchmarks.nemesis import clusterfaults, faults, figures


def result(gap: float, **changes: Any) -> dict[str, Any]:
    """Return the result of a run whose server was killed."""
    base: dict[str, Any] = {"fault": "server-killed", "seed": 1, "run": 0, "problems": [], "load": 1.0, "phases": {}}
    return base | {"gap_ms": gap, "writers_ms": gap, "acknowledged": 10, "in_doubt": 1, "lost": []} | changes


def test_a_quantile_is_one_of_the_times() -> None:
    """Nearest rank: 99 of 100 times do not exceed the 99th percentile."""
    times = [float(time) for time in range(100, 0, -1)]
    assert [50.0, 90.0, 99.0, 100.0] == [figures.quantile(times, share) for share in (0.5, 0.9, 0.99, 1.0)]


def test_the_99th_percentile_needs_300_runs() -> None:
    """With fewer it would be the maximum by another name."""
    assert "p99" not in figures.figures([1.0] * 299)
    assert figures.figures([1.0] * 300)["p99"] == 1.0


def test_a_histogram_counts_by_tenths_of_a_second() -> None:
    """Empty tenths are left out."""
    assert {"900": 2, "1100": 1} == figures.histogram([900.0, 999.9, 1100.0])


def test_a_goal_is_judged_at_the_tail() -> None:
    """At p95 below 300 runs, at p99 from there on, and not at all below 20."""
    few = [1000.0] * 96 + [2000.0] * 4
    many = [1000.0] * 288 + [2000.0] * 12
    assert [True, False, None, None] == [
        figures.judge(few, 1.5, figures.PROCESS),
        figures.judge(many, 1.5, figures.PROCESS),
        figures.judge(few[:19], 1.5, figures.PROCESS),
        figures.judge(few, None, figures.PROCESS),
    ]


def test_a_gate_of_the_cluster_tier_is_judged_at_p90() -> None:
    """Twenty runs have no other tail."""
    times = [1000.0] * 18 + [2000.0] * 2
    assert [True, False] == [figures.judge(times, 1.5, tier) for tier in (figures.CLUSTER, figures.PROCESS)]


def test_a_result_cut_off_by_a_kill_is_left_out(tmp_path: pathlib.Path) -> None:
    """The bench goes on with what is whole."""
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(result(5.0)) + "\n" + '{"fault": "server-k')
    assert [result(5.0)] == figures.load(path)
    assert figures.load(tmp_path / "none.jsonl") == []


def test_failed_runs_count_and_losses_are_summed() -> None:
    """A loss is never averaged away."""
    runs = [
        result(100.0, reads=7, stale=[], transactions=5, anomalies=[]),
        result(300.0, problems=["x"], lost=["x"], reads=7, stale=["x"], transactions=4, anomalies=["x"]),
        result(200.0, phases={"detect": 50.0}),
    ]
    summary = figures.summarise(runs, faults.FAULTS, figures.PROCESS)
    told = summary["faults"]["server-killed"]
    assert told["gap_ms"] == {"runs": 3, "median": 200.0, "p90": 300.0, "p95": 300.0, "max": 300.0}
    assert told["phases_ms"] == {"detect": {"median": 50.0, "p90": 50.0}}
    assert [300.0, 200.0, 100.0] == [run["gap_ms"] for run in told["slowest"]]
    assert {
        "runs": 3,
        "failed_runs": 1,
        "acknowledged": 30,
        "in_doubt": 3,
        "lost_runs": 1,
        "second_leader_runs": 0,
        "api_away_runs": 0,
        "operator_away_runs": 0,
        "reading_runs": 2,
        "stale_runs": 1,
        "transactions": 9,
        "transaction_runs": 2,
        "anomalous_runs": 1,
    } == summary["totals"]


def test_the_return_of_the_former_leader_is_judged_like_the_gap() -> None:
    """At p95 of the process tier it misses ten seconds, at p90 of the cluster tier it keeps thirty."""
    runs = [result(100.0, back_ms=back) for back in [9_000.0] * 18 + [11_000.0] * 2]
    told = {
        tier: figures.summarise(runs, kinds, tier)
        for tier, kinds in ((figures.PROCESS, faults.FAULTS), (figures.CLUSTER, clusterfaults.FAULTS))
    }
    assert ["server-killed (former leader back)"] == figures.missed(told[figures.PROCESS])
    assert [] == figures.missed(told[figures.CLUSTER])
    assert [10.0, 30.0] == [summary["faults"]["server-killed"]["back_goal_s"] for summary in told.values()]


def test_the_table_has_a_line_for_each_fault() -> None:
    """Seconds with two digits; what was not measured is left empty."""
    lines = figures.table(figures.summarise([result(1234.0)], faults.FAULTS, figures.PROCESS)).splitlines()
    assert "| server process killed | 1 | 1.23 | 1.23 | 1.23 |  | 1.23 | 1.5 s |  | 1.0 |" == lines[2]


def test_the_service_has_columns_of_its_own_in_the_cluster_tier() -> None:
    """Its pauses, and those from the return of the API server on, are told apart from the DSN's."""
    runs = [result(1000.0, service_ms=2000.0, back_ms=9000), result(3000.0, service_after_api_ms=500.0, api_away=True)]
    summary = figures.summarise(runs, clusterfaults.FAULTS, figures.CLUSTER)
    line = figures.table(summary).splitlines()[2]
    expected = "| server process killed | 2 | 2.00 | 3.00 | 3.00 | 3.00 | 3.0 s | 2.00 | 2.00 | 0.50 | 9.00 | 1.0 |"
    assert (expected, 1) == (line, summary["totals"]["api_away_runs"])
