"""What a member is told: what happened, what was seen, what was ordered. Past tense or nouns."""

import dataclasses

from covet.core.agentapi import Position
from covet.planner.election.messages import Message
from covet.planner.election.rules import Sworn


@dataclasses.dataclass(frozen=True, slots=True)
class Tick:
    """Time passed. Sent at least every 50 ms; `jitter` is a fresh random number from 0 to 999."""

    jitter: int


@dataclasses.dataclass(frozen=True, slots=True)
class Received:
    """A message came; its sender is the subject of the connection."""

    message: Message


@dataclasses.dataclass(frozen=True, slots=True)
class Refused:
    """A dial was refused or a connection reset by a host that is up: its processes are gone."""

    member: str


@dataclasses.dataclass(frozen=True, slots=True)
class Probed:
    """The local server answered a probe."""


@dataclasses.dataclass(frozen=True, slots=True)
class Advanced:
    """The end of the received log moved."""


@dataclasses.dataclass(frozen=True, slots=True)
class ServerDied:
    """The server process ended by itself; parts of it may still run."""


@dataclasses.dataclass(frozen=True, slots=True)
class WalSenders:
    """What a leader's server says about its walsenders.

    Args:
        replied: members whose walsender had a reply since the last such event.
        caught_up: those that are streaming and less than a segment behind.
    """

    replied: frozenset[str]
    caught_up: frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Progressed:
    """A promotion under way moved."""


@dataclasses.dataclass(frozen=True, slots=True)
class Persisted:
    """promise.json with this content is on disk."""

    sworn: Sworn


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """The answer to an effect with a ticket: exactly one, unless a later `Stop` overtook it.

    Args:
        ok: it is done.
        position: of a fence: the position that was read, None if it could not be.
        lsn: of a rule row: the end of its commit.
        reason: `Diverged` from `Follow`; `Stopped` from `HandOff` if the server is gone though it failed.
    """

    ticket: int
    ok: bool
    position: Position | None = None
    lsn: int = 0
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Peers:
    """The instances of the shard, of the spec; the own name may be among them."""

    members: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class ResignOrder:
    """Stand down: SIGTERM, a failed disk probe, a full disk."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class SwitchoverOrder:
    """Hand over to a member that streams."""

    to: str


@dataclasses.dataclass(frozen=True, slots=True)
class CohortOrder:
    """Work towards this cohort and W; one step, then the order is given again."""

    cohort: tuple[str, ...]
    acks: int


@dataclasses.dataclass(frozen=True, slots=True)
class PromoteOrder:
    """A person accepts loss: elect this member from whoever answers, under a cohort of those."""


Event = (
    Tick
    | Received
    | Refused
    | Probed
    | Advanced
    | ServerDied
    | WalSenders
    | Progressed
    | Persisted
    | Done
    | Peers
    | ResignOrder
    | SwitchoverOrder
    | CohortOrder
    | PromoteOrder
)
