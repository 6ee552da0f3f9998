"""What rules say: who counts, how many are enough, which of several is the newest (I5)."""

import dataclasses
from collections.abc import Collection, Iterable

from covet.core.agentapi import Rule
from covet.planner import quorum


@dataclasses.dataclass(frozen=True, slots=True)
class Sworn:
    """What promise.json holds.

    Args:
        promise: the highest term promised; nothing of a lower term is acknowledged again.
        rule: the newest rule confirmed here, None before the member was first admitted.
        led: the highest term that this member set out to lead; no term is led twice.
        rewinding: a rewind was begun and not finished: the log may have a hole, no vote counts.
    """

    promise: int
    rule: Rule | None = None
    led: int = 0
    rewinding: bool = False


def age(rule: Rule) -> tuple[int, int]:
    """Return what rules are ordered by."""
    return rule.term, rule.seq


def newest(candidates: Iterable[Rule | None]) -> Rule | None:
    """Return the newest of several rules, None if there is none."""
    known = [rule for rule in candidates if rule is not None]
    return max(known, key=age) if known else None


def needed(rule: Rule) -> int:
    """Return how many promises elect a leader under a rule."""
    return quorum.recruit_size(len(rule.cohort), rule.acks)


def elects(rule: Rule, promised: Collection[str]) -> bool:
    """Tell whether these members are a recruit set of a rule; strangers do not count."""
    return sum(member in promised for member in rule.cohort) >= needed(rule)


def acknowledges(rule: Rule, flushed: Collection[str]) -> bool:
    """Tell whether these followers satisfy the rule's W; the leader and strangers do not count."""
    return sum(member in flushed and member != rule.leader for member in rule.cohort) >= rule.acks


def outvoted(rule: Rule, promised: Collection[str]) -> bool:
    """Tell whether so many members promised a higher term that W followers can never be had again."""
    loyal = [member for member in rule.cohort if member != rule.leader and member not in promised]
    return len(loyal) < rule.acks


def first(term: int, leader: str, base: Rule) -> Rule:
    """Return the first rule of a new term: the cohort and W of the newest rule that was found."""
    return Rule(term, 1, leader, base.cohort, base.acks)


def confirmable(sworn: Sworn, follows: int, rule: Rule) -> bool:
    """Tell whether a follower may confirm a rule: it follows that term, and promised nothing higher."""
    return follows == rule.term == sworn.promise
