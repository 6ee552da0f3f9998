"""What a member does next: gather, decide, one action. This is the deciding, without any I/O.

The rules that hold whatever the facts are (each has a property test):
- the server starts read-write only on a volume that leads by its newest rule (I7);
- a leader serves only with its rule confirmed and the shard opened (I4);
- a follower serves reads only while it streams, or lost the stream a moment ago;
- nothing here ever makes or removes a database: that needs an order (I13).
"""

import dataclasses
import enum
from typing import Final

from covet.core.agentapi import MemberState, Rule

STREAM_LOST_SECONDS: Final = 5.0
"""How long a follower that stopped streaming goes on serving reads; a leader's restart is shorter."""
STALLED_SECONDS: Final = 10.0
"""How long a follower that stopped replaying goes on serving reads; its rows grow older meanwhile."""


class VolumeState(enum.Enum):
    """What the volume holds."""

    EMPTY = "Empty"
    UNBORN = "Unborn"
    BORN = "Born"
    REFUSED = "Refused"


class ServerState(enum.Enum):
    """What the server process does."""

    DOWN = "Down"
    STARTING = "Starting"
    STANDBY = "Standby"
    PRIMARY = "Primary"


class Act(enum.Enum):
    """The one thing to do next."""

    WAIT = "Wait"
    START_STANDBY = "StartStandby"
    START_PRIMARY = "StartPrimary"
    STOP = "Stop"
    CLOSE = "Close"
    OPEN = "Open"
    FOLLOW = "Follow"
    CONFIRM = "Confirm"


@dataclasses.dataclass(frozen=True)
class Facts:
    """A member as it was seen a moment ago.

    Args:
        volume: what the volume holds.
        server: what the server does.
        member: this member's name, None on an empty volume.
        promise: the highest term promised.
        rule: the newest rule confirmed here.
        busy: an order that takes long is under way and owns the server.
        may_start: the back-off after the last death of the server is over.
        open: clients are, or may be, let in.
        shard_opened: the operator recorded that clients may enter this shard.
        confirmed: a leader: W followers confirmed the rule since the server started.
        following: member name that the server's settings follow, None for nobody.
        streaming: the receiver streams from that leader.
        unstreamed_seconds: since when it does not, 0 while it does.
        stalled_seconds: since when a standby receives the log and does not replay it, 0 while it does.
        leader_reachable: the spec names an address for the rule's leader.
        stopping: the agent was told to end.
    """

    volume: VolumeState
    server: ServerState
    member: str | None
    promise: int
    rule: Rule | None
    busy: bool
    may_start: bool
    open: bool
    shard_opened: bool
    confirmed: bool
    following: str | None
    streaming: bool
    unstreamed_seconds: float
    leader_reachable: bool
    stopping: bool = False
    stalled_seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Decision:
    """One action, and the state and reason that the status shows meanwhile."""

    act: Act
    state: MemberState
    reason: str


def leads(facts: Facts) -> bool:
    """Tell whether this member is the leader of its newest rule and promised no other term."""
    rule = facts.rule
    return rule is not None and rule.leader == facts.member and rule.term == facts.promise


def decide(facts: Facts) -> Decision:
    """Return what the member does next. Total: every combination of facts has an answer."""
    if facts.volume is VolumeState.REFUSED:
        return Decision(_halt(facts), MemberState.REFUSED, "VolumeRefused")
    if facts.busy or facts.stopping:
        return Decision(Act.WAIT, MemberState.STARTING, "OrderUnderWay" if facts.busy else "Stopping")
    if facts.volume is not VolumeState.BORN:
        reason = "WaitsForOrder" if facts.volume is VolumeState.EMPTY else "DatabaseUnfinished"
        return Decision(_halt(facts), MemberState.EMPTY, reason)
    if facts.rule is None or facts.member is None:
        return Decision(_halt(facts), MemberState.REFUSED, "RuleMissing")
    return _run(facts, facts.rule.leader)


def _run(facts: Facts, leader: str) -> Decision:
    if facts.server is ServerState.DOWN:
        return _start(facts)
    if leads(facts):
        return _lead(facts)
    if facts.server is ServerState.PRIMARY:
        return Decision(Act.STOP, MemberState.STOPPED, "ReadWriteWithoutTerm")
    return _follow(facts, leader)


def _halt(facts: Facts) -> Act:
    """Where no server may run, one that does is stopped."""
    return Act.WAIT if facts.server is ServerState.DOWN else Act.STOP


def _start(facts: Facts) -> Decision:
    if not facts.may_start:
        return Decision(Act.WAIT, MemberState.STOPPED, "ServerBackOff")
    if leads(facts):
        return Decision(Act.START_PRIMARY, MemberState.STARTING, "ResumingTerm")
    return Decision(Act.START_STANDBY, MemberState.STARTING, "StartingStandby")


def _lead(facts: Facts) -> Decision:
    if facts.server is ServerState.STARTING:
        return Decision(Act.WAIT, MemberState.STARTING, "ServerStarting")
    if facts.server is ServerState.STANDBY:
        return Decision(Act.STOP, MemberState.STARTING, "StandbyMustLead")
    if not facts.confirmed:
        if facts.open:
            return Decision(Act.CLOSE, MemberState.LEADER, "RuleUnconfirmed")
        return Decision(Act.CONFIRM, MemberState.LEADER, "RuleUnconfirmed")
    if not facts.shard_opened:
        return Decision(Act.CLOSE if facts.open else Act.WAIT, MemberState.LEADER, "ShardNotOpened")
    return Decision(Act.WAIT if facts.open else Act.OPEN, MemberState.LEADER, "Leading")


def _serve_reads(facts: Facts) -> Decision:
    """Decide for a standby that streams from its leader."""
    outside = Act.CLOSE if facts.open else Act.WAIT
    if not facts.shard_opened:
        return Decision(outside, MemberState.FOLLOWER, "ShardNotOpened")
    if facts.stalled_seconds > STALLED_SECONDS:
        return Decision(outside, MemberState.FOLLOWER, "ReplayStalled")
    return Decision(Act.WAIT if facts.open else Act.OPEN, MemberState.FOLLOWER, "Following")


def _follow(facts: Facts, leader: str) -> Decision:
    if facts.server is ServerState.STARTING:
        return Decision(Act.WAIT, MemberState.STARTING, "ServerStarting")
    if facts.streaming and facts.following == leader:
        return _serve_reads(facts)
    if facts.open and (facts.following != leader or facts.unstreamed_seconds > STREAM_LOST_SECONDS):
        return Decision(Act.CLOSE, MemberState.FOLLOWER, "StreamLost")
    if not facts.leader_reachable:
        return Decision(Act.WAIT, MemberState.FOLLOWER, "LeaderAddressUnknown")
    return Decision(Act.FOLLOW, MemberState.FOLLOWER, "StreamLost" if facts.following else "NotFollowing")
