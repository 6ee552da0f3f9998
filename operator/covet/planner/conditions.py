"""Statements about a cluster for programs and people: each condition with its truth, reason and sentence.

Ready is True only of what was asked for last and is in force everywhere. What is not known is Unknown, never a guess.
"""

import datetime as dt
from collections.abc import Iterable, Iterator

from covet.api.status import Condition, Truth
from covet.core import clock, events, names
from covet.core.agentapi import AgentStatus, Serving
from covet.planner import adoption, layout, reshaping, rollout, routers, scaling, shard, volumes
from covet.planner.facts import ClusterFacts, Finding, InstanceFacts, ShardFacts, Unreachable
from covet.planner.plan import PendingChange, Plan


def stated(facts: ClusterFacts, plan: Plan, findings: tuple[Finding, ...], now: dt.datetime) -> tuple[Condition, ...]:
    """Return every condition that stands, Ready first, each with the moment when its truth last changed.

    Args:
        facts: what was observed.
        plan: what was decided.
        findings: what is wrong, with what keeps failing.
        now: wall-clock time, for conditions that change.
    """
    before = facts.status.conditions if facts.status is not None else ()
    return _settle(tuple(_conditions(facts, plan, findings)), before, now)


def _conditions(facts: ClusterFacts, plan: Plan, findings: tuple[Finding, ...]) -> Iterator[Condition]:
    ready = _ready(facts, plan, findings)
    yield ready
    yield _available(facts)
    yield _durable(facts)
    yield _certificates(facts)
    stalling = [finding for finding in findings if finding.stalls]
    if stalling:
        yield _condition(facts, "Stalled", Truth.TRUE, stalling[0].reason, _sentences(stalling))
    elif ready.status is not Truth.TRUE and not plan.settled and not facts.paused and not facts.deleting:
        yield _condition(facts, "Reconciling", Truth.TRUE, plan.reason, plan.message)


def _ready(facts: ClusterFacts, plan: Plan, findings: tuple[Finding, ...]) -> Condition:
    obstacle = next(_obstacles(facts, plan, findings), None)
    if obstacle is not None:
        return _condition(facts, "Ready", Truth.FALSE, *obstacle)
    if facts.paused:
        return _condition(
            facts, "Ready", Truth.TRUE, events.PAUSED, "In order when last seen; nothing is changed meanwhile."
        )
    return _condition(facts, "Ready", Truth.TRUE, events.SETTLED, "Every instance is where it should be.")


def _obstacles(facts: ClusterFacts, plan: Plan, findings: tuple[Finding, ...]) -> Iterator[tuple[str, str]]:
    """Yield reason and sentence of whatever is not as it was asked for, the most telling first."""
    if findings:
        yield findings[0].reason, _sentences(findings)
    edits: tuple[PendingChange, ...] = ()
    if facts.spec is not None and facts.identity is not None:
        edits = (*layout.pending(facts.spec, facts.identity.born), *adoption.pending(facts.spec, facts.identity))
    refused = {volumes.SHRINKS, reshaping.REFUSED}
    edits = (*edits, *(change for change in plan.pending if change.reason in refused))
    if edits:
        yield events.CHANGES_PENDING, f"Not carried out, see pendingChanges: {_fields(edits)}."
    changing = [change for change in plan.pending if change.reason == reshaping.CHANGING]
    if changing:
        yield changing[0].reason, changing[0].message
    growing = volumes.is_growing(plan.pending)
    if growing is not None:
        yield growing.reason, growing.message
    unsettled = [seen for seen in plan.shards if not seen.settled]
    if not plan.settled and (unsettled or not facts.paused or not plan.shards):
        yield plan.reason, plan.message
    restarts = [change for change in plan.pending if change.reason in rollout.REASONS]
    if restarts:
        yield (
            events.RESTART_PENDING,
            f"Accepted, and not in force before a restart, see pendingChanges: {_fields(restarts)}.",
        )
    waiting = [change.message for change in plan.pending if change.reason == events.PAUSED]
    if waiting:
        yield events.PAUSED, " ".join(waiting)
    starting = routers.waiting(facts)
    if starting is not None:
        yield routers.STARTING, starting


def _fields(changes: Iterable[PendingChange]) -> str:
    return ", ".join(change.field for change in changes)


def _available(facts: ClusterFacts) -> Condition:
    missing = [seen.name for seen in facts.in_force() if not takes_writes(facts, seen)]
    if facts.identity is None or not facts.shards:
        return _condition(facts, "Available", _unborn(facts), "NotBorn", "No shard takes writes as far as is known.")
    unheard = [seen.name for seen in facts.shards if seen.name in missing and _is_unheard(facts, seen)]
    if missing and missing == unheard:
        return _unheard(facts, "Available", unheard)
    if missing:
        return _condition(
            facts, "Available", Truth.FALSE, "NoPrimary", f"No primary takes writes in {', '.join(missing)}."
        )
    return _condition(facts, "Available", Truth.TRUE, "PrimariesServe", "Every shard takes writes.")


def _unborn(facts: ClusterFacts) -> Truth:
    """Return what can be said without a birth record: nothing, if shards are there all the same."""
    return Truth.UNKNOWN if facts.shards else Truth.FALSE


