"""What to do next to a whole cluster: pure and total, one reason.

The birth record comes before everything else, then what pods need in order to start
(certificates, the owner's Secret, the map), then the objects, then the shards, each on its own.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator

from covet.api.spec import WhenUnsafe
from covet.core import events, names
from covet.planner import (
    adoption,
    endpoints,
    findings,
    forcing,
    layout,
    orders,
    outer,
    record,
    reshaping,
    rollout,
    rotation,
    routers,
    shard,
    upkeep,
    volumes,
)
from covet.planner.actions import (
    Action,
    AdoptIdentity,
    ApplyObjects,
    ClusterAction,
    CreateAuthority,
    CreateMap,
    CreateUser,
    IssueCertificates,
    LabelRoles,
    RecordIdentity,
)
from covet.planner.facts import ClusterFacts, Finding, ObjectKey
from covet.planner.plan import ROUTINE, PendingChange, Plan, ShardPlan
from covet.planner.record import Identity


def plan_cluster(facts: ClusterFacts, now: dt.datetime) -> Plan:
    """Decide what to do next.

    Args:
        facts: what was observed in this round.
        now: wall-clock time; certificates are judged by it and nothing else is.
    """
    if facts.deleting:
        return Plan((), events.DELETING, "The object is being deleted; its objects go with it.")
    finding = _refusal(facts)
    if finding is not None:
        return Plan((), finding.reason, finding.message, findings=(finding,))
    if facts.identity is None or facts.identity.owner_uid != facts.uid:
        return _begin(facts)
    planned, verdicts = rollout.arrange(facts, facts.identity, tuple(_plan_shards(facts, facts.identity, now)), now)
    turn = rotation.decide(facts, facts.identity)
    shards = tuple(_with_orders(facts, facts.identity, plan) for plan in planned)
    shape = reshaping.decide(facts, facts.identity)
    pending = (
        *_edits(facts, facts.identity),
        *reshaping.pending(facts, facts.identity, shape),
        *rollout.pending(facts, verdicts, now),
        *routers.pending(facts),
    )
    growing = volumes.is_growing(pending)
    wrong = (
        *facts.problems,
        *facts.taken.values(),
        *findings.of_authority(facts, now),
        *outer.findings(facts, now),
        *findings.of_map(facts),
        *volumes.findings(facts),
        *routers.findings(facts),
        *(found for plan in shards for found in plan.findings),
    )
    held = _held(facts, facts.identity, now)
    if held is not None:
        if facts.paused:
            pending = (*pending, *_paused_work(facts, shards, turn))
        still = tuple(_without_actions(plan) for plan in shards)
        return dataclasses.replace(held, shards=still, findings=wrong, pending=pending)
    actions = (*_foundation(facts), *_publish(facts))
    kept_up = tuple(upkeep.plan(facts, now, turn))
    reason, message = _waits_for((*actions, *kept_up), shards)
    changes = reshaping.is_under_way(shape)
    if reason == events.SETTLED and changes:
        reason, message = reshaping.CHANGING, shape.message
    starting = routers.waiting(facts)
    if reason == events.SETTLED and starting is not None:
        reason, message = routers.STARTING, starting
    if reason == events.SETTLED and growing is not None:
        reason, message = growing.reason, growing.message
    growth = volumes.growth(facts)
    beside = (growth,) if growth is not None else ()
    kept_up = (*kept_up, *shape.actions)
    lasts = changes or growing is not None or starting is not None
    return Plan(actions, reason, message, shards, wrong, pending, beside, kept_up, lasts)


def _held(facts: ClusterFacts, identity: Identity, now: dt.datetime) -> Plan | None:
    """Return the little that is done where shards get no orders, with the reason; None if they do."""
    if facts.paused:
        # What is there goes on: certificates are renewed and what leads to primaries is kept true.
        actions = (*upkeep.replace(facts), *_publish(facts, _kept_while_paused))
        kept_up: tuple[Action, ...] = (*upkeep.renew(facts), *upkeep.repeat(facts, _kept_while_paused))
        message = "maintenance.paused: nothing is changed but certificates and endpoints."
        return Plan(actions, events.PAUSED, message, upkeep=kept_up)
    if facts.problems:
        # Servers are left alone; whatever they and their clients need otherwise is healed.
        actions = (*_foundation(facts), *_publish(facts, _kept_while_invalid))
        kept_up = (*upkeep.trust(facts, now), *upkeep.repeat(facts, _kept_while_invalid))
        return Plan(actions, facts.problems[0].reason, facts.problems[0].message, upkeep=kept_up)
    if facts.taken and all(known.system_id is None for known in identity.shards):
        # Nothing is born yet: a cluster that cannot be whole is not begun.
        found = next(iter(facts.taken.values()))
        return Plan((), found.reason, found.message)
    return None


def _paused_work(
    facts: ClusterFacts, shards: tuple[ShardPlan, ...], turn: rotation.Verdict | None
) -> Iterator[PendingChange]:
    """Say what the end of the pause will bring."""
    objects = [f"{kind} {name}" for kind, _, name in facts.stale if not _kept_while_paused((kind, "", name))]
    steps = [f"{plan.name}: {type(action).__name__}" for plan in shards for action in plan.actions]
    steps += [type(action).__name__ for action in turn.actions] if turn is not None else []
    if objects or steps:
        waiting = ", ".join((*objects, *steps))
        yield PendingChange("spec.maintenance.paused", events.PAUSED, f"Waits for the end of the pause: {waiting}.")


def _kept_while_paused(key: ObjectKey) -> bool:
    return key[0] == "EndpointSlice"


def _kept_while_invalid(key: ObjectKey) -> bool:
    """Return whether an object says nothing about how servers run."""
    return key[0] != "StatefulSet" and not (key[0] == "ConfigMap" and key[2].endswith("-config"))


def _anything(_key: ObjectKey) -> bool:
    return True


def _refusal(facts: ClusterFacts) -> Finding | None:
    """Return why this object must not be touched at all, None if it may be."""
    if facts.identity_problem is not None:
        return facts.identity_problem
    if facts.identity is not None and facts.identity.owner_uid != facts.uid:
        return adoption.refusal(facts, facts.identity)
    if facts.identity is None and any(seen.published is not None or seen.answers() for seen in facts.shards):
        return Finding(
            events.IDENTITY_CONTRADICTED,
            f"The cluster runs, but the ConfigMap {names.identity(facts.name)} with its birth records is gone. Put it"
            " back from a copy; nothing is touched until then.",
            stalls=True,
            subject=f"ConfigMap/{names.identity(facts.name)}",
        )
    return None


def _begin(facts: ClusterFacts) -> Plan:
    """Make the record this object's: a new one, or that of an earlier object whose volumes it takes over."""
    if facts.problems or facts.spec is None:
        found = (
            facts.problems[0]
            if facts.problems
            else Finding(events.SPEC_INVALID, "The spec cannot be read.", stalls=True)
        )
        return Plan((), found.reason, found.message, findings=facts.problems or (found,))
    if facts.paused:
        return Plan((), events.PAUSED, "maintenance.paused: nothing is made.")
    if facts.identity is not None:
        action = AdoptIdentity(facts.identity.cluster_uid, facts.identity.owner_uid)
        return Plan((action,), "IdentityKept", "Taking over what an earlier cluster of this name left.")
    nothing = adoption.missing(facts)
    if nothing is not None:
        return Plan((), nothing.reason, nothing.message, findings=(nothing,))
    identity = record.conceive(facts.name, facts.uid, facts.spec)
    return Plan((RecordIdentity(identity),), "IdentityUnrecorded", "Recording who the cluster is.")


