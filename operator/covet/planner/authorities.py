"""Replacing the authority of a cluster while everything that it issued is in use: what comes next. Pure.

The next authority is trusted everywhere before it signs anything, and the former one until nobody shows what it
issued. So no two sides of a handshake ever disagree, however late one of them reads its Secret. One Secret says where
it stands, and every step is one write of it; what a step asks of certificates, clients and agents is found done or
undone in what is observed.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Final

from covet.core import events, names
from covet.core.agentapi import AgentStatus
from covet.planner import findings, outer, routers
from covet.planner.actions import ClusterAction, SettleOrder
from covet.planner.authorityactions import AnnounceAuthority, DropAuthority, SwitchAuthority
from covet.planner.authorityfacts import Authorities, Reign
from covet.planner.facts import ClusterFacts, InstanceFacts

ORDERED_NOTICE: Final = dt.timedelta(minutes=2)
"""For how long an authority that a person ordered is announced: the kubelet brings a Secret into pods in that time."""
SKEW: Final = dt.timedelta(minutes=1)
"""How far in the future a person's moment may lie: clocks differ."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Where the authority of a cluster stands.

    Args:
        message: what is waited for, as a sentence.
        action: what is done next, None for nothing.
    """

    reign: Reign
    message: str
    action: ClusterAction | None = None


def decide(facts: ClusterFacts, now: dt.datetime) -> Verdict | None:
    """Return where the authority stands and the next step, None if there is none that can be used.

    Args:
        facts: what was observed.
        now: wall-clock time; ages are judged by it.
    """
    found = facts.authorities
    if found is None or facts.authority is None or not facts.authority.valid or findings.is_authority_taken(facts):
        return None
    if found.reign is Reign.STEADY:
        return _begin(facts, found, now)
    late = tuple(lagging(facts, now))
    unsigned = outer.holds_up(facts.outer, ordered=_is_ordered(facts, found, now))
    if found.reign is Reign.ANNOUNCED and unsigned is not None:
        late = (unsigned, *late)
    waits = f" It waits for {', '.join(late)}." if late else ""
    if found.reign is Reign.SIGNING:
        message = f"The former authority is trusted until nobody shows what it issued.{waits}"
        return Verdict(found.reign, message, DropAuthority() if not late else None)
    signs = (found.next_made or now) + _notice(facts, found, now)
    message = f"The next authority is trusted beside the present one, and signs from {signs:%Y-%m-%dT%H:%M:%SZ}.{waits}"
    return Verdict(found.reign, message, SwitchAuthority() if not late and now >= signs else None)


def settle(facts: ClusterFacts, now: dt.datetime) -> SettleOrder | None:
    """Return what ends a person's order: it is done, or cannot be understood. None while it stands."""
    text = facts.annotations.get(names.ANNOTATION_REPLACE_AUTHORITY)
    if text is None:
        return None
    moment, annotation, value = moment_in(facts), names.ANNOTATION_REPLACE_AUTHORITY, text.strip()
    if moment is None or moment > now + SKEW:
        message = f"{value!r} is no moment of the past: write one as in RFC 3339, e.g. {now:%Y-%m-%dT%H:%M:%SZ}."
        return SettleOrder("", annotation, value, events.AUTHORITY_REFUSED, message, refused=True)
    found = facts.authorities
    if found is None or found.reign is not Reign.STEADY or found.made < moment:
        return None
    return SettleOrder("", annotation, value, events.ORDER_DONE, f"The authority was made after {value}, as ordered.")


def moment_in(facts: ClusterFacts) -> dt.datetime | None:
    """Return the moment that a person wrote, to the second as certificates tell it; None if it cannot be read."""
    try:
        found = dt.datetime.fromisoformat(facts.annotations.get(names.ANNOTATION_REPLACE_AUTHORITY, "").strip())
    except ValueError:
        return None
    return found.replace(microsecond=0) if found.tzinfo is not None else None


def lagging(facts: ClusterFacts, now: dt.datetime) -> Iterator[str]:
    """Yield whatever does not work yet with what its Secret should hold; who does not answer is among them."""
    for subject in (names.OPERATOR_COMMON_NAME, *(instance.name for instance in _instances(facts))):
        found = facts.certificates.get(subject)
        if found is None or found.due:
            yield f"the certificate of {subject}"
    if routers.unread_certificate(facts, now):
        yield "the routers"
    published = {("ConfigMap", names.trust_config(facts.name)), ("Secret", _user_secret(facts))}
    for kind, _, name in facts.stale:
        if (kind, name) in published:
            yield f"{kind} {name}"
    for instance in _instances(facts):
        found = facts.certificates.get(instance.name)
        if found is not None and not found.due and not _works_with(instance, found.fingerprint):
            yield instance.name


def _begin(facts: ClusterFacts, found: Authorities, now: dt.datetime) -> Verdict:
    ordered = _is_ordered(facts, found, now)
    aged = facts.authority is not None and facts.authority.due
    if ordered or aged:
        why = "was ordered" if ordered else "has a third of its life left"
        return Verdict(found.reign, f"Another authority is announced: this one {why}.", AnnounceAuthority())
    return Verdict(found.reign, "There is one authority.")


def _notice(facts: ClusterFacts, found: Authorities, now: dt.datetime) -> dt.timedelta:
    """Return for how long the next authority is announced at least."""
    return min(found.notice, ORDERED_NOTICE) if _is_ordered(facts, found, now) else found.notice


def _is_ordered(facts: ClusterFacts, found: Authorities, now: dt.datetime) -> bool:
    moment = moment_in(facts)
    return moment is not None and found.made < moment <= now


def _works_with(instance: InstanceFacts, fingerprint: str) -> bool:
    """Return whether an instance works with the certificate of its Secret, or will as soon as it starts."""
    if instance.pod is None or instance.pod.node is None:
        return True
    return isinstance(instance.agent, AgentStatus) and instance.agent.certificates == fingerprint


def _instances(facts: ClusterFacts) -> Iterator[InstanceFacts]:
    return (instance for seen in facts.shards for instance in seen.instances)


def _user_secret(facts: ClusterFacts) -> str:
    owner = facts.identity.born.database.owner if facts.identity is not None else ""
    return names.user_secret(facts.name, owner)
