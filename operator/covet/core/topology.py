"""What agents push to routers: who leads a shard, who follows it how far behind, line by line.

Every line of `GET /v1/topology` is one whole `Topology` as JSON, so that a reader which missed some
needs only the next. An agent tells what it knows itself: whether a leader takes writes only that
leader says, how far a replica is only that replica. `conclude` puts the words of several together.

Additive changes only, as in `agentapi`: new fields have defaults, unknown ones are ignored, and states
are plain words, for a later version may have more of them.
"""

import dataclasses
from collections.abc import Iterable
from typing import Final

ROUTE: Final = "/v1/topology"
VERSION: Final = 1
"""Rises when a field of before changes its meaning; who knows only lower numbers must not use the lines."""
PACE_SECONDS: Final = 1.0
"""An agent says a line at least so often, whether or not it has news."""
SILENT_SECONDS: Final = 3.0
"""A stream without a line for so long is dead: close it, forget its last line, dial again."""
MAX_LINE_BYTES: Final = 32 << 10
"""Longest line, its end included; seven members take about 2,500 bytes."""


@dataclasses.dataclass(frozen=True)
class TopologyLeader:
    """Whom an agent follows as the leader of a term, or that it leads itself.

    Args:
        instance, member: names.
        address, port: where its server listens.
    """

    instance: str
    member: str
    address: str
    port: int


@dataclasses.dataclass(frozen=True)
class TopologyMember:
    """An instance of the shard, and what the speaker knows of it; None is unknown.

    Args:
        address, port: where its server listens.
        member: name of the member that its volume is, empty while unknown.
        votes: it belongs to the cohort of the newest rule known to the speaker.
        state: a word of `agentapi.MemberState`; of the speaker only.
        serving: a word of `agentapi.Serving`; of the speaker only.
        streaming: it receives from its leader; of the speaker, and from a leader of its followers.
        replayed: end of the log that queries there see, in bytes; of the speaker only.
        lag_bytes: log that it has not flushed yet.
        lag_seconds: it shows everything that its leader had flushed so long ago; of the speaker only.
    """

    instance: str
    address: str
    port: int
    member: str = ""
    votes: bool = False
    state: str | None = None
    serving: str | None = None
    streaming: bool | None = None
    replayed: int | None = None
    lag_bytes: int | None = None
    lag_seconds: float | None = None


@dataclasses.dataclass(frozen=True)
class Topology:
    """One line: a shard as one of its agents sees it.

    Args:
        version: `VERSION` of the speaker.
        cluster_uid, shard, shard_uid: whose line this is; lines of other uids are none of the reader's.
        instance: who speaks.
        serial: rises with every line of this agent's process; a new stream replaces what an older one said.
        term: of `leader`; 0 without one. Lines of different agents are ordered by it.
        seq: newest change of that term's rule known to the speaker.
        promise: the highest term that the speaker promised: it acknowledges nothing of a lower one any more.
        leader: None while the speaker neither leads nor follows anybody.
        writes: the speaker is that leader, and clients may write there.
        reads: likewise for reads: not while too few followers echo. A hint: it is no read lease.
        members: all instances of the shard.
        map_epoch: epoch of the newest map that the speaker has seen in its database, None if none.
    """

    version: int
    cluster_uid: str
    shard: str
    shard_uid: str
    instance: str
    serial: int
    term: int = 0
    seq: int = 0
    promise: int = 0
    leader: TopologyLeader | None = None
    writes: bool = False
    reads: bool = False
    members: tuple[TopologyMember, ...] = ()
    map_epoch: int | None = None


@dataclasses.dataclass(frozen=True)
class Outlook:
    """What follows from the lines of a shard's agents.

    Args:
        term: the highest one that has a leader; connections to leaders of lower terms are of no more use.
        leader: of that term, None before the first was heard of.
        writes, reads: by the leader's own last line.
    """

    term: int = 0
    leader: TopologyLeader | None = None
    writes: bool = False
    reads: bool = False


def conclude(lines: Iterable[Topology], known: Outlook = Outlook()) -> Outlook:
    """Return what the newest lines of a shard's agents say together.

    Args:
        lines: the newest of each agent whose stream is alive.
        known: what was concluded before: a term never goes back, and its leader stays known when streams end.
    """
    term, leader = known.term, known.leader
    writes = reads = False
    for line in lines:
        if line.leader is None or line.term < term:
            continue
        if line.term > term:
            term, leader, writes, reads = line.term, line.leader, False, False
        if line.instance == line.leader.instance:
            writes, reads = line.writes, line.reads
    return Outlook(term, leader, writes, reads)
