"""What is wrong, for people: silent agents, foreign or lost volumes, stopped servers, the authority, the map. Pure."""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from covet.core import events, names
from covet.core.agentapi import AgentStatus, MemberState
from covet.planner.facts import ClusterFacts, Finding, InstanceFacts, ShardFacts, Unreachable
from covet.planner.record import ShardRecord

STARTING: Final = "StartingStandby"
"""What the agent of an instance says that starts its server at once: nobody has to look at it."""
FENCED: Final = "Fenced"
"""What the agent of an instance says that a person keeps out of service."""
QUIET_STOPS: Final = frozenset({STARTING, FENCED})
"""Reasons of a stopped server that nobody has to look at."""

AUTHORITY_WARNING = dt.timedelta(days=90)
"""Time left of the authority at which a person is told, for one of ten years; of a shorter life a sixth."""

Answer = tuple[InstanceFacts, AgentStatus]


def is_foreign(answer: AgentStatus, record: ShardRecord) -> bool:
    """Return whether the volume says itself that it belongs to another shard."""
    return answer.shard_uid not in {None, record.uid}


def of_shard(seen: ShardFacts, record: ShardRecord) -> Iterator[Finding]:
    """Yield what is wrong with a shard and its instances."""
    for instance in seen.instances:
        if instance.problem is not None:
            yield instance.problem
        if instance.pod is not None and instance.pod.problem is not None:
            yield instance.pod.problem
        if isinstance(instance.agent, Unreachable):
            yield from _silent(instance, instance.agent)
        if isinstance(instance.agent, AgentStatus):
            yield from _doubtful(instance, instance.agent, record)
    yield from _unusable(seen)
    yield from _unroutable(seen)


def _silent(instance: InstanceFacts, agent: Unreachable) -> Iterator[Finding]:
    if agent.seconds >= events.WARN_UNREACHABLE_AFTER:
        # No figure in the sentence: what changes by itself would be written again every round.
        yield Finding(
            events.AGENT_UNREACHABLE,
            f"The agent of {instance.name} does not answer ({agent.message}). Look at the pod's log, its node and"
            " the NetworkPolicies; running databases go on without the operator.",
            subject=f"Pod/{instance.name}-0",
        )


def _unusable(seen: ShardFacts) -> Iterator[Finding]:
    """Say which servers cannot go by the parameters they are given; one sentence for all with the same trouble."""
    found: dict[str, list[str]] = {}
    for instance, answer in seen.answers():
        if answer.parameter_problem is not None:
            found.setdefault(answer.parameter_problem.strip(), []).append(instance.name)
    for problem, instances in found.items():
        stop = "" if problem.endswith(".") else "."
        yield Finding(
            events.PARAMETERS_UNUSABLE,
            f"The servers of {', '.join(instances)} cannot go by spec.engine.parameters and stay with the last that"
            f" they could: {problem}{stop} Correct the parameters.",
            stalls=True,
            subject=f"Pod/{instances[0]}-0",
        )


def _unroutable(seen: ShardFacts) -> Iterator[Finding]:
    """Say it when the slice behind `-rw` takes no addresses of the family that the pods have: that never changes."""
    family = seen.endpoint.family if seen.endpoint is not None else None
    other = {"IPv4": "IPv6", "IPv6": "IPv4"}.get(family or "")
    strange = [found.name for found in seen.instances if other is not None and _family(found) == other]
    if strange:
        yield Finding(
            events.FAMILY_DIFFERS,
            f"The EndpointSlice of `-rw` of {seen.name} takes {family} addresses, and the pods of {', '.join(strange)}"
            f" have {other} ones. Delete the slice, and the Service if its family is the old one: both are made anew.",
        )


def _family(instance: InstanceFacts) -> str | None:
    address = instance.pod.address if instance.pod is not None else None
    return None if address is None else "IPv6" if ":" in address else "IPv4"


def _doubtful(instance: InstanceFacts, answer: AgentStatus, record: ShardRecord) -> Iterator[Finding]:
    subject = f"Pod/{instance.name}-0"
    if answer.state is MemberState.REFUSED:
        yield Finding(
            events.VOLUME_FOREIGN,
            f"{instance.name} refuses its volume ({answer.reason}): {answer.message} Nothing on it was touched."
            " Move the data away or delete the claim, then delete the pod.",
            stalls=True,
            subject=subject,
        )
    elif is_foreign(answer, record):
        yield Finding(
            events.VOLUME_FOREIGN,
            f"{instance.name} holds a database of another shard (uid {answer.shard_uid}; this one is {record.uid})."
            " Nothing on it was touched. Move the data away or delete the claim, then delete the pod.",
            stalls=True,
            subject=subject,
        )
    elif answer.system_id is not None and record.system_id not in {None, answer.system_id}:
        yield Finding(
            events.VOLUME_FOREIGN,
            f"{instance.name} holds a database with system id {answer.system_id}; this shard has {record.system_id}."
            " Nothing on it was touched. Move the data away or delete the claim, then delete the pod.",
            stalls=True,
            subject=subject,
        )
    elif answer.system_id is not None and record.system_id is None and instance.name != record.bootstrapped_by:
        yield Finding(
            events.IDENTITY_CONTRADICTED,
            f"{instance.name} holds a database, but the record of {record.name} knows of no birth: the identity"
            " ConfigMap was lost or replaced. Put back its content from a copy; nothing is touched until then.",
            stalls=True,
            subject=subject,
        )
    elif answer.state is MemberState.STOPPED and answer.reason not in QUIET_STOPS:
        yield Finding(
            events.SERVER_STOPPED,
            f"The server of {instance.name} does not run ({answer.reason}): {answer.message}",
            subject=subject,
        )


