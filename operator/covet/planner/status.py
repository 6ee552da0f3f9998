"""What a human sees: the status as a pure function of facts and plan; its conditions stand in `conditions`.

Nothing that changes by itself stands here, so that a round that finds nothing to do
produces the same status again, byte for byte, and nothing is written.
"""

import datetime as dt
from typing import Final

from covet.api import status as api
from covet.api.effective import EffectiveSpec
from covet.api.status import Condition, Truth
from covet.core import clock, names
from covet.core.agentapi import AgentStatus, MemberState, Serving
from covet.planner import authorities, conditions, layout, rotation, routers, telling
from covet.planner.authorityfacts import OuterFacts
from covet.planner.facts import ClusterFacts, Finding, InstanceFacts, ShardFacts
from covet.planner.plan import Plan

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


def report(facts: ClusterFacts, plan: Plan, now: dt.datetime, failures: tuple[Finding, ...] = ()) -> api.ClusterStatus:
    """Return the status of a cluster.

    Args:
        facts: what was observed.
        plan: what was decided.
        now: wall-clock time, for conditions that change.
        failures: what keeps failing of what is done.
    """
    findings = (*plan.findings, *failures)
    shards = tuple(_shard(facts, seen) for seen in facts.shards) if facts.identity is not None else ()
    stated = conditions.stated(facts, plan, findings, now)
    in_force = facts.in_force()
    serving = sum(1 for seen in in_force if conditions.takes_writes(facts, seen))
    return api.ClusterStatus(
        observed_generation=facts.generation,
        operator=facts.operator,
        phase=_phase(facts, findings, stated[0]),
        conditions=stated,
        effective=_effective(facts),
        login=_login(facts),
        authority=_authority(facts, now),
        endpoints=_endpoints(facts),
        router=_router(facts),
        map=_map(facts),
        primaries=f"{serving}/{len(in_force)}" if in_force else None,
        shards=shards,
        pending_changes=tuple(
            api.PendingChange(
                field=conditions.shorten(change.field, 253),
                reason=change.reason,
                message=conditions.shorten(change.message, 4096),
            )
            for change in plan.pending[:MOST_CHANGES]
        ),
    )


def _phase(facts: ClusterFacts, findings: tuple[Finding, ...], ready: Condition) -> str:
    if facts.deleting:
        return "Deleting"
    if any(finding.stalls for finding in findings):
        return "Stalled"
    if facts.paused:
        return "Paused"
    told = {seen.name for seen in facts.in_force()}
    if facts.identity is None or not all(known.opened for known in facts.identity.shards if known.name in told):
        return "Creating"
    return "Ready" if ready.status is Truth.TRUE else "Reconciling"


def _effective(facts: ClusterFacts) -> EffectiveSpec | None:
    if facts.spec is None or facts.problems:
        # What was accepted last is still in force.
        return facts.status.effective if facts.status is not None else None
    if facts.identity is None:
        return facts.spec
    return layout.in_force(facts.spec, facts.identity.born, facts.volumes)


def _login(facts: ClusterFacts) -> api.LoginStatus | None:
    if facts.identity is None or facts.credentials is None:
        return None
    turn = rotation.decide(facts, facts.identity)
    if turn is None:
        return api.LoginStatus(username=facts.credentials.username)
    return api.LoginStatus(
        username=facts.credentials.username,
        rotation=turn.token,
        phase=turn.phase.value,
        former=turn.former,
        message=conditions.shorten(turn.message, 4096),
    )


def _authority(facts: ClusterFacts, now: dt.datetime) -> api.AuthorityStatus | None:
    verdict = authorities.decide(facts, now)
    if verdict is None or facts.authority is None:
        return None
    return api.AuthorityStatus(
        phase=verdict.reign.value,
        ends=clock.rfc3339(facts.authority.ends),
        message=conditions.shorten(verdict.message, 4096),
        signed_by=_signed_by(facts.outer),
    )


def _signed_by(outer: OuterFacts | None) -> api.OuterAuthorityStatus | None:
    if outer is None or outer.ends is None:
        return None
    subject = conditions.shorten(outer.subject, 1024)
    return api.OuterAuthorityStatus(secret=outer.secret, subject=subject, ends=clock.rfc3339(outer.ends))


def _endpoints(facts: ClusterFacts) -> api.Endpoints | None:
    if facts.identity is None:
        return None
    suffix, told = f".{facts.namespace}.svc:{names.SQL_PORT}", facts.in_force()
    if routers.leads(facts):
        host = routers.address(facts.name, facts.namespace)
        return api.Endpoints(
            secret=names.user_secret(facts.name, facts.identity.born.database.owner),
            trust=names.trust_config(facts.name),
            read_write=(f"{host}:{names.SQL_PORT}",),
            read_only=(f"{host}:{names.ROUTER_REPLICA_PORT}",),
        )
    return api.Endpoints(
        secret=names.user_secret(facts.name, facts.identity.born.database.owner),
        trust=names.trust_config(facts.name),
        read_write=tuple(names.read_write_service(facts.name, seen.name) + suffix for seen in told),
        read_only=tuple(names.read_only_service(facts.name, seen.name) + suffix for seen in told),
    )


def _router(facts: ClusterFacts) -> api.RouterStatus | None:
    if facts.identity is None or not facts.routers.replicas:
        return None
    return api.RouterStatus(replicas=facts.routers.replicas, ready=routers.ready(facts), message=routers.waiting(facts))


def _map(facts: ClusterFacts) -> api.MapStatus | None:
    found = facts.ring_map
    return None if found is None else api.MapStatus(epoch=found.epoch, hash=found.hash_name, digest=found.digest)


def _shard(facts: ClusterFacts, seen: ShardFacts) -> api.ShardStatus:
    leader = conditions.leader_of(facts, seen)
    rule = leader[1].rule if leader is not None else None
    slots = facts.ring_map.slots.get(seen.name, 0) if facts.ring_map is not None else 0
    known = facts.identity.shard(seen.name) if facts.identity is not None else None
    last = facts.status.shards if facts.status is not None else ()
    lags = {entry.name: entry.lag for shard in last for entry in shard.instances}
    status = api.ShardStatus(
        name=seen.name,
        slots=slots,
        primary=leader[0].name if leader is not None else None,
        term=rule.term if rule is not None else None,
        instances=tuple(_instance(instance, leader, lags.get(instance.name)) for instance in seen.instances),
    )
    before = next((shard for shard in last if shard.name == seen.name), None)
    return telling.describe(seen, known.uid if known is not None else None, status, before)


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
