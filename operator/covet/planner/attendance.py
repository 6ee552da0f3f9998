"""Who of a cohort is there for an election, as one member sees it. Pure.

A line to an instance is no vote: one whose volume was lost has its lines, and holds no member or a new one. Who votes
answers the question before an election at once, so a member that asked for a while and heard nothing from another
knows that this vote is gone, or not there yet.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Final

from covet.core.agentapi import Rule
from covet.planner import quorum

QUIET_SECONDS: Final = 5.0
"""How long a question goes round, four times a second, before a line on which nobody answers is no vote."""


@dataclasses.dataclass(frozen=True)
class Line:
    """What a member knows of another instance.

    Args:
        linked: a line to it is open.
        member: who spoke there last, None if nobody ever did.
        age: seconds since then, None likewise.
    """

    linked: bool
    member: str | None = None
    age: float | None = None


@dataclasses.dataclass(frozen=True)
class Search:
    """A member's search for a leader.

    Args:
        me: its own name.
        rule: the newest one it knows.
        seconds: for how long it has asked for an election without a leader; 0 while it does not ask.
        follows: it believes in a leader until it has asked for long.
    """

    me: str
    rule: Rule
    seconds: float
    follows: bool


def missing(search: Search, lines: Mapping[str, Line], instance_of: Callable[[str], str]) -> str:
    """Return how many have to promise for a leader and who of them is not there; empty once enough are.

    Args:
        search: of the member that looks.
        lines: by instance; one that is not named has no line.
        instance_of: turns a member into its instance.
    """
    long = search.seconds >= QUIET_SECONDS
    if search.follows and not long:
        return ""
    silent: list[str] = []
    mute: list[str] = []
    for member in search.rule.cohort:
        instance = instance_of(member)
        line = lines.get(instance, Line(linked=False))
        if member == search.me:
            continue
        if not line.linked and instance != instance_of(search.me):
            silent.append(instance)
        elif long and not _speaks(line, member):
            mute.append(instance)
    size = len(search.rule.cohort)
    needed, here = quorum.recruit_size(size, search.rule.acks), size - len(silent) - len(mute)
    return "" if here >= needed else _sentence(needed, size, silent, mute)


def _speaks(line: Line, member: str) -> bool:
    return line.member == member and line.age is not None and line.age < QUIET_SECONDS


def _sentence(needed: int, size: int, silent: list[str], mute: list[str]) -> str:
    here = size - len(silent) - len(mute)
    why = []
    if silent:
        why.append(f"no line to {', '.join(silent)}")
    if mute:
        why.append(f"no vote from {', '.join(mute)}, though connected (frozen, or the volume is new or cannot be used)")
    return (
        f"{needed} of {size} members elect a leader and {here} can be reached: {'; '.join(why)}."
        " Bring one back; a promotion without it loses what only it holds."
    )
