"""What keeps a cluster as well as it is: certificates, authorities, passwords, orders that are over, repetitions. Pure.

Nothing here mends anything, and each of it may fail for as long as somebody forbids it. So it holds up nothing: it goes
once the actions of the cluster are done, beside the shards, each action by itself. What a pod cannot start without is
not among it: a certificate that is missing or has ended is issued before any shard is touched.
"""

import datetime as dt
from collections.abc import Callable, Iterator

from covet.core import names
from covet.planner import authorities, findings, orders, rollout, rotation
from covet.planner.actions import Action, IssueCertificates, RepeatObjects
from covet.planner.facts import ClusterFacts, ObjectKey


def plan(facts: ClusterFacts, now: dt.datetime, turn: rotation.Verdict | None) -> Iterator[Action]:
    """Yield all of it.

    Args:
        facts: what was observed.
        now: wall-clock time.
        turn: where the rotation of the password stands.
    """
    yield from trust(facts, now)
    yield from repeat(facts, _anything)
    yield from orders.strays(orders.read(facts.annotations), tuple(seen.name for seen in facts.shards))
    yield from (found for found in (rollout.settle(facts, now), authorities.settle(facts, now)) if found is not None)
    yield from turn.actions if turn is not None else ()


def trust(facts: ClusterFacts, now: dt.datetime) -> Iterator[Action]:
    """Yield what renews certificates, and the next step from one authority to another."""
    yield from renew(facts)
    verdict = authorities.decide(facts, now)
    if verdict is not None and verdict.action is not None:
        yield verdict.action


def renew(facts: ClusterFacts) -> Iterator[IssueCertificates]:
    """Issue anew what is due and still works, if there is an authority to do it."""
    due = tuple(subject for subject in due_certificates(facts) if _works(facts, subject))
    if due and can_issue(facts):
        yield IssueCertificates(due)


def replace(facts: ClusterFacts) -> Iterator[IssueCertificates]:
    """Issue what is missing or of no use any more, if there is an authority to do it: pods cannot start without it."""
    lacking = tuple(subject for subject in due_certificates(facts) if not _works(facts, subject))
    if lacking and can_issue(facts):
        yield IssueCertificates(lacking)


def repeat(facts: ClusterFacts, keep: Callable[[ObjectKey], bool]) -> Iterator[RepeatObjects]:
    """Apply again what has not been for long, as far as it is kept true now."""
    repeatable = tuple(key for key in facts.repeatable if keep(key))
    if repeatable:
        yield RepeatObjects(repeatable)


def can_issue(facts: ClusterFacts) -> bool:
    """Return whether there is an authority of ours that works."""
    return facts.authority is not None and facts.authority.valid and not findings.is_authority_taken(facts)


def due_certificates(facts: ClusterFacts) -> Iterator[str]:
    """Yield the subjects whose certificate has to be issued."""
    instances = [instance.name for seen in facts.shards for instance in seen.instances]
    shared = {names.OPERATOR_COMMON_NAME: names.operator_secret(facts.name)}
    if facts.routers.replicas:
        shared[names.ROUTER_COMMON_NAME] = names.router_secret(facts.name)
    for subject in (*shared, *instances):
        found = facts.certificates.get(subject)
        secret = shared.get(subject) or names.instance_secret(subject)
        if (found is None or (found.due and not found.held)) and ("Secret", facts.namespace, secret) not in facts.taken:
            yield subject


def _works(facts: ClusterFacts, subject: str) -> bool:
    found = facts.certificates.get(subject)
    return found is not None and found.valid and found.as_asked


def _anything(_key: ObjectKey) -> bool:
    return True
