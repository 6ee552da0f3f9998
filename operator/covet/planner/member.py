"""What the agent does beside the election: whether a server may run at all, and who is let in. Without any I/O.

The rules that hold whatever the facts are (each has a property test):
- a leader lets clients in only while the election core says so and the shard was opened (I4);
- a follower serves reads only while it streams, or lost the stream a moment ago;
- nothing here ever makes or removes a database: that needs an order (I13).
"""

import dataclasses
import enum
from typing import Final

from covet.core.agentapi import MemberState
from covet.planner.election.watch import LEADING, Role

STREAM_LOST_SECONDS: Final = 5.0
"""How long a follower that stopped streaming goes on serving reads; an election is shorter."""
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
    HALT = "Halt"
    """End the member and its server: no server may run here."""
    BEGIN = "Begin"
    """Give the member to the election core."""
    REMAKE = "Remake"
    """Clone the volume anew, as a new member."""
    PART = "Part"
    """Hand over to a successor, else resign: this member may not lead."""
    CLOSE = "Close"
    OPEN = "Open"


@dataclasses.dataclass(frozen=True)
class Facts:
    """A member as it was seen a moment ago.

    Args:
        volume: what the volume holds.
        server: what the server does.
        role: in the election, None before the core has the member.
        writes: the core's last word lets clients in.
        follows: the server's settings point to the leader.
        busy: an order that takes long is under way and owns the server.
        remake: nothing but a new clone brings the volume back.
        may_start: the back-off after the last death of the server is over.
        open: clients are, or may be, let in.
        shard_opened: the operator recorded that clients may enter this shard.
        streaming: the receiver streams from the leader.
        unstreamed_seconds: since when it does not, 0 while it does.
        stalled_seconds: since when a standby receives the log and does not replay it, 0 while it does.
        succeeds: the leader is about to stop for this member.
        stopping: the agent was told to end.
        fenced: a person keeps the instance out of service.
    """

    volume: VolumeState
    server: ServerState
    role: Role | None
    writes: bool
    follows: bool
    busy: bool
    remake: bool
    may_start: bool
    open: bool
    shard_opened: bool
    streaming: bool
    unstreamed_seconds: float
    stalled_seconds: float
    succeeds: bool = False
    stopping: bool = False
    fenced: bool = False


@dataclasses.dataclass(frozen=True)
class Decision:
    """One action, and the state and reason that the status shows meanwhile."""

    act: Act
    state: MemberState
    reason: str


def decide(facts: Facts) -> Decision:
    """Return what the agent does next. Total: every combination of facts has an answer."""
    if facts.volume is VolumeState.REFUSED:
        return Decision(_halt(facts), MemberState.REFUSED, "VolumeRefused")
    if facts.busy or facts.stopping:
        return Decision(Act.WAIT, MemberState.STARTING, "OrderUnderWay" if facts.busy else "Stopping")
    if facts.volume is not VolumeState.BORN:
        reason = "WaitsForOrder" if facts.volume is VolumeState.EMPTY else "DatabaseUnfinished"
        return Decision(_halt(facts), MemberState.EMPTY, reason)
    return _live(facts)


def _live(facts: Facts) -> Decision:
    """Decide for a finished database."""
    if facts.fenced:
        return Decision(Act.PART if facts.role in LEADING else _halt(facts), MemberState.STOPPED, "Fenced")
    if facts.remake:
        return Decision(Act.REMAKE, MemberState.STARTING, "ClonedAnew")
    if facts.role is None:
        return Decision(Act.BEGIN, MemberState.STARTING, "StartingStandby")
    return _serve(facts, facts.role)


def _halt(facts: Facts) -> Act:
    """Where no server may run, one that does is stopped."""
    return Act.WAIT if facts.server is ServerState.DOWN and facts.role is None else Act.HALT


def _serve(facts: Facts, role: Role) -> Decision:
    if role in {Role.LEADER, Role.READ_FENCED}:
        return _lead(facts, role)
    if role is Role.PROMOTING:
        return Decision(Act.WAIT, MemberState.STARTING, "Promoting")
    if facts.server is ServerState.DOWN:
        reason = "StartingStandby" if facts.may_start else "ServerBackOff"
        return Decision(Act.WAIT, MemberState.STOPPED, reason)
    if facts.server is ServerState.STARTING:
        return Decision(Act.WAIT, MemberState.STARTING, "ServerStarting")
    if role is Role.FOLLOWER:
        return _follow(facts)
    late = facts.open and facts.unstreamed_seconds > STREAM_LOST_SECONDS
    return Decision(Act.CLOSE if late else Act.WAIT, MemberState.STARTING, role.value)


def _lead(facts: Facts, role: Role) -> Decision:
    if facts.server is ServerState.DOWN:
        return Decision(Act.WAIT, MemberState.STOPPED, "LeaderDown")
    outside = Act.CLOSE if facts.open else Act.WAIT
    if not facts.shard_opened:
        return Decision(outside, MemberState.LEADER, "ShardNotOpened")
    if not facts.writes:
        # A switchover shuts clients out by itself; what it decided is not undone here.
        return Decision(Act.WAIT, MemberState.LEADER, "HandingOver")
    reason = "Leading" if role is Role.LEADER else "ReadFenced"
    return Decision(Act.WAIT if facts.open else Act.OPEN, MemberState.LEADER, reason)


def _follow(facts: Facts) -> Decision:
    if facts.streaming and facts.follows:
        return _serve_reads(facts)
    reason = "StreamLost" if facts.follows else "NotFollowing"
    late = facts.open and facts.unstreamed_seconds > STREAM_LOST_SECONDS
    return Decision(Act.CLOSE if late else Act.WAIT, MemberState.FOLLOWER, reason)


def _serve_reads(facts: Facts) -> Decision:
    """Decide for a standby that streams from its leader."""
    outside = Act.CLOSE if facts.open else Act.WAIT
    if not facts.shard_opened:
        return Decision(outside, MemberState.FOLLOWER, "ShardNotOpened")
    if facts.succeeds:
        return Decision(outside, MemberState.FOLLOWER, "Succeeding")
    if facts.stalled_seconds > STALLED_SECONDS:
        return Decision(outside, MemberState.FOLLOWER, "ReplayStalled")
    return Decision(Act.WAIT if facts.open else Act.OPEN, MemberState.FOLLOWER, "Following")