def two_leaders(seen: ShardFacts, leaders: tuple[Answer, ...]) -> Finding:
    """Return what is said of a shard that two instances lead at once."""
    found = ", ".join(instance.name for instance, _ in leaders)
    return Finding(
        events.TWO_LEADERS,
        f"{found} say at once that they lead {seen.name}. Nothing is done; save the volumes and report this.",
        stalls=True,
    )


def lost_birth(seen: ShardFacts, record: ShardRecord, leaders: tuple[Answer, ...]) -> Finding | None:
    """Say it when the volume that was initialised is empty again, nobody leads, and nobody who answers has the data."""
    if record.system_id is None or leaders:
        return None
    if record.opened and any(answer.member and not is_foreign(answer, record) for _, answer in seen.answers()):
        return None  # what is left of the shard elects a leader, or says what it lacks for that
    for instance, answer in seen.answers():
        if instance.name == record.bootstrapped_by and answer.state is MemberState.EMPTY:
            what = "its clients' data is on no instance that answered" if record.opened else "no client was let in yet"
            return Finding(
                events.BIRTH_VOLUME_LOST,
                f"The volume of {instance.name} is empty, though {record.name} was initialised there, and no instance"
                f" leads ({what}). A shard is never initialised twice: bring the volume back, or delete the cluster"
                " with its kept objects and make it anew.",
                stalls=True,
                subject=f"Pod/{instance.name}-0",
            )
    return None


def of_authority(facts: ClusterFacts, now: dt.datetime) -> Iterator[Finding]:
    """Yield what is wrong with the certificate authority of a cluster."""
    subject = f"Secret/{names.authority_secret(facts.name)}"
    if facts.authority is None and facts.certificates:
        yield Finding(
            events.AUTHORITY_INVALID,
            f"The Secret {names.authority_secret(facts.name)} is gone, and certificates that it issued are in use. Put"
            " it back from a copy. Without one, delete all Secrets of this cluster whose names end in -tls as well: a"
            " new authority is made, and instances and clients trust each other again once all have taken it up.",
            stalls=True,
            subject=subject,
        )
    if facts.authority is None or is_authority_taken(facts):
        return
    if not facts.authority.valid:
        yield Finding(
            events.AUTHORITY_INVALID,
            f"The Secret {names.authority_secret(facts.name)} holds no valid authority. Put it back from a copy;"
            " certificates are not renewed until then.",
            stalls=True,
            subject=subject,
        )
    elif now >= facts.authority.ends - min(AUTHORITY_WARNING, (facts.authority.life or AUTHORITY_WARNING * 6) / 6):
        yield Finding(
            events.AUTHORITY_EXPIRING,
            f"The certificate authority of the cluster ends on {facts.authority.ends:%Y-%m-%d}, and the next one does"
            " not sign yet: status.authority says what it waits for.",
            subject=subject,
        )


def is_authority_taken(facts: ClusterFacts) -> bool:
    """Return whether somebody else has the name of the Secret of the authority."""
    return ("Secret", facts.namespace, names.authority_secret(facts.name)) in facts.taken


def of_map(facts: ClusterFacts) -> Iterator[Finding]:
    """Say it when the published map is gone and cannot be made from the record, because it is older than a shard."""
    epoch, decided = newest_epoch(facts), facts.identity.epoch if facts.identity is not None else 1
    if facts.ring_map is None and epoch > decided:
        yield Finding(
            events.MAP_LOST,
            f"The ConfigMap {names.ring_map(facts.name)} is gone or damaged, and the shards hold epoch {epoch}, which"
            " the birth record does not know. Write it anew from the newest row of covet.map of any shard.",
            stalls=True,
            subject=f"ConfigMap/{names.ring_map(facts.name)}",
        )


def newest_epoch(facts: ClusterFacts) -> int:
    """Return the newest epoch of the map that a shard holds, 0 for none."""
    return max((answer.map_epoch or 0 for seen in facts.shards for _, answer in seen.answers()), default=0)
