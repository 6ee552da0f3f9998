"""What a member wants done. Each effect with a ticket is answered once by `events.Done`."""

import dataclasses

from covet.core.agentapi import Rule
from covet.planner.election.messages import Message
from covet.planner.election.rules import Sworn


@dataclasses.dataclass(frozen=True, slots=True)
class Send:
    """Send a message; it may be lost."""

    to: str
    message: Message


@dataclasses.dataclass(frozen=True, slots=True)
class Persist:
    """Write promise.json, whole and durably; answered by `events.Persisted`."""

    sworn: Sworn


@dataclasses.dataclass(frozen=True, slots=True)
class Start:
    """Start the server as a closed follower of nobody."""

    ticket: int


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    """Stop the server at once and reap it: overtakes every other effect on the server."""

    ticket: int


@dataclasses.dataclass(frozen=True, slots=True)
class Fence:
    """Stop receiving, in the order of the design, then read the position; the server may be down."""

    ticket: int
    term: int


@dataclasses.dataclass(frozen=True, slots=True)
class Promote:
    """Promote the closed server to the timeline `term`; the setting of `rule` is in force before."""

    ticket: int
    term: int
    rule: Rule


@dataclasses.dataclass(frozen=True, slots=True)
class Follow:
    """Compare lineages, then follow; reason `Diverged` if this member is off the leader's."""

    ticket: int
    leader: str
    term: int


@dataclasses.dataclass(frozen=True, slots=True)
class Rejoin:
    """Rewind from the leader and start as its closed follower; it may have to be cloned anew."""

    ticket: int
    leader: str
    term: int


@dataclasses.dataclass(frozen=True, slots=True)
class WriteRow:
    """Commit the rule row; answered with the end of its commit as soon as it is flushed here."""

    ticket: int
    rule: Rule


@dataclasses.dataclass(frozen=True, slots=True)
class AwaitRow:
    """Answer once the log is flushed here up to `lsn`, while following `rule.term`."""

    ticket: int
    rule: Rule
    lsn: int


@dataclasses.dataclass(frozen=True, slots=True)
class ApplySetting:
    """Put the rule's synchronous_standby_names in force; restart walsenders that it affects."""

    ticket: int
    rule: Rule


@dataclasses.dataclass(frozen=True, slots=True)
class HandOff:
    """See that `to` is ready and flushes, stop fast until it has the whole log, reap; bounded in time.

    Not ok without reason means that nothing was stopped; should clients be out, a `Serve` lets them in again.
    """

    ticket: int
    to: str
    term: int


@dataclasses.dataclass(frozen=True, slots=True)
class Serve:
    """Let clients read, write, or neither. Without a ticket: the last one counts."""

    reads: bool
    writes: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """A decision worth a log line and an Event: a CamelCase reason and the sentence behind it."""

    reason: str
    message: str


Effect = (
    Send
    | Persist
    | Start
    | Stop
    | Fence
    | Promote
    | Follow
    | Rejoin
    | WriteRow
    | AwaitRow
    | ApplySetting
    | HandOff
    | Serve
    | Note
)
