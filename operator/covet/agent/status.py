"""What the agent says of its instance: the status for the operator, gauges for a scraper."""

import asyncio
import contextlib
import math
from typing import Final

import covet
from covet.agent import disk
from covet.agent.instance import Instance
from covet.agent.orders import DATABASE, MAP
from covet.agent.volume import VolumeInUseError
from covet.core.agentapi import PROTOCOL, AgentStatus, FollowerLink, Login, MemberState, Position, Serving
from covet.core.errors import CovetError
from covet.engines import logins, schema, walsenders
from covet.engines.schema import Contents
from covet.planner import attendance, lag
from covet.planner.election.watch import QUIET, Role, Watch
from covet.planner.member import Decision

ASK_SECONDS: Final = 2.0
"""How long the server may take to tell what stands in it; past that the status leaves it out."""
HELD_MS: Final = 1000
"""A member that another one's question holds back asks as well, in turns with it."""

SENTENCES: Final = {
    "WaitsForOrder": "The volume is empty; the agent waits for an order to bootstrap or to clone.",
    "DatabaseUnfinished": "The volume holds a database that was not finished; the next order wipes and repeats it.",
    "OrderUnderWay": "An order is under way.",
    "Stopping": "The agent was told to end and stops the server.",
    "ServerBackOff": "The server ended; it is started again after a pause.",
    "ClonedAnew": "The volume left the log of its shard and is cloned anew, as a new member.",
    "StartingStandby": "The server starts, closed, as a follower of nobody.",
    "ServerStarting": "The server recovers and takes no sessions yet.",
    "Promoting": "The member was elected; clients stay outside until its rule is confirmed by enough followers.",
    "LeaderDown": "The server of the leader is down; the member stands down.",
    "Fenced": "A person keeps this instance out of service; its server is stopped and it does not vote.",
    "HandingOver": "The leader hands over to a successor; clients stay outside.",
    "ReadFenced": "Too few followers echo: routers return no reads, and a commit takes as long as its acknowledgement.",
    "Boot": "The member waits for word of a leader, or asks for an election.",
    "Candidate": "The member gathers promises for an election.",
    "Recruited": "The member promised a term to a candidate and acknowledges nothing until it has a leader.",
    "Stopped": "The member stopped leading: it was outvoted, or too few followers answered.",
    "Resigned": "The member stood down; others elect a leader.",
    "Rejoin": "The member left the log of its shard and is brought back to it.",
    "ShardNotOpened": "The shard was not opened yet; clients stay outside.",
    "Leading": "The server leads its shard and serves reads and writes.",
    "Succeeding": "The leader is about to stop for this member; clients stay outside.",
    "Following": "The server follows its leader and serves reads.",
    "StreamLost": "The server does not stream from its leader.",
    "ReplayStalled": "The server receives the log and does not replay it: clients would read old rows, and stay out.",
    "NotFollowing": "The server has not begun to follow its leader.",
    disk.STALLED: "The volume does not bring a small write to the disk in time; this member should not lead.",
    disk.READ_ONLY: "The volume is read-only; this member cannot lead. Repair the file system and mount it anew.",
    disk.FAILED: "The volume refuses writes; this member cannot lead. Look at the disk.",
    "Unexamined": "The agent has not looked at the volume yet.",
}


