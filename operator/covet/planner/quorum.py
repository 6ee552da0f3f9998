"""Who has to agree: acknowledgements, recruits, and the safe order of a change of either (I5, I6).

Standard library only, and no I/O: the same functions are read by the agents, by the operator
and by the tests that try every prefix of every change.
"""

import dataclasses
import enum
from collections.abc import Iterable

from covet.core.agentapi import Durability, Rule
from covet.core.errors import SpecError


class Order(enum.Enum):
    """Which of the two places of a rule changes first: the server's setting or the rule row."""

    ROW_FIRST = "RowFirst"
    SETTING_FIRST = "SettingFirst"


@dataclasses.dataclass(frozen=True)
class Step:
    """One change of a rule, small enough that every moment of it is safe.

    Args:
        rule: the rule in force after the step.
        order: what changes first.
        voters: followers whose confirmation of the new row counts; they vote before and after.
        needed: how many of `voters` must confirm before the step is finished.
    """

    rule: Rule
    order: Order
    voters: tuple[str, ...]
    needed: int


def acks_for(instances: int, durability: Durability) -> int:
    """Return W for a shard of so many instances: 1 -> 0, 3 -> 1, 5 -> 2, 7 -> 3; 0 under Async."""
    if durability is Durability.ASYNC:
        return 0
    return max(0, (instances - 1) // 2)


def recruit_size(members: int, acks: int) -> int:
    """Return how many promises elect a leader, so that they meet every acknowledgement and each other.

    Args:
        members: size of the cohort, at least 1.
        acks: W of the same rule, 0 <= acks < members.
    """
    if not 0 <= acks < members:
        raise SpecError("QuorumImpossible", f"{acks} followers cannot acknowledge in a cohort of {members}.")
    if acks == 0 and members > 1:
        # Under Async the leader acknowledges alone: no set of others is sure to meet it, a majority decides.
        return members // 2 + 1
    return max(members // 2 + 1, members - acks)


def next_step(rule: Rule, cohort: Iterable[str], acks: int) -> Step | None:
    """Return the next safe step from a rule towards a wanted cohort and W, None when it is reached.

    Members are added one by one, then W is set, then members are removed one by one: so a lost
    member is replaced without ever leaving a cohort too small for its W.

    Args:
        rule: the rule in force.
        cohort: member names wanted, the leader among them.
        acks: W wanted in the end; a smaller cohort on the way votes with what it can.

    Raises:
        SpecError: the leader is not in the cohort, or W does not fit it.
    """
    wanted = tuple(sorted(set(cohort)))
    if rule.leader not in wanted:
        raise SpecError("LeaderLeavesCohort", f"The leader {rule.leader} cannot leave its cohort: switch over first.")
    if not 0 <= acks < len(wanted):
        raise SpecError("QuorumImpossible", f"{acks} followers cannot acknowledge in a cohort of {len(wanted)}.")
    joining = [member for member in wanted if member not in rule.cohort]
    if joining:
        grown = tuple(sorted((*rule.cohort, joining[0])))
        # From a cohort of one the first follower has to acknowledge at once, else a loss of the leader loses commits.
        raised = 1 if len(rule.cohort) == 1 and acks > 0 else rule.acks
        return _step(rule, grown, raised)
    if rule.acks != acks:
        return _step(rule, rule.cohort, acks)
    leaving = [member for member in rule.cohort if member not in wanted]
    if leaving:
        return _step(rule, tuple(member for member in rule.cohort if member != leaving[0]), rule.acks)
    return None


def step_between(old: Rule, new: Rule) -> Step:
    """Return the step that leads from one rule to its direct successor; a restart finds its way by it."""
    return _step(old, new.cohort, new.acks)


def _step(old: Rule, cohort: tuple[str, ...], acks: int) -> Step:
    """Order one change by I6: narrow or raise, the setting first; widen or lower, the row first."""
    rule = Rule(old.term, old.seq + 1, old.leader, cohort, acks)
    narrows = not set(old.cohort) <= set(cohort)
    order = Order.SETTING_FIRST if narrows or acks > old.acks else Order.ROW_FIRST
    voters = tuple(member for member in cohort if member != old.leader and member in old.cohort)
    if old.acks == 0 and acks > 0:
        voters = tuple(member for member in cohort if member != old.leader)
    return Step(rule, order, voters, min(max(old.acks, acks), len(voters)))
