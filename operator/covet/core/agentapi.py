"""The language between operator and agents, and among agents: what is said of shards, members and instances.

Orders, requests and their answers are in `agentorders`.
Frozen dataclasses of the standard library; `covet.peers` and the agent's server turn them
into JSON at the edge (field names in camelCase there). Additive changes only: an operator
speaks to agents of the version before its own, so every new field has a default and
unknown fields are ignored.
"""

import dataclasses
import enum

PROTOCOL = 1
"""Version of this language. An agent answers it in its status; an operator refuses a newer one."""


class MemberState(enum.StrEnum):
    """What an instance is doing, as its agent sees it."""

    EMPTY = "Empty"
    """The volume holds no database; it waits for an order to bootstrap or to clone."""
    BOOTSTRAPPING = "Bootstrapping"
    """initdb and the first rule row are under way."""
    CLONING = "Cloning"
    """A base backup from the leader is being copied."""
    STARTING = "Starting"
    """The server is starting or recovering; it serves nobody yet."""
    FOLLOWER = "Follower"
    """A standby of the leader."""
    LEADER = "Leader"
    """The one instance of the shard that may accept writes."""
    STOPPED = "Stopped"
    """The server does not run; the reason says why."""
    REFUSED = "Refused"
    """The agent will not touch this volume or identity; a person has to decide."""


class Serving(enum.StrEnum):
    """Who may use the server at this moment."""

    CLOSED = "Closed"
    READ_ONLY = "ReadOnly"
    READ_WRITE = "ReadWrite"


class Durability(enum.StrEnum):
    """When a commit is acknowledged."""

    QUORUM = "Quorum"
    """After a quorum of followers has flushed it."""
    ASYNC = "Async"
    """After the primary has flushed it: a failover may lose it."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """Who leads a shard, who votes, and how many followers must flush a commit.

    Rules are ordered by (term, seq).

    Args:
        term: number of the leader's reign, from 1.
        seq: number of the change within the term, from 1.
        leader: member name of the leader.
        cohort: member names of everybody who votes, the leader included, sorted.
        acks: W, the followers that must flush before a commit is acknowledged; 0 <= W < len(cohort).
    """

    term: int
    seq: int
    leader: str
    cohort: tuple[str, ...]
    acks: int


@dataclasses.dataclass(frozen=True)
class Peer:
    """One instance of the shard, and where it can be reached.

    Args:
        instance: name of the instance, also the common name of its certificate.
        address: DNS name or IP address; its certificate names it.
    """

    instance: str
    address: str
    agent_port: int
    voter_port: int
    sql_port: int


@dataclasses.dataclass(frozen=True)
class ShardSpec:
    """What the operator wants of one shard; the same text for all of its instances.

    The agents keep the newest generation on their volumes and boot from it when the API
    server and the operator are away.

    Args:
        generation: rises with every change; a lower one is ignored.
        shard_uid: made once per shard, kept in the identity ConfigMap.
        bootstrapped_by: the instance that runs initdb, once in the shard's life.
        opened: True once clients were let in; from then on nobody runs initdb again (I13).
        parameters: server settings that the user asked for, already checked.
        instances: how many of `peers`, the first ones, shall vote in the end; the others leave. 0 means all.
        owner_uid: of the CovetCluster that took the volumes over, None if the one of `cluster_uid` still has them.
        fenced: instances that a person keeps out of service, sorted: their servers do not run and they do not vote.
    """

    generation: int
    cluster: str
    cluster_uid: str
    namespace: str
    shard: str
    shard_uid: str
    engine_version: str
    bootstrapped_by: str
    opened: bool
    durability: Durability
    peers: tuple[Peer, ...]
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)
    max_slot_wal_keep_bytes: int = 1 << 30
    fenced: tuple[str, ...] = ()
    instances: int = 0
    owner_uid: str | None = None


@dataclasses.dataclass(frozen=True)
class Position:
    """How far a member's write-ahead log reaches; compared by (term, lsn)."""

    term: int
    lsn: int


@dataclasses.dataclass(frozen=True)
class Ancestor:
    """A timeline that a log came from: it ends at `lsn`, in bytes, and a later one goes on from there."""

    timeline: int
    lsn: int


@dataclasses.dataclass(frozen=True)
class FollowerLink:
    """A follower as its leader sees it.

    Args:
        state: `streaming`, `catchup`, `startup`, ... of pg_stat_replication, or `absent`.
        lag_bytes: leader's flushed end minus the follower's flushed end; None while absent.
        synchronous: True if its flush counts for acknowledgements.
    """

    member: str
    state: str
    lag_bytes: int | None
    synchronous: bool


@dataclasses.dataclass(frozen=True)
class Login:
    """A role that the application logs in as: the owner of its database, or one of the owner's login roles.

    Args:
        allowed: it may log in.
        used: a session on this server logged in as it.
    """

    role: str
    allowed: bool
    used: bool