async def read(inst: Instance) -> AgentStatus:
    """Return the status; what the server cannot tell now is left out."""
    rule, identity, vitals = inst.election.rule or inst.rule, inst.identity, inst.vitals
    state, reason, message = explain(inst)
    contents, followers, known = await _ask_server(inst, state)
    epoch = contents.map_epoch if contents and MAP not in inst.unacknowledged else None
    inst.map_epoch = max(inst.map_epoch or 0, epoch) if epoch is not None else inst.map_epoch
    return AgentStatus(
        protocol=PROTOCOL,
        agent_version=covet.__version__,
        instance=inst.settings.instance,
        state=state,
        reason=reason,
        message=message,
        serving=serving(inst),
        member=identity.member if identity and identity.born else None,
        incarnation=identity.incarnation if identity and identity.born else None,
        system_id=identity.system_id if identity and identity.born else None,
        server_version=contents.server_version if contents else None,
        promise=inst.sworn.promise if inst.sworn else 0,
        rule=rule,
        position=Position(vitals.term, vitals.lsn) if vitals else None,
        streaming=vitals is not None and vitals.streaming,
        lag_bytes=lag_bytes(inst),
        lag_seconds=lag_seconds(inst),
        followers=followers,
        database=contents.database
        if contents and state is MemberState.LEADER and DATABASE not in inst.unacknowledged
        else None,
        map_epoch=epoch,
        spec_generation=inst.spec.generation,
        pending_restart=contents.pending_restart if contents else (),
        task=inst.task,
        parameter_problem=inst.tuning.problem,
        quorum_missing=_missing(inst),
        applied_generation=inst.applied_generation,
        shard_uid=identity.shard_uid if identity else None,
        last_failover=inst.chronicle.last,
        decided=inst.chronicle.decided,
        discarded=inst.chronicle.discarded,
        volume_problem=inst.ill,
        logins=known,
        certificates=inst.certificates.in_use,
        sealed=contents.sealed if contents and state is MemberState.LEADER else None,
    )


def explain(inst: Instance) -> tuple[MemberState, str, str]:
    """Return the state, its reason and a sentence for a person."""
    if inst.task is not None:
        state = MemberState.CLONING if inst.task.kind == "Clone" else MemberState.BOOTSTRAPPING
        return state, "OrderUnderWay", f"{inst.task.kind} is under way."
    if inst.refusal is not None:
        passing = isinstance(inst.refusal, VolumeInUseError)
        return MemberState.STOPPED if passing else MemberState.REFUSED, inst.refusal.reason, inst.refusal.message
    decision = inst.decision
    if decision is None:
        return MemberState.STARTING, "Unexamined", SENTENCES["Unexamined"]
    if inst.failure is not None and decision.state is MemberState.EMPTY:
        return MemberState.EMPTY, inst.failure.reason, inst.failure.message
    reason, message = _hindered(inst, decision)
    return decision.state, reason, message


def _hindered(inst: Instance, decision: Decision) -> tuple[str, str]:
    """Return what a decision is about, or what stands in its way."""
    message = SENTENCES.get(decision.reason, decision.reason)
    waits = decision.state in {MemberState.STARTING, MemberState.STOPPED}
    if inst.ill:
        return inst.ill, f"{message} {SENTENCES[inst.ill]}"
    if inst.cramped and waits:
        return "VolumeFull", f"{message} The volume has no room for a leader: grow it, or free some."
    trouble = inst.complaint or (inst.trouble if waits else None)
    if trouble is not None:
        return trouble.reason, f"{message} {trouble.message}"
    if decision.reason == "ServerStarting":
        message = f"{message} {inst.unready}".rstrip()
    message = f"{message} {_missing(inst)}".rstrip()
    if decision.state is MemberState.STOPPED and inst.last_exit is not None:
        message += f" Its last exit code was {inst.last_exit}."
    return decision.reason, message


def _missing(inst: Instance) -> str:
    """Return how many have to promise for a leader, and who of them is not there; empty once enough are."""
    rule, role, watch = inst.election.rule, inst.election.role, inst.voting.watch
    if rule is None or role not in QUIET or inst.identity is None:
        return ""
    search = attendance.Search(inst.identity.member, rule, _asks_for(inst, watch), role is Role.FOLLOWER)
    instances = [inst.instance_of(member) for member in rule.cohort]
    return attendance.missing(search, {name: inst.voting.line(name) for name in instances}, inst.instance_of)