def _edits(facts: ClusterFacts, identity: Identity) -> tuple[PendingChange, ...]:
    if facts.spec is None:
        return ()
    fixed = layout.pending(facts.spec, identity.born)
    return (*fixed, *adoption.pending(facts.spec, identity), *volumes.pending(facts))


def _plan_shards(facts: ClusterFacts, identity: Identity, now: dt.datetime) -> Iterator[ShardPlan]:
    for seen in facts.shards:
        known = identity.shard(seen.name)
        wanted = facts.wanted_specs.get(seen.name)
        if known is None or wanted is None:
            yield ShardPlan(seen.name, (), "Unrecorded", f"{seen.name} has no birth record.")
            continue
        login = facts.credentials.username if facts.credentials is not None else identity.born.database.owner
        separate = login if login != identity.born.database.owner else None
        wish = shard.Wish(wanted, identity.born.database.name, facts.ring_map, facts.password, separate)
        mode = facts.spec.failover.when_unsafe if facts.spec is not None else WhenUnsafe.WAIT
        case = forcing.Case(seen, known, wish.roster, mode)
        yield forcing.arrange(shard.plan_shard(seen, known, wish), case, now)


def _with_orders(facts: ClusterFacts, identity: Identity, plan: ShardPlan) -> ShardPlan:
    """Put what people ordered before what is planned: the rest of the plan is made anew once it is done."""
    known, kept_out = identity.shard(plan.name), orders.fenced(facts.annotations)
    seen = next(found for found in facts.shards if found.name == plan.name)
    if known is None:
        return plan
    for order in orders.read(facts.annotations):
        if order.shard != seen.name:
            continue
        answer = orders.decide(order, seen, known, kept_out)
        if isinstance(answer, str):
            return dataclasses.replace(plan, reason="OrderWaits", message=answer, settled=False)
        return dataclasses.replace(plan, actions=(answer,), settled=False)
    return plan


