"""The quorum arithmetic of a shard, for a person: what a commit and an election need, and who is there for it.

Pure. It counts what the operator saw and the status says; the members count for themselves and
may see each other where the operator does not.
"""

import dataclasses
from typing import Final

from covet.api.status import InstanceStatus, MemberStatus, Role, RuleStatus, ShardStatus
from covet.planner import quorum

_PROMISES: Final = frozenset({"Leader", "Follower", "Starting", "Stopped"})
"""States in which a member can promise a term: it holds a database and its agent answers. The server may be down."""


@dataclasses.dataclass(frozen=True)
class Voter:
    """One member of the cohort.

    Args:
        member: its name.
        instance: whose volume it is, as far as can be said; None if that instance holds another member by now.
        state: what its agent says, `Gone` where an instance holds another one in its place.
        reason: the fact behind the state, empty if there is none.
        leads: whether the rule names it as leader.
        promises: whether it can promise a term, so that it counts in an election.
        flushes: whether it flushes what the leader commits now.
        fenced: whether a person keeps it out of service.
    """

    member: str
    instance: str | None
    state: str
    reason: str
    leads: bool
    promises: bool
    flushes: bool
    fenced: bool = False

    @property
    def shown(self) -> str:
        """Return the name by which a person knows it."""
        return self.instance or self.member


@dataclasses.dataclass(frozen=True)
class Need:
    """So many are needed of those that can be asked, and so many are there.

    Args:
        needed: how many.
        of: how many there are in the rule.
        present: those that count now.
        absent: those that do not.
    """

    needed: int
    of: int
    present: tuple[Voter, ...]
    absent: tuple[Voter, ...]

    @property
    def spare(self) -> int:
        """Return how many more may be lost; negative if so many are missing."""
        return len(self.present) - self.needed


@dataclasses.dataclass(frozen=True)
class Arithmetic:
    """What the rule of a shard asks for.

    Args:
        election: promises that elect a leader, of the whole cohort.
        commit: followers that must flush a commit, of all followers.
        outside: instances that hold no vote.
    """

    rule: RuleStatus
    voters: tuple[Voter, ...]
    election: Need
    commit: Need
    outside: tuple[str, ...]


def count(shard: ShardStatus, fenced: tuple[str, ...]) -> Arithmetic | None:
    """Return the arithmetic of a shard, None while its rule is not known or impossible.

    Args:
        shard: as the status has it.
        fenced: instances that a person keeps out of service; they flush nothing that counts.
    """
    rule = shard.rule
    if rule is None or not 0 <= rule.acks < len(rule.cohort):
        return None
    servers = {instance.name: instance for instance in shard.instances}
    voters = tuple(_voter(name, rule, _holder(name, shard), servers, fenced) for name in rule.cohort)
    followers = tuple(voter for voter in voters if not voter.leads)
    voting = {voter.instance for voter in voters}
    return Arithmetic(
        rule=rule,
        voters=voters,
        election=_need(quorum.recruit_size(len(rule.cohort), rule.acks), voters, [voter.promises for voter in voters]),
        commit=_need(rule.acks, followers, [voter.flushes for voter in followers]),
        outside=tuple(name for name in servers if name not in voting),
    )


def _holder(name: str, shard: ShardStatus) -> MemberStatus | None:
    """Return what is known of the instance that a member is on; one that does not answer is known by its name.

    A member's name is `<shard>-<letters>-<volume>`, its instance's `<cluster>-<shard>-<letters>`.
    """
    place = f"-{name.rpartition('-')[0]}"
    for found in shard.members:
        if found.member == name or (found.member is None and found.instance.endswith(place)):
            return found
    return None


def _voter(
    name: str,
    rule: RuleStatus,
    member: MemberStatus | None,
    servers: dict[str, InstanceStatus],
    fenced: tuple[str, ...],
) -> Voter:
    leads = name == rule.leader
    if member is None:
        return Voter(name, None, "Gone", "", leads, promises=False, flushes=False)
    server = servers.get(member.instance)
    streams = server is not None and server.role is Role.REPLICA and server.state == "Streaming"
    return Voter(
        member=name,
        instance=member.instance,
        state=member.state,
        reason=member.reason or "",
        leads=leads,
        promises=member.member is not None and member.state in _PROMISES,
        flushes=streams and member.instance not in fenced,
        fenced=member.instance in fenced,
    )


def _need(needed: int, voters: tuple[Voter, ...], counts: list[bool]) -> Need:
    pairs = list(zip(voters, counts, strict=True))
    return Need(
        needed=needed,
        of=len(voters),
        present=tuple(voter for voter, there in pairs if there),
        absent=tuple(voter for voter, there in pairs if not there),
    )