def _asks_for(inst: Instance, watch: Watch | None) -> float:
    """Return for how many seconds this member has asked for an election, or left that to another; 0 if it does not."""
    if watch is None:
        return 0.0
    now, ballot = int(inst.clock.monotonic() * 1000), watch.ballot
    asks = ballot.asked_at is not None or ballot.elect_at is not None
    if not asks and now - watch.hold_until > HELD_MS:
        return 0.0
    return max(0, now - max(watch.view.since, watch.heard.at)) / 1000


def serving(inst: Instance) -> Serving:
    """Return who may use the server now."""
    if not inst.admitting or inst.vitals is None:
        return Serving.CLOSED
    return Serving.READ_ONLY if inst.vitals.standby else Serving.READ_WRITE


async def _ask_server(
    inst: Instance, state: MemberState
) -> tuple[Contents | None, tuple[FollowerLink, ...], tuple[Login, ...] | None]:
    """Ask on a session of its own: a slow answer must not hold up the probe of the server."""
    rule = inst.election.rule
    if inst.vitals is None or state not in {MemberState.LEADER, MemberState.FOLLOWER}:
        return None, (), None
    contents: Contents | None = None
    followers: tuple[FollowerLink, ...] = ()
    known: tuple[Login, ...] | None = None
    with contextlib.suppress(CovetError, TimeoutError):
        async with asyncio.timeout(ASK_SECONDS), inst.sql() as session:
            contents = await schema.read_contents(session)
            if state is MemberState.LEADER and rule is not None:
                followers = walsenders.links(await walsenders.read(session), rule.cohort, rule.leader)
            known = await logins.read(session)
    return contents, followers, known


def lag_bytes(inst: Instance) -> int | None:
    """Return the log that a follower has not flushed yet, None for anybody else or while that is unknown."""
    vitals = inst.vitals
    if vitals is None or not vitals.standby or vitals.source_end is None:
        return None
    return max(0, vitals.source_end - vitals.lsn)


def lag_seconds(inst: Instance) -> float | None:
    """Return how old what a follower shows is at most, None for anybody else or while no heartbeat told."""
    vitals, trail = inst.vitals, inst.voting.trail
    if vitals is None or not vitals.standby or inst.election.follows != trail.term:
        return None
    return lag.seconds(trail, vitals.replayed, int(inst.clock.monotonic() * 1000))


def fill_metrics(inst: Instance, status: AgentStatus) -> None:
    """Bring the gauges to what the status says."""
    metrics = inst.metrics
    for state in MemberState:
        metrics.state.labels(state.value).set(state is status.state)
    for who in Serving:
        metrics.serving.labels(who.value).set(who is status.serving)
    metrics.primary.set(status.state is MemberState.LEADER and status.serving is Serving.READ_WRITE)
    metrics.info.clear()
    metrics.info.labels(status.agent_version, status.server_version or "").set(1)
    metrics.promise_term.set(status.promise)
    metrics.rule_term.set(status.rule.term if status.rule else 0)
    metrics.rule_seq.set(status.rule.seq if status.rule else 0)
    metrics.streaming.set(status.streaming)
    metrics.lag_bytes.set(status.lag_bytes or 0)
    unknown = 0.0 if status.state is MemberState.LEADER else math.nan
    metrics.lag_seconds.set(unknown if status.lag_seconds is None else status.lag_seconds)
    metrics.flushed_lsn.set(status.position.lsn if status.position else 0)
    metrics.follower_lag_bytes.clear()
    for follower in status.followers:
        if follower.lag_bytes is not None:
            metrics.follower_lag_bytes.labels(follower.member).set(follower.lag_bytes)
    for gauge, kind in ((metrics.peer_age, "at"), (metrics.echo_age, "echoed")):
        for peer in inst.spec.peers:
            age = inst.voting.age(peer.instance, kind)
            if age is not None:
                gauge.labels(peer.instance).set(age)
    metrics.count_up_to(metrics.voter_dropped, inst.voting.dropped)
    metrics.count_up_to(metrics.orphans, inst.children.reaped)
