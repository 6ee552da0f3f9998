"""The language between operator and agents, and among agents: orders, requests and what is answered to them.

Each class names the request that it is the body of. The rules of `agentapi` hold: additive changes only.
"""

import dataclasses

from covet.core.agentapi import Ancestor, Rule


@dataclasses.dataclass(frozen=True)
class BootstrapOrder:
    """POST /v1/bootstrap, operator to the instance of the birth record. Answer: AgentStatus.

    Refused unless the volume is empty (or not yet marked born by the same order), the spec names
    this instance and `opened` is False. Done when `state` is Leader.
    """

    cluster_uid: str
    shard_uid: str


@dataclasses.dataclass(frozen=True)
class CloneOrder:
    """POST /v1/clone, operator to an instance with an empty volume. Answer: AgentStatus.

    Args:
        leader: instance to copy from.
        system_id: the shard's system identifier; another one at the source is refused.
    """

    leader: str
    system_id: str


@dataclasses.dataclass(frozen=True)
class JoinRequest:
    """POST /v1/join, agent to the leader's agent: make my role and my slot. Answer: JoinAnswer.

    Args:
        leave: make nothing; I ask for leave to wipe this member and to come back as a new one. Refused unless the
            leader is seated, enough other copies are up to date, and nobody else was given leave a moment ago.
        early: answer once your promotion is over, for which you wait a few seconds.
    """

    instance: str
    member: str
    leave: bool = False
    early: bool = False


@dataclasses.dataclass(frozen=True)
class JoinAnswer:
    """What a joining member needs before it may follow: it promises `rule.term` first.

    Args:
        rule: of the leader's reign; its row may not be confirmed yet.
        timeline: of the leader's server, 0 if it does not say.
        flushed: end of the leader's flushed log, in bytes; None if it does not say. Who holds more of the
            same timeline must not follow (I8).
        history: the timelines before it, oldest first; the last one ends at the fork. Who holds log past the
            end of one of them must not follow either.
        oldest: where the oldest log begins that the leader still has, in bytes.
        leave: the member may be wiped now; an agent that does not know the question never says so.
    """

    rule: Rule
    system_id: str
    timeline: int = 0
    flushed: int | None = None
    history: tuple[Ancestor, ...] = ()
    oldest: int = 0
    leave: bool = False


@dataclasses.dataclass(frozen=True)
class CheckpointRequest:
    """POST /v1/checkpoint, agent to the leader's agent: I rewind from you. Answer: CheckpointAnswer.

    Refused unless the leader reigns in this very term.
    """

    term: int


@dataclasses.dataclass(frozen=True)
class PrepareOrder:
    """POST /v1/prepare, leader's agent to its successor's: I am about to stop for you. Answer: PrepareAnswer.

    Refused unless that leader is followed in that very term, and this member could lead soon.

    Args:
        leader: member name of the caller.
        term: the one that it leads.
    """

    leader: str
    term: int


@dataclasses.dataclass(frozen=True)
class PrepareAnswer:
    """The member has shut its clients out and keeps the log of the others; it waits for the farewell a few seconds."""

    member: str


@dataclasses.dataclass(frozen=True)
class CheckpointAnswer:
    """The leader's control file says its timeline now; pg_rewind goes by that.

    Args:
        timeline, flushed, history: as in JoinAnswer.
        oldest: where the oldest log begins that the leader still has, in bytes.
    """

    timeline: int
    flushed: int
    history: tuple[Ancestor, ...]
    oldest: int


@dataclasses.dataclass(frozen=True)
class CohortOrder:
    """POST /v1/cohort, operator to the leader: work towards this cohort. Answer: the rule in force.

    The leader takes one step per call (I6) and refuses a step that is not safe yet, with the
    reason; the operator asks again.

    Args:
        instances: instances that shall vote, the leader included.
        acks: the W wanted in the end.
    """

    instances: tuple[str, ...]
    acks: int


@dataclasses.dataclass(frozen=True)
class SwitchoverOrder:
    """POST /v1/switchover, operator to the leader: hand over to this instance. Answer: AgentStatus.

    Refused unless the instance votes and streams close behind. Done when the new leader's status says so.
    """

    to: str


@dataclasses.dataclass(frozen=True)
class PromoteOrder:
    """POST /v1/promote, operator to the instance that shall lead though a quorum is missing. Answer: AgentStatus.

    Args:
        accept_loss: a person accepts that acknowledged commits may be lost; anything else is refused.
    """

    accept_loss: bool


@dataclasses.dataclass(frozen=True)
class OpenOrder:
    """POST /v1/open, operator to the leader, after the birth record says `opened`. Answer: AgentStatus."""

    shard_uid: str


@dataclasses.dataclass(frozen=True)
class DatabaseOrder:
    """PUT /v1/database, operator to the leader: this database and owner exist. Answer: AgentStatus.

    Args:
        verifier: SCRAM-SHA-256 verifier as pg_authid stores it; the password itself never travels. Empty: the owner
            does not log in itself, and a new one is made without a password.
    """

    name: str
    owner: str
    verifier: str


@dataclasses.dataclass(frozen=True)
class LoginOrder:
    """PUT /v1/login, operator to the leader: this login role of the owner has this password. Answer: AgentStatus.

    Args:
        login: one of the owner's two login roles.
        verifier: as in DatabaseOrder, never empty.
    """

    owner: str
    login: str
    verifier: str


@dataclasses.dataclass(frozen=True)
class RetireOrder:
    """POST /v1/retire, operator to the leader: nobody logs in as this role any more. Answer: AgentStatus.

    Refused while a session of the leader's server uses it. What it owns becomes the owner's.

    Args:
        database: name of the application's database.
        login: a login role of the owner, or the owner itself.
    """

    database: str
    owner: str
    login: str


@dataclasses.dataclass(frozen=True)
class SealOrder:
    """POST /v1/seal, operator to the leader: let nothing be made in the application's database. Answer: AgentStatus.

    Refused, and nothing is sealed, if the database holds something, or a transaction that began before does not end.

    Args:
        epoch: of the map that the shard is sealed for.
        leaves: the shard owns nothing in that map: sessions of clients are ended and no new ones let in, too.
    """

    epoch: int
    leaves: bool = False


@dataclasses.dataclass(frozen=True)
class UnsealOrder:
    """POST /v1/unseal, operator to the leader: clients may make things again. Answer: AgentStatus."""


@dataclasses.dataclass(frozen=True)
class InsideRequest:
    """POST /v1/inside, operator to the leader: look into the application's database. Answer: Inside."""


@dataclasses.dataclass(frozen=True)
class Inside:
    """What the application's database holds that belongs to its owner.

    Args:
        sealed: epoch of the map that it is sealed for, None if it is not.
        holdings: the first tables, sequences, large objects, prepared transactions and other databases, in words;
            empty if there is none.
        busy: who has had a transaction open for a second and more, in words; empty if nobody has.
        shut: no session of a client is let in.
    """

    sealed: int | None = None
    holdings: tuple[str, ...] = ()
    busy: str = ""
    shut: bool = False


@dataclasses.dataclass(frozen=True)
class MapOrder:
    """PUT /v1/map, operator to the leader: store this map if its epoch is newer. Answer: AgentStatus.

    Args:
        document: the map as JSON text, byte for byte as published.
        seal: the database has to be sealed like this, and is now if it is not; None if a map is stored as it is.
    """

    epoch: int
    document: str
    seal: SealOrder | None = None
