"""What a human sees: conditions and status as a pure function of facts and plan.

Nothing that changes by itself stands here, so that a round that finds nothing to do
produces the same status again, byte for byte, and nothing is written.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Final

from covet.api import status as api
from covet.api.effective import EffectiveSpec
from covet.api.status import Condition, Truth
from covet.core import clock, events, names
from covet.core.agentapi import AgentStatus, MemberState, Serving
from covet.planner import layout, quorum, shard
from covet.planner.actions import PendingChange, Plan
from covet.planner.facts import ClusterFacts, Finding, InstanceFacts, ShardFacts, Unreachable

BEHIND_BYTES: Final = 64 << 20
"""Lag from which a replica is called Behind: four segments of write-ahead log."""
CAUGHT_UP_BYTES: Final = BEHIND_BYTES // 2
"""Lag up to which a replica that was Behind stays so: one that lags about the limit does not flap."""

MOST_CHANGES: Final = 256
"""Pending changes that the status holds."""

_STATES: Final = {
    MemberState.EMPTY: "Empty",
    MemberState.BOOTSTRAPPING: "Bootstrapping",
    MemberState.CLONING: "Cloning",
    MemberState.STARTING: "Starting",
    MemberState.STOPPED: "Stopped",
    MemberState.REFUSED: "Refused",
}


def report(facts: ClusterFacts, plan: Plan, now: dt.datetime, failure: Finding | None = None) -> api.ClusterStatus:
    """Return the status of a cluster.

    Args:
        facts: what was observed.
        plan: what was decided.
        now: wall-clock time, for conditions that change.
        failure: what the last attempt to act ended with.
    """
    findings = plan.findings if failure is None else (*plan.findings, failure)
    shards = tuple(_shard(facts, seen) for seen in facts.shards) if facts.identity is not None else ()
    ready = _ready(facts, plan, findings)
    conditions = (ready, *_conditions(facts, plan, findings, ready))
    serving = sum(1 for seen in facts.shards if _takes_writes(facts, seen))
    return api.ClusterStatus(
        observed_generation=facts.generation,
        operator=facts.operator,
        phase=_phase(facts, findings, ready),
        conditions=_settle(conditions, facts.status.conditions if facts.status is not None else (), now),
        effective=_effective(facts),
        endpoints=_endpoints(facts),
        map=_map(facts),
        primaries=f"{serving}/{len(facts.shards)}" if facts.shards else None,
        shards=shards,
        pending_changes=tuple(
            api.PendingChange(
                field=shorten(change.field, 253), reason=change.reason, message=shorten(change.message, 4096)
            )
            for change in plan.pending[:MOST_CHANGES]
        ),
    )


def _conditions(
    facts: ClusterFacts, plan: Plan, findings: tuple[Finding, ...], ready: Condition
) -> Iterator[Condition]:
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
    edits = (
        layout.pending(facts.spec, facts.identity.born) if facts.spec is not None and facts.identity is not None else ()
    )
    if edits:
        yield events.CHANGES_PENDING, f"Not carried out, see pendingChanges: {_fields(edits)}."
    unsettled = [seen for seen in plan.shards if not seen.settled]
    if not plan.settled and (unsettled or not facts.paused or not plan.shards):
        yield plan.reason, plan.message
    restarts = layout.restarts(facts)
    if restarts:
        yield (
            events.RESTART_PENDING,
            f"Accepted, and not in force before a restart, see pendingChanges: {_fields(restarts)}.",
        )
    waiting = [change.message for change in plan.pending if change.reason == events.PAUSED]
    if waiting:
        yield events.PAUSED, " ".join(waiting)


def _fields(changes: Iterable[PendingChange]) -> str:
    return ", ".join(change.field for change in changes)


def _available(facts: ClusterFacts) -> Condition:
    missing = [seen.name for seen in facts.shards if not _takes_writes(facts, seen)]
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
    short = [seen.name for seen in facts.shards if not _has_quorum(facts, seen)]
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
    return _leader(facts, seen) is None and any(isinstance(found.agent, Unreachable) for found in seen.instances)


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
    missing = [
        subject
        for subject in (names.OPERATOR_COMMON_NAME, *instances)
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


def _phase(facts: ClusterFacts, findings: tuple[Finding, ...], ready: Condition) -> str:
    if facts.deleting:
        return "Deleting"
    if any(finding.stalls for finding in findings):
        return "Stalled"
    if facts.paused:
        return "Paused"
    if facts.identity is None or not all(known.opened for known in facts.identity.shards):
        return "Creating"
    return "Ready" if ready.status is Truth.TRUE else "Reconciling"


def _effective(facts: ClusterFacts) -> EffectiveSpec | None:
    if facts.spec is None or facts.problems:
        # What was accepted last is still in force.
        return facts.status.effective if facts.status is not None else None
    return layout.in_force(facts.spec, facts.identity.born) if facts.identity is not None else facts.spec


def _endpoints(facts: ClusterFacts) -> api.Endpoints | None:
    if facts.identity is None:
        return None
    suffix = f".{facts.namespace}.svc:{names.SQL_PORT}"
    return api.Endpoints(
        secret=names.user_secret(facts.name, facts.identity.born.database.owner),
        trust=names.trust_config(facts.name),
        read_write=tuple(names.read_write_service(facts.name, seen.name) + suffix for seen in facts.shards),
        read_only=tuple(names.read_only_service(facts.name, seen.name) + suffix for seen in facts.shards),
    )


def _map(facts: ClusterFacts) -> api.MapStatus | None:
    found = facts.ring_map
    return None if found is None else api.MapStatus(epoch=found.epoch, hash=found.hash_name, digest=found.digest)


def _shard(facts: ClusterFacts, seen: ShardFacts) -> api.ShardStatus:
    leader = _leader(facts, seen)
    rule = leader[1].rule if leader is not None else None
    slots = facts.ring_map.slots.get(seen.name, 0) if facts.ring_map is not None else 0
    last = facts.status.shards if facts.status is not None else ()
    before = {entry.name: entry.lag for known in last for entry in known.instances}
    return api.ShardStatus(
        name=seen.name,
        slots=slots,
        primary=leader[0].name if leader is not None else None,
        term=rule.term if rule is not None else None,
        instances=tuple(_instance(instance, leader, before.get(instance.name)) for instance in seen.instances),
    )


def _instance(
    seen: InstanceFacts, leader: tuple[InstanceFacts, AgentStatus] | None, before: api.Lag | None
) -> api.InstanceStatus:
    node = seen.pod.node if seen.pod is not None else None
    answer = seen.agent
    if answer is None or seen.pod is None:
        return api.InstanceStatus(name=seen.name, role=api.Role.UNKNOWN, state="Pending", node=node)
    if not isinstance(answer, AgentStatus):
        return api.InstanceStatus(name=seen.name, role=api.Role.UNKNOWN, state="Unreachable", node=node)
    if leader is not None and leader[0].name == seen.name:
        state = "Serving" if answer.serving is Serving.READ_WRITE else "Starting"
        return api.InstanceStatus(name=seen.name, role=api.Role.PRIMARY, state=state, node=node)
    if answer.state is not MemberState.FOLLOWER:
        state = _STATES.get(answer.state, "Starting")
        return api.InstanceStatus(name=seen.name, role=api.Role.UNKNOWN, state=state, node=node)
    state = "Streaming" if answer.streaming else "CatchingUp"
    return api.InstanceStatus(name=seen.name, role=api.Role.REPLICA, state=state, lag=_lag(answer, before), node=node)


def _lag(answer: AgentStatus, before: api.Lag | None) -> api.Lag:
    if answer.lag_bytes is None:
        # A replica that streams and was never told of an end is not behind anything it knows of.
        return api.Lag.OK if answer.streaming else api.Lag.UNKNOWN
    limit = CAUGHT_UP_BYTES if before is api.Lag.BEHIND else BEHIND_BYTES
    return api.Lag.BEHIND if answer.lag_bytes > limit else api.Lag.OK


def _leader(facts: ClusterFacts, seen: ShardFacts) -> tuple[InstanceFacts, AgentStatus] | None:
    known = facts.identity.shard(seen.name) if facts.identity is not None else None
    return shard.leader_of(seen, known)


def _takes_writes(facts: ClusterFacts, seen: ShardFacts) -> bool:
    leader = _leader(facts, seen)
    return leader is not None and leader[1].serving is Serving.READ_WRITE


def _wanted_acks(facts: ClusterFacts, seen: ShardFacts) -> int:
    wanted = facts.wanted_specs.get(seen.name)
    return 0 if wanted is None else quorum.acks_for(len(wanted.peers), wanted.durability)


def _has_quorum(facts: ClusterFacts, seen: ShardFacts) -> bool:
    """Return whether as many followers flush as the wanted W asks for."""
    leader = _leader(facts, seen)
    if leader is None or leader[1].rule is None:
        return False
    rule = leader[1].rule
    wanted = _wanted_acks(facts, seen)
    streaming = sum(1 for link in leader[1].followers if link.state == "streaming" and link.member in rule.cohort)
    return rule.acks >= wanted and streaming >= wanted


def _sentences(findings: tuple[Finding, ...] | list[Finding]) -> str:
    return " ".join(dict.fromkeys(finding.message for finding in findings))
