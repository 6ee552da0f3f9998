"""The facts of the time-critical half of a member: who was heard, who echoed, who would elect.

This half (`watch`, `hearing`, `pulse`, `ballot`) runs alone in the voter process. It reads of the
other half only a `View`, and tells it only a `Report` and, once, that an election was won.
"""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Final

from covet.core.agentapi import Position, Rule
from covet.planner.election.guards import ALL, Guards
from covet.planner.election.timers import NEVER, Timers


class Role(enum.StrEnum):
    """The states of a member; SUSPECT and PREVOTE lie over the quiet ones while they last."""

    BOOT = "Boot"
    FOLLOWER = "Follower"
    SUSPECT = "Suspect"
    PREVOTE = "Prevote"
    CANDIDATE = "Candidate"
    RECRUITED = "Recruited"
    PROMOTING = "Promoting"
    LEADER = "Leader"
    READ_FENCED = "ReadFenced"
    STOPPED = "Stopped"
    RESIGNED = "Resigned"
    REJOIN = "Rejoin"


LEADING: Final = frozenset({Role.PROMOTING, Role.LEADER, Role.READ_FENCED})
QUIET: Final = frozenset({Role.BOOT, Role.FOLLOWER, Role.RECRUITED, Role.STOPPED, Role.RESIGNED, Role.REJOIN})
"""Roles that wait for a leader and may ask for an election."""
FORGETFUL: Final = frozenset({Role.BOOT, Role.STOPPED, Role.RESIGNED})
"""Roles that wait with a margin for drift before they ask."""
DOUBLINGS: Final = 5
"""Of the pause between two failovers that are due to silence: from 10 s to 320 s."""


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """What does not change in a member's life.

    Args:
        me: member name.
        timers: durations; their order was checked when they were made.
        guards: all on, but in tests.
    """

    me: str
    timers: Timers = dataclasses.field(default_factory=Timers)
    guards: Guards = ALL


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """What the agent half told the voter half last. It is told of a promise *before* that is written.

    Args:
        role: of the agent half.
        since: when it entered that role.
        term: the term it leads, 0 while it leads none.
        seq: newest change of the rule, of the led term or confirmed under the followed one.
        flags: of the heartbeats to send; they are sent only in leading roles.
        promise: the highest term promised, durable or on its way to the disk.
        rules: the newest rule; on a leader that changes it, both. Their cohorts vote.
        votes: False while a rewind is unfinished. Whether the vote counts is said by the newest rule that is found.
        following: it streams from the leader of `promise`, on its lineage.
        reach: the last position known, for the order of candidacies only.
        peers: everybody who gets heartbeats.
        retry_at: a failed candidate asks again then, not later.
        parted: the term that this member resigned from, its server reaped, 0 for none.
        parted_open: it had been open.
    """

    role: Role
    since: int
    term: int = 0
    seq: int = 0
    flags: int = 0
    promise: int = 0
    rules: tuple[Rule, ...] = ()
    votes: bool = True
    following: bool = False
    reach: Position | None = None
    peers: tuple[str, ...] = ()
    retry_at: int | None = None
    parted: int = 0
    parted_open: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """The last leader heard, and what was answered.

    Args:
        term, leader: of the last heartbeat that resets suspicion.
        at: when it came.
        refused: since then a dial of that leader was refused, or it said that nobody acknowledges.
        echo_term, echo_at: the last echo sent, the base of read leases.
    """

    term: int = 0
    leader: str = ""
    at: int = NEVER
    refused: bool = False
    echo_term: int = 0
    echo_at: int = NEVER


@dataclasses.dataclass(frozen=True, slots=True)
class Pulse:
    """A leader's heartbeats.

    Args:
        beat_at: when the next one is due.
        echoed: follower -> when the last heartbeat that it echoed was sent.
        strays: member -> a promise above the own term that it answered with.
        confirmed: follower -> newest change of the rule that its echoes carry.
        following: followers that said they stream on this lineage.
    """

    beat_at: int = NEVER
    echoed: Mapping[str, int] = dataclasses.field(default_factory=dict)
    strays: Mapping[str, int] = dataclasses.field(default_factory=dict)
    confirmed: Mapping[str, int] = dataclasses.field(default_factory=dict)
    following: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Ballot:
    """The question before an election.

    Args:
        round: number of the question.
        asked_at: when it was asked, None while nothing is being asked.
        yes: who would elect.
        promise: the highest promise seen.
        ahead: another member's reach is higher than the own.
        elect_at: it was won, and the candidacy starts then.
    """

    round: int = 0
    asked_at: int | None = None
    yes: frozenset[str] = frozenset()
    promise: int = 0
    ahead: bool = False
    elect_at: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Watch:
    """Everything that the voter half holds.

    Args:
        started: when this process started.
        advanced_at: when received log last moved.
        probed_at: when the local server last answered.
        resigned: the highest term whose leader reaped its server and said so.
        farewell: the reason that it gave, for people; empty if it was heard from others.
        reaped: the highest such term that had been open: the read leases up to it are over. One that
            resigned before it opened says nothing about the lease of the term before.
        heir: the named successor that the field is left to, empty for none.
        hold_until: it is left until then.
        finished_term, finished_at: the newest leader heard that was open, and since when.
        lost_at: when the leader before the present one was heard last; `NEVER` if more than silence told of its end.
        held: how many failovers in a row the limit held back.
        jitter: the random number of the last tick, 0 to 999.
    """

    config: Config
    started: int
    view: View
    heard: Heard = dataclasses.field(default_factory=Heard)
    pulse: Pulse = dataclasses.field(default_factory=Pulse)
    ballot: Ballot = dataclasses.field(default_factory=Ballot)
    advanced_at: int = NEVER
    probed_at: int = NEVER
    resigned: int = 0
    farewell: str = ""
    reaped: int = 0
    heir: str = ""
    hold_until: int = NEVER
    finished_term: int = 0
    finished_at: int = NEVER
    lost_at: int = NEVER
    held: int = 0
    jitter: int = 500

    @property
    def limit(self) -> int:
        """The pause, milliseconds, before the next failover that is due to silence.

        It doubles with each one that it held back: leaders that fall silent as soon as they may be replaced
        are no dead leaders, but a mesh that does not carry heartbeats, and changing leaders cures nothing.
        """
        return self.config.timers.limit << min(self.held, DOUBLINGS)


@dataclasses.dataclass(frozen=True, slots=True)
class Leader:
    """A leader was heard that may be followed, or that ends one's own reign."""

    name: str
    term: int
    promoted: bool
    rewind: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Elect:
    """Enough members would elect: become a candidate with a term above `promise`."""

    promise: int


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What a leader's agent half reads of the voter half.

    Args:
        lease_end: reads are surely not stale until then, by the own clock.
        strays: member -> promise above the own term.
        confirmed: follower -> newest confirmed change of the rule.
        following: followers that stream on this lineage.
    """

    lease_end: int
    strays: Mapping[str, int]
    confirmed: Mapping[str, int]
    following: frozenset[str]


def started(config: Config, view: View, now: int) -> Watch:
    """Return the voter half of a process that starts now."""
    return Watch(config=config, started=now, view=view)


def voters(watch: Watch) -> tuple[str, ...]:
    """Return the cohorts of the rules in question, without this member."""
    names = {member for rule in watch.view.rules for member in rule.cohort}
    return tuple(sorted(names - {watch.config.me}))
