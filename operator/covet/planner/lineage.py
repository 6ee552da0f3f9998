"""Whether a log may go on from another one: judged by timelines and ends, without any I/O (I8).

A log is one line of timelines, each ending where the next one forks off. A member lies on a
leader's line if the end of its own log does; then everything before that end does too.
"""

from collections.abc import Sequence

from covet.core.agentapi import Ancestor, Position

Fault = tuple[str, str]
"""A CamelCase reason and a sentence for a person."""


def fault_of_position(own: Position, leader: str, end: Position, history: Sequence[Ancestor]) -> Fault | None:
    """Return why a member must not follow a leader, None if it may.

    Args:
        own: the term of the member's last byte and the end of its log, what is not replayed yet included. Nothing
            is received any more.
        leader: name of the leader.
        end: timeline and flushed end of the leader, asked for at any time: it never goes back.
        history: the timelines before the leader's.
    """
    if own.term == end.term:
        if own.lsn <= end.lsn:
            return None
        return "LeaderBehind", f"{leader} has flushed its log up to {end.lsn}, this member up to {own.lsn}."
    switch = _end_of(own.term, history)
    if switch is None:
        return "TermForeign", f"The log here ends on timeline {own.term}, which {leader} never was on."
    if own.lsn <= switch:
        return None
    return (
        "PastFork",
        f"{leader} left timeline {own.term} at {switch}; the log here goes on to {own.lsn}.",
    )


def common_end(own: Position, ancestors: Sequence[Ancestor], end: Position, history: Sequence[Ancestor]) -> int:
    """Return up to where two logs are the same, in bytes; 0 if they never were.

    Args:
        own: end of the one log.
        ancestors: the timelines before it.
        end: end of the other log.
        history: the timelines before that.
    """
    mine = [*ancestors, Ancestor(own.term, own.lsn)]
    theirs = {ancestor.timeline: ancestor.lsn for ancestor in (*history, Ancestor(end.term, end.lsn))}
    for ancestor in reversed(mine):
        if ancestor.timeline in theirs:
            return min(ancestor.lsn, theirs[ancestor.timeline])
    return 0


def _end_of(timeline: int, history: Sequence[Ancestor]) -> int | None:
    """Return where a timeline of a history ends, None if it is not in it."""
    return next((ancestor.lsn for ancestor in history if ancestor.timeline == timeline), None)
