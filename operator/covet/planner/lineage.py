"""Whether two members stand in one line of log, and whether a rule may be confirmed: judged without any I/O."""

from covet.core.agentapi import Position, Rule

Fault = tuple[str, str]
"""A CamelCase reason and a sentence for a person."""


def fault_of_leader(own: Position, leader: str, end: Position) -> Fault | None:
    """Return why a member must not follow a leader (I8), None if it may.

    Args:
        own: what is flushed here.
        leader: name of the leader.
        end: what was flushed on the leader, asked before or after `own` was read: neither goes back.
    """
    if own.term > end.term:
        return "TermForeign", f"This server is on timeline {own.term}, the one of {leader} on {end.term}."
    if own.term == end.term and own.lsn > end.lsn:
        return (
            "LeaderBehind",
            f"{leader} has flushed its log up to {end.lsn}, a follower up to {own.lsn}: the leader lost log.",
        )
    return None


def fault_of_rule(rule: Rule, member: str, promised: int, known: Rule | None) -> Fault | None:
    """Return why a follower must not confirm a rule, None if it may.

    Args:
        rule: what a leader asks to confirm.
        member: the follower.
        promised: the highest term that it promised.
        known: the newest rule that it confirmed.
    """
    name = f"{rule.term}.{rule.seq}"
    if not {rule.leader, member} <= set(rule.cohort) or not 0 <= rule.acks < len(rule.cohort):
        return "RuleInvalid", f"Rule {name} cannot be: {member} and its leader have to vote, and W be below the voters."
    if rule.term != promised:
        return "TermForeign", f"Term {promised} is promised here, not {rule.term}."
    return None if known is None else _fault_beside(rule, name, known)


def _fault_beside(rule: Rule, name: str, known: Rule) -> Fault | None:
    """Return how a rule contradicts a known one."""
    if (known.term, known.seq) > (rule.term, rule.seq):
        return "RuleOlder", f"Rule {known.term}.{known.seq} is known here, newer than {name}."
    if known.term == rule.term and known.leader != rule.leader:
        return (
            "LeaderForeign",
            f"{known.leader} leads term {known.term} here, not {rule.leader}: a term has one leader.",
        )
    if (known.term, known.seq) == (rule.term, rule.seq) and known != rule:
        return "RuleForeign", f"Another rule {name} is known here: a change has one number."
    return None
