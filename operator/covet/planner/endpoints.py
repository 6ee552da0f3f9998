"""Where `-rw` should lead, and which role label a pod should carry: publication, never a decision."""

from covet.core import names
from covet.core.agentapi import AgentStatus, MemberState, Serving
from covet.planner import shard
from covet.planner.facts import Endpoint, ShardFacts
from covet.planner.record import ShardRecord


def read_write(seen: ShardFacts, record: ShardRecord | None) -> Endpoint:
    """Return what the EndpointSlice of a shard should hold.

    The leader's own agent writes it first; this heals it by what agents say, and never by an older term than
    the one it was written for. Without an answer from the primary the published address stays for as long as a
    pod of the shard has it: nothing is concluded from silence.
    """
    published = seen.endpoint or Endpoint()
    leader = shard.leader_of(seen, record)
    if leader is not None:
        instance, answer = leader
        term = answer.rule.term if answer.rule is not None else 0
        if term >= published.term:
            pod = instance.pod
            if answer.serving is Serving.READ_WRITE and pod is not None and pod.address and not pod.deleting:
                return Endpoint(pod.address, ready=True, term=term)
            return Endpoint(term=published.term)
    for instance in seen.instances:
        if published.address is None or instance.pod is None or instance.pod.address != published.address:
            continue
        silent = not isinstance(instance.agent, AgentStatus)
        return published if silent else Endpoint(term=published.term)
    return Endpoint(term=published.term)


def roles(seen: ShardFacts, record: ShardRecord | None) -> tuple[tuple[str, str], ...]:
    """Return the role labels that pods lack: (pod, role); an agent that does not answer keeps its label."""
    leader = shard.leader_of(seen, record)
    changes: list[tuple[str, str]] = []
    for instance, answer in seen.answers():
        role = None
        if leader is not None and instance.name == leader[0].name:
            role = names.ROLE_PRIMARY
        elif answer.state is MemberState.FOLLOWER:
            role = names.ROLE_REPLICA
        if role is not None and instance.pod is not None and instance.pod.role != role:
            changes.append((instance.pod.name, role))
    return tuple(changes)
