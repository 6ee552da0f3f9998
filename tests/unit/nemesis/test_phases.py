"""The phases of a failover are read from the agents' logs."""

import json

from benchmarks.nemesis import phases


def line(second: float, instance: str, text: str) -> str:
    """Return a line as an agent logs it, so many seconds after midnight."""
    return json.dumps({"ts": f"2026-01-01T00:00:{second:06.3f}Z", "instance": instance, "msg": text})


LINES = [
    "Traceback (most recent call last):",
    line(9.0, "shop-s0-b", "Leader, term 3."),
    line(10.3, "shop-s0-c", "Candidate, term 4."),
    line(10.35, "shop-s0-b", "Promoting, term 4."),
    line(10.6, "shop-s0-b", "Promoted to timeline 4 after Position(term=3, lsn=1)."),
    line(10.7, "shop-s0-c", "Open to clients."),
    line(10.9, "shop-s0-b", "Leader, term 4."),
    line(10.95, "shop-s0-b", "Open to clients."),
]


def test_each_step_of_a_failover_is_timed() -> None:
    """Also where the candidate handed over, and where a follower opened amid it."""
    lines = phases.read(LINES)
    at = lines[0].at + 1.0
    expected = {"detect": 300, "fence": 50, "promote": 250, "confirm": 300, "open": 50, "reconnect": 50}
    assert expected == {step: round(time) for step, time in phases.measure(lines, 4, at, at + 1.0).items()}


def test_a_client_that_is_in_before_the_agent_says_so_takes_no_negative_time() -> None:
    """The door is open when the first client is in, at the latest."""
    lines = phases.read(LINES)
    at = lines[0].at + 1.0
    steps = phases.measure(lines, 4, at, at + 0.92)
    assert {"open": 20, "reconnect": 0} == {step: round(steps[step]) for step in ("open", "reconnect")}


def test_what_no_log_tells_is_left_out() -> None:
    """A term that nobody led has no steps between fault and first write."""
    lines = phases.read(LINES, since=0.0)
    assert {} == phases.measure(lines, 9, lines[0].at, lines[0].at + 1.0)


def test_lines_before_a_moment_are_left_out() -> None:
    """A log of many failovers is read from the fault on."""
    everything = phases.read(LINES)
    assert everything[2:] == phases.read(LINES, since=everything[2].at)