@dataclasses.dataclass(frozen=True)
class Task:
    """Long work under way: how far it is.

    Args:
        kind: `Bootstrap`, `Clone` or `Restart`.
        done_bytes: bytes copied so far.
        total_bytes: bytes to copy, 0 while unknown.
    """

    kind: str
    done_bytes: int = 0
    total_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class LastFailover:
    """How a member came to lead an opened shard; it tells of the last time that clients were let in here to write.

    Args:
        at: RFC 3339, when clients could write.
        reason: a CamelCase fact: what ended the reign before.
        former: instance that led before, None if nobody is known.
        to: instance that leads since.
        detect_ms: from the last sign of the former leader to this member's candidacy, None if that one said farewell.
        fence_ms: from there until enough members had promised and stopped receiving.
        promote_ms: from there until the server was on the term's timeline.
        writable_ms: in all, from the last sign (else from the candidacy) until clients could write.
        former_member: the member that `former` was then; if its volume is lost, nobody knows what was discarded.
    """

    at: str
    reason: str
    former: str | None
    to: str
    term: int
    detect_ms: int | None = None
    fence_ms: int | None = None
    promote_ms: int | None = None
    writable_ms: int | None = None
    former_member: str | None = None


@dataclasses.dataclass(frozen=True)
class Decided:
    """A decision of the election that stands until the next one.

    Args:
        at: RFC 3339.
        reason: a CamelCase fact; `message` is the sentence for a person.
    """

    at: str
    reason: str
    message: str


@dataclasses.dataclass(frozen=True)
class Discarded:
    """Log that this member gave up to rejoin the leader of a term: no leader ever had it.

    Args:
        size: bytes.
    """

    term: int
    size: int


@dataclasses.dataclass(frozen=True)
class AgentStatus:
    """Everything the operator knows about an instance, answered by its agent.

    Args:
        member: name of the member that this volume is, None while the volume is empty.
        incarnation: UUID made with the volume's database; a new volume is a new member.
        reason: CamelCase fact behind `state`; `message` is the sentence for a person.
        system_id: PostgreSQL's system identifier, decimal, None without a database.
        promise: the highest term this member promised; it never acknowledges a lower one.
        rule: the newest rule confirmed here (flushed and in promise.json).
        streaming: a follower: its receiver is connected to the leader. A leader: False.
        lag_bytes: a follower: the leader's last known end minus what is flushed here; else None.
        lag_seconds: a follower: it shows everything that its leader had flushed so many seconds ago, by the
            leader's heartbeats; up to 1 at rest. None for others, and before a heartbeat told.
        followers: a leader: its followers; else empty.
        database: name of the application database once it and its owner exist; leader only.
        map_epoch: epoch of the newest row of covet.map in the database, None before.
        spec_generation: generation of the ShardSpec this agent works by.
        pending_restart: settings that wait for a restart of the server.
        parameter_problem: why the server does not go by the parameters of the spec; it then goes by the last
            ones that it could. None if it does.
        shard_uid: uid of the shard that the volume belongs to, None while it is empty. The operator takes a
            database of another uid than its record's for foreign, whatever else the agent says.
        last_failover: the last one that ended here; the newest term of a shard's members tells the shard's.
        decided: what the election here decided last.
        discarded: what was given up at the last rejoin since the agent started, None without one.
        quorum_missing: while too few members can be reached for an election: how many it takes and who is not there.
        applied_generation: generation of the newest spec that the server was brought in line with, as far as that
            goes without a restart and `parameter_problem` lets it; None if the agent does not say.
        volume_problem: why the volume takes no writes in time, a CamelCase word; empty while it does.
        logins: the database's owner and its login roles, as far as they exist; None if the server did not say.
        certificates: fingerprint of `ca.crt` and `tls.crt` that API, voter, server and replication all work with.
        sealed: epoch of the map that the application's database says to be sealed for, None if it says nothing.
    """

    protocol: int
    agent_version: str
    instance: str
    state: MemberState
    reason: str
    message: str
    serving: Serving
    member: str | None = None
    incarnation: str | None = None
    system_id: str | None = None
    server_version: str | None = None
    promise: int = 0
    rule: Rule | None = None
    position: Position | None = None
    streaming: bool = False
    lag_bytes: int | None = None
    followers: tuple[FollowerLink, ...] = ()
    database: str | None = None
    map_epoch: int | None = None
    spec_generation: int = 0
    pending_restart: tuple[str, ...] = ()
    task: Task | None = None
    shard_uid: str | None = None
    parameter_problem: str | None = None
    last_failover: LastFailover | None = None
    decided: Decided | None = None
    discarded: Discarded | None = None
    quorum_missing: str = ""
    applied_generation: int | None = None
    volume_problem: str = ""
    logins: tuple[Login, ...] | None = None
    lag_seconds: float | None = None
    certificates: str = ""
    sealed: int | None = None


@dataclasses.dataclass(frozen=True)
class Problem:
    """Body of every error answer (HTTP 4xx and 5xx)."""

    reason: str
    message: str