def _without_actions(plan: ShardPlan) -> ShardPlan:
    return ShardPlan(plan.name, (), plan.reason, plan.message, settled=plan.settled, findings=plan.findings)


def _foundation(facts: ClusterFacts) -> Iterator[ClusterAction]:
    """What pods need before they can start: without it no shard is touched, for a pod that ends would not come back."""
    lost = facts.authority is None and bool(facts.certificates)
    if facts.authority is None and not lost and not findings.is_authority_taken(facts):
        yield CreateAuthority()
        yield IssueCertificates(tuple(upkeep.due_certificates(facts)))
    else:
        yield from upkeep.replace(facts)
    if not facts.user_secret and not lost and not _is_user_taken(facts):
        yield CreateUser()
    map_free = ("ConfigMap", facts.namespace, names.ring_map(facts.name)) not in facts.taken
    decided = facts.identity.epoch if facts.identity is not None else 1
    published = facts.ring_map.epoch if facts.ring_map is not None else 0
    if published < decided and map_free and findings.newest_epoch(facts) <= decided:
        # Until shards can be moved there is one map, made from the record: the same text again.
        yield CreateMap()


def _is_user_taken(facts: ClusterFacts) -> bool:
    owner = facts.identity.born.database.owner if facts.identity is not None else ""
    return ("Secret", facts.namespace, names.user_secret(facts.name, owner)) in facts.taken


def _publish(facts: ClusterFacts, keep: Callable[[ObjectKey], bool] = _anything) -> Iterator[ClusterAction]:
    """What differs from what it should be, as far as it is kept true now, and which labels pods lack."""
    stale = tuple(key for key in facts.stale if keep(key))
    if stale:
        yield ApplyObjects(stale)
    identity = facts.identity
    roles = tuple(
        change
        for seen in facts.shards
        for change in endpoints.roles(seen, identity.shard(seen.name) if identity is not None else None)
    )
    if roles:
        yield LabelRoles(roles)


def _waits_for(actions: tuple[Action, ...], shards: tuple[ShardPlan, ...]) -> tuple[str, str]:
    for plan in shards:
        if plan.settled:
            continue
        if plan.reason == events.SETTLED:
            # In place, with something left to hand over: a spec, a map, a database.
            kinds = ", ".join(type(action).__name__ for action in plan.actions) or "findings"
            return "Updating", f"{plan.name}: every instance is in its place; left to do: {kinds}."
        return plan.reason, f"{plan.name}: {plan.message}"
    if any(not isinstance(action, ROUTINE) for action in actions):
        return "Repairing", f"Bringing objects back to what they should be: {_listed(actions)}."
    return events.SETTLED, "Every instance is where it should be."


def _listed(actions: tuple[Action, ...]) -> str:
    return ", ".join(type(action).__name__ for action in actions)