def _durable(facts: ClusterFacts) -> Condition:
    if facts.identity is None or not facts.shards:
        return _condition(facts, "Durable", _unborn(facts), "NotBorn", "No shard keeps data as far as is known.")
    short = [seen.name for seen in facts.in_force() if not _has_quorum(facts, seen)]
    unheard = [seen.name for seen in facts.shards if seen.name in short and _is_unheard(facts, seen)]
    if short and short == unheard:
        return _unheard(facts, "Durable", unheard)
    if short:
        return _condition(
            facts,
            "Durable",
            Truth.FALSE,
            "QuorumMissing",
            f"Too few replicas stream, or no primary answers, in {', '.join(short)}.",
        )
    if all(_wanted_acks(facts, seen) == 0 for seen in facts.shards):
        return _condition(
            facts, "Durable", Truth.TRUE, "PrimaryOnly", "Commits are acknowledged by the primary alone, as asked."
        )
    return _condition(facts, "Durable", Truth.TRUE, "QuorumStreams", "Every shard has its quorum.")


def _is_unheard(facts: ClusterFacts, seen: ShardFacts) -> bool:
    """Return whether a shard without a known leader has an instance that did not answer: it may lead."""
    return leader_of(facts, seen) is None and any(isinstance(found.agent, Unreachable) for found in seen.instances)


def _unheard(facts: ClusterFacts, kind: str, shards: list[str]) -> Condition:
    """Return what can be said of shards that nobody heard: for a while what was said before, then nothing."""
    silences = [
        found.agent.seconds
        for seen in facts.shards
        if seen.name in shards
        for found in seen.instances
        if isinstance(found.agent, Unreachable)
    ]
    before = facts.status.conditions if facts.status is not None else ()
    last = next((entry for entry in before if entry.type == kind), None)
    if last is not None and max(silences, default=0.0) < events.WARN_UNREACHABLE_AFTER:
        return _condition(facts, kind, last.status, last.reason, last.message)
    message = f"Nobody who may lead answers in {', '.join(shards)}; databases go on without the operator."
    return _condition(facts, kind, Truth.UNKNOWN, events.AGENT_UNREACHABLE, message)


def _certificates(facts: ClusterFacts) -> Condition:
    instances = [instance.name for seen in facts.shards for instance in seen.instances]
    of_routers = [names.ROUTER_COMMON_NAME] if facts.routers.replicas else []
    missing = [
        subject
        for subject in (names.OPERATOR_COMMON_NAME, *of_routers, *instances)
        if (found := facts.certificates.get(subject)) is None or not found.valid
    ]
    if facts.authority is not None and not facts.authority.valid:
        missing.insert(0, "the authority")
    if facts.identity is None or facts.authority is None or missing:
        which = ", ".join(missing) or "the authority"
        return _condition(facts, "CertificatesValid", Truth.FALSE, "CertificateMissing", f"Missing or ended: {which}.")
    return _condition(
        facts, "CertificatesValid", Truth.TRUE, "CertificatesValid", "Every certificate is valid and renewed in time."
    )


def _condition(facts: ClusterFacts, kind: str, truth: Truth, reason: str, message: str) -> Condition:
    return Condition(
        type=kind,
        status=truth,
        observed_generation=facts.generation,
        last_transition_time="",
        reason=reason,
        message=shorten(message, 8192),
    )


def shorten(text: str, longest: int) -> str:
    """Return a text of at most so many characters; one that was cut says so."""
    mark = " ... (more)"
    return text if len(text) <= longest else text[: longest - len(mark)] + mark


def _settle(
    conditions: tuple[Condition, ...], before: tuple[Condition, ...], now: dt.datetime
) -> tuple[Condition, ...]:
    """Fill in when each condition last changed its status."""
    known = {condition.type: condition for condition in before}
    moment = clock.rfc3339(now)

    def changed(condition: Condition) -> str:
        old = known.get(condition.type)
        return old.last_transition_time if old is not None and old.status is condition.status else moment

    return tuple(condition.model_copy(update={"last_transition_time": changed(condition)}) for condition in conditions)


def leader_of(facts: ClusterFacts, seen: ShardFacts) -> tuple[InstanceFacts, AgentStatus] | None:
    """Return the one instance that leads a shard and answered, None if there is none or there are two."""
    known = facts.identity.shard(seen.name) if facts.identity is not None else None
    return shard.leader_of(seen, known)


def takes_writes(facts: ClusterFacts, seen: ShardFacts) -> bool:
    """Return whether a shard has a primary that clients can write to."""
    leader = leader_of(facts, seen)
    return leader is not None and leader[1].serving is Serving.READ_WRITE


def _wanted_acks(facts: ClusterFacts, seen: ShardFacts) -> int:
    wanted = facts.wanted_specs.get(seen.name)
    return 0 if wanted is None else scaling.acks_of(wanted)


def _has_quorum(facts: ClusterFacts, seen: ShardFacts) -> bool:
    """Return whether as many followers flush as the wanted W asks for."""
    leader = leader_of(facts, seen)
    if leader is None or leader[1].rule is None:
        return False
    rule = leader[1].rule
    wanted = _wanted_acks(facts, seen)
    streaming = sum(1 for link in leader[1].followers if link.state == "streaming" and link.member in rule.cohort)
    return rule.acks >= wanted and streaming >= wanted


def _sentences(findings: tuple[Finding, ...] | list[Finding]) -> str:
    return " ".join(dict.fromkeys(finding.message for finding in findings))
