"""The read lease: how long reads of a leader are surely not stale (I12). Times in milliseconds."""

from collections.abc import Mapping

from covet.core.agentapi import Rule
from covet.planner.election.timers import FOREVER, NEVER, Timers


def end(rule: Rule, echoed: Mapping[str, int], timers: Timers) -> int:
    """Return the end of a leader's lease by its own clock.

    Args:
        rule: its cohort and W decide whose echoes count.
        echoed: follower -> when the last heartbeat that it echoed was *sent*, by the leader's clock.
        timers: the durations in force.
    """
    if rule.acks == 0:
        return FOREVER
    sent = sorted((echoed.get(member, NEVER) for member in rule.cohort if member != rule.leader), reverse=True)
    return sent[rule.acks - 1] + timers.read_fence if len(sent) >= rule.acks else NEVER


def wait(age: int | None, echoed_term: int, reaped: int, timers: Timers) -> int:
    """Return for how long one recruit's last echo keeps a new leader closed.

    Args:
        age: how long ago the recruit sent its last echo, None if never since it started.
        echoed_term: the term of that echo.
        reaped: the highest term whose leader had opened, reaped its server and said so.
        timers: the durations in force.
    """
    if age is None or echoed_term <= reaped:
        return 0
    return max(0, timers.open_wait - age)
