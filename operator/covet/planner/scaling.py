"""Who shall vote in a shard, and who leaves it: growth, shrinking and the replacement of lost volumes. Pure.

Every step is the leader's own (I6); here is only what is asked of it. The order of a departure: a leader that
leaves hands over first; then the cohort goes on without the instance; only then may its pod and volume go.
"""

import dataclasses

from covet.core import names
from covet.core.agentapi import AgentStatus, Durability, MemberState, Rule, Serving, ShardSpec
from covet.planner import quorum
from covet.planner.actions import GrowCohort, HandOver, RemoveInstances, ReplaceVolume
from covet.planner.facts import InstanceFacts, ShardFacts

Answer = tuple[InstanceFacts, AgentStatus]


@dataclasses.dataclass(frozen=True)
class Roster:
    """Which instances a shard shall have, and which it still has.

    Args:
        staying: those that shall vote in the end, in their order.
        leaving: those beyond, which are there still.
        acks: W wanted in the end.
    """

    cluster: str
    staying: tuple[str, ...]
    leaving: tuple[str, ...]
    acks: int

    def instance_of(self, member: str) -> str:
        """Return the instance whose volume a member is."""
        return f"{self.cluster}-{member[:-13]}"


def roster(spec: ShardSpec) -> Roster:
    """Return the roster that a spec asks for: of its peers the first ones stay."""
    count = spec.instances or len(spec.peers)
    present = tuple(peer.instance for peer in spec.peers)
    return Roster(spec.cluster, present[:count], present[count:], acks_of(spec))


def acks_of(spec: ShardSpec) -> int:
    """Return the W that a spec asks for once every instance votes."""
    return quorum.acks_for(spec.instances or len(spec.peers), Durability(spec.durability))


def departure(seen: ShardFacts, who: Roster, leader: Answer) -> HandOver | None:
    """Return how a leader that leaves hands over, None if it stays or nobody can take over yet."""
    instance, answer = leader
    if instance.name in who.staying or answer.rule is None:
        return None
    able = [
        (status.lag_bytes or 0, other.name)
        for other, status in seen.answers()
        if other.name in who.staying and status.member in answer.rule.cohort and _streams(status)
    ]
    return HandOver(seen.name, instance.name, min(able)[1]) if able else None


def cohort_order(seen: ShardFacts, who: Roster, leader: Answer, trusted: tuple[str, ...]) -> GrowCohort | None:
    """Return the order that brings the rule nearer to the roster, None if it is there or has to wait.

    A voter that does not answer keeps its vote, and so does a lost volume until its successor streams: a cohort
    never gets smaller by silence.

    Args:
        seen: what was observed of the shard.
        who: its roster.
        leader: instance and answer of its leader.
        trusted: the instances whose volumes belong to this shard.
    """
    instance, answer = leader
    rule = answer.rule
    stays = instance.name in who.staying
    if rule is None or departure(seen, who, leader) is not None:
        return None
    answers = {other.name: status for other, status in seen.answers() if other.name in trusted}
    voters, members = [], set()
    # A leader that leaves and has nobody to hand over to keeps everybody, and takes in a volume that was made anew.
    for name in who.staying if stays else (*who.staying, *who.leaving):
        wanted = {answer.member} if name == instance.name else _members(name, answers.get(name), rule, who)
        if wanted:
            voters.append(name)
            members |= wanted
    acks = min(who.acks if stays else rule.acks, len(voters) // 2)
    if members == set(rule.cohort) and rule.acks == acks:
        return None
    return GrowCohort(seen.name, instance.name, tuple(sorted(voters)), acks)


def _members(name: str, status: AgentStatus | None, rule: Rule, who: Roster) -> set[str | None]:
    """Return whom an instance stands for in the cohort that is wanted: who streams, else who votes for it now."""
    if status is not None and status.member is not None and (_streams(status) or status.member in rule.cohort):
        return {status.member}
    return {member for member in rule.cohort if who.instance_of(member) == name}


def _streams(status: AgentStatus) -> bool:
    return status.state is MemberState.FOLLOWER and status.streaming


def complete(seen: ShardFacts, who: Roster, rule: Rule | None) -> bool:
    """Tell whether exactly the instances of the roster vote, each with the volume that it has, and W is in force."""
    if rule is None or rule.acks != who.acks or len(rule.cohort) != len(who.staying):
        return False
    members = {answer.member for instance, answer in seen.answers() if instance.name in who.staying}
    return members == set(rule.cohort)


def removal(seen: ShardFacts, who: Roster, rule: Rule | None) -> RemoveInstances | None:
    """Return which instances may go: the cohort goes on without them, and W is in force among those that stay."""
    if rule is None or rule.acks > who.acks:
        return None
    voting = {who.instance_of(member) for member in rule.cohort}
    if voting & set(who.leaving) or len(voting) < len(who.staying):
        return None
    gone = tuple(name for name in who.leaving if any(instance.name == name for instance in seen.instances))
    return RemoveInstances(seen.name, gone) if gone else None


def replacement(seen: ShardFacts, who: Roster, leader: Answer) -> ReplaceVolume | None:
    """Return the instance whose lost volume is given up, one at a time, while the others hold everything.

    Only under a leader that lets clients write, and with as many followers streaming as acknowledge and as a majority
    of the cohort needs: then no commit is on the lost volume alone.
    """
    instance, answer = leader
    rule = answer.rule
    if rule is None or answer.serving is not Serving.READ_WRITE:
        return None
    streaming = [status for _, status in seen.answers() if status.member in rule.cohort and _streams(status)]
    if len(streaming) < max(rule.acks, len(rule.cohort) // 2):
        return None
    lost = [other.name for other in seen.instances if other.stranded and other.name in who.staying]
    return ReplaceVolume(seen.name, lost[0]) if lost and lost[0] != instance.name else None


def present(cluster: str, shard: str, wanted: int, existing: set[str], first: int = 0) -> tuple[str, ...]:
    """Return the instances of a shard to look at: those that are wanted, then those beyond that are still there.

    Args:
        cluster: name of the cluster.
        shard: name of the shard.
        wanted: how many instances it shall have.
        existing: instances that have a StatefulSet.
        first: number of the letter of its first instance.
    """
    stay = [names.instance(cluster, shard, names.letter(first + index)) for index in range(wanted)]
    beyond = sorted(existing - set(stay), key=lambda name: (len(name), name))
    return (*stay, *beyond)
