"""A change of the number or the weights of the shards, while no table exists in any of them: what comes next. Pure.

Slots change their owner without a row being moved, which is right only while there is none. So shards that are added
are made first, beside those that serve; then every shard is sealed, under which nothing can be made, and found empty;
only then is the next map decided, in one write of the birth record. Before that write everything is taken back;
after it, it only goes forward: the map to every shard, the seals off, the record to the shards that are there now,
and what left is taken away. Each step is found done or undone in what is observed.
"""

import dataclasses
from collections.abc import Iterator
from typing import Final

from covet.core import events
from covet.core.agentorders import Inside
from covet.planner import findings, layout, shapes
from covet.planner import shard as shards
from covet.planner.actions import Action
from covet.planner.facts import ClusterFacts, ShardFacts
from covet.planner.plan import PendingChange
from covet.planner.record import Change, Identity
from covet.planner.shapeactions import (
    BeginChange,
    CancelChange,
    DecideChange,
    EndChange,
    RemoveShard,
    SealShard,
    UnsealShard,
)

CHANGING: Final = events.SHARDS_CHANGE
"""Why a change of the shards is listed that is under way, or waits for a shard."""
REFUSED: Final = layout.RESHARDING
"""Why one is listed that would have to move rows."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Where a change of the shards stands.

    Args:
        reason: of the entries in `pendingChanges`; empty if there is nothing to list.
        message: what is done or waited for, as a sentence; empty if nothing is.
        actions: next; those of one round depend on none of each other.
    """

    reason: str = ""
    message: str = ""
    actions: tuple[Action, ...] = ()


def concerns(facts: ClusterFacts, identity: Identity) -> bool:
    """Return whether a look into the databases is needed: a change is wanted, or under way."""
    return identity.change is not None or (facts.spec is not None and shapes.wished(facts.spec) != identity.layout)


def decide(facts: ClusterFacts, identity: Identity) -> Verdict:
    """Return where a change of the shards stands and what is done next."""
    verdict = _verdict(facts, identity)
    left = tuple(RemoveShard(name) for name, stands in facts.left.items() if stands)
    message = verdict.message
    if facts.left and not message:
        message = f"What is left of the earlier {', '.join(facts.left)} goes."
    return dataclasses.replace(verdict, message=message, actions=(*verdict.actions, *left))


def is_under_way(verdict: Verdict) -> bool:
    """Return whether something changes, and its end is looked for."""
    return bool(verdict.message) and verdict.reason != REFUSED


def pending(facts: ClusterFacts, identity: Identity, verdict: Verdict) -> Iterator[PendingChange]:
    """Yield what of the wanted shards is not in force."""
    if not verdict.reason:
        return
    fields = layout.of_shards(facts.spec, identity.born) if facts.spec is not None else ()
    for field in fields or ("spec.shards",):
        yield PendingChange(field, verdict.reason, verdict.message)


def _verdict(facts: ClusterFacts, identity: Identity) -> Verdict:
    change = identity.change
    if change is not None and change.decided:
        return _forward(facts, identity, change)
    wish = shapes.wished(facts.spec) if facts.spec is not None else identity.layout
    held = _holdings(facts)
    if change is not None:
        if change.shards != wish or held:
            why = held or "The shards were asked for otherwise meanwhile."
            return _back(facts, identity, change, why)
        return _prepare(facts, identity, change)
    strays = tuple(_unsealed(facts, identity))
    if wish == identity.layout:
        return Verdict(message="A seal that nobody needs is taken off." if strays else "", actions=strays)
    verdict = Verdict(REFUSED, held) if held else _consider(facts, identity, wish)
    return dataclasses.replace(verdict, actions=strays) if strays else verdict


def _holdings(facts: ClusterFacts) -> str:
    """Say what rows there may be, empty if there is none as far as is known."""
    full = [
        f"{seen.name} holds {', '.join(seen.inside.holdings)}"
        for seen in facts.shards
        if seen.inside is not None and seen.inside.holdings
    ]
    if not full:
        return ""
    return (
        f"Keys cannot be moved between shards until resharding exists, and {'; '.join(full)}. The shards stay as they"
        " are. Put the old value back; or make a new cluster and move the data; or drop what is named, and the change"
        " is made."
    )


def _consider(facts: ClusterFacts, identity: Identity, wish: shapes.Layout) -> Verdict:
    """Begin a change that is wanted, once every shard says that it is empty."""
    waits = _obstacle(facts, identity)
    if waits:
        return Verdict(CHANGING, f"The shards change once every one of them is in order: {waits}")
    begin = BeginChange(Change(identity.epoch + 1, wish))
    return Verdict(CHANGING, "No shard holds anything; the change begins.", (begin,))


def _obstacle(facts: ClusterFacts, identity: Identity) -> str:
    if facts.left:
        return f"what is left of the earlier {', '.join(facts.left)} goes first."
    if (
        facts.ring_map is None
        or facts.ring_map.epoch != identity.epoch
        or findings.newest_epoch(facts) > identity.epoch
    ):
        return f"the published map is not the one of epoch {identity.epoch}."
    return next((sentence for seen in facts.shards if (sentence := _lacks(identity, seen, identity.epoch))), "")


def _lacks(identity: Identity, seen: ShardFacts, epoch: int) -> str:
    """Say what a shard lacks before it can be sealed, empty if nothing."""
    known, leader = identity.shard(seen.name), _leader(identity, seen)
    if known is None or not known.opened or leader is None:
        return f"{seen.name} has no primary that serves yet."
    if seen.inside is None:
        return f"the primary of {seen.name} does not say what its database holds."
    if seen.inside.busy:
        return f"in {seen.name}, {seen.inside.busy}."
    if (_stored(identity, seen) or 0) < epoch:
        return f"{seen.name} has not stored the map of epoch {epoch} yet."
    return ""


def _prepare(facts: ClusterFacts, identity: Identity, change: Change) -> Verdict:
    """Seal every shard once all are in order; decide once all are sealed and empty."""
    waits = next((sentence for seen in facts.shards if (sentence := _lacks(identity, seen, identity.epoch))), "")
    if waits:
        return Verdict(CHANGING, f"Before the next map is decided: {waits}", tuple(_unsealed(facts, identity)))
    gone = shapes.leaving(identity, change)
    seals = tuple(
        seal for seen in facts.shards for seal in _sealed(identity, seen, change.epoch, leaves=seen.name in gone)
    )
    if seals:
        which = ", ".join(seal.shard for seal in seals)
        return Verdict(CHANGING, f"Nothing can be made in {which} for a moment, until the next map is decided.", seals)
    message = f"No shard holds anything; the map of epoch {change.epoch} is decided."
    return Verdict(CHANGING, message, (DecideChange(change),))


def _back(facts: ClusterFacts, identity: Identity, change: Change, why: str) -> Verdict:
    """Give a change up: seals off, clients out of what it made, and then the record forgets it."""
    reason, made = REFUSED if _holdings(facts) else CHANGING, shapes.added(identity, change)
    steps: list[Action] = [*_unsealed(facts, identity, keep=made)]
    waits: list[str] = []
    for seen in facts.shards:
        known = identity.shard(seen.name)
        if seen.name in made and (known is None or not known.opened):
            continue  # nobody was ever let in
        if seen.inside is None:
            waits.append(f"the primary of {seen.name} has to answer")
        elif seen.name in made and seen.inside.holdings:
            waits.append(f"{seen.name}, which was made for it, has to be empty to go")
        elif seen.name in made:
            steps.extend(_sealed(identity, seen, change.epoch, leaves=True))
    if waits:
        why = f"{why} Before the change is given up, {'; '.join(waits)}."
    return Verdict(reason, why, tuple(steps) if steps or waits else (CancelChange(change),))


def _forward(facts: ClusterFacts, identity: Identity, change: Change) -> Verdict:
    """Finish a change that was decided: the map to all, seals off, and the record knows the shards that there are."""
    gone = shapes.leaving(identity, change)
    behind = [seen for seen in facts.shards if (_stored(identity, seen) or 0) < change.epoch]
    names = [seen.name for seen in behind]
    steps: list[Action] = [*_unsealed(facts, identity, keep=(*names, *gone))]
    leave = [seen for seen in facts.shards if seen.name in gone]
    if not behind:
        steps += [seal for seen in leave for seal in _sealed(identity, seen, change.epoch, leaves=True)]
    message = f"The map of epoch {change.epoch} is decided."
    full = [
        f"{seen.name} holds {', '.join(seen.inside.holdings)}"
        for seen in {seen.name: seen for seen in (*behind, *leave)}.values()
        if seen.inside is not None and seen.inside.holdings
    ]
    if full:
        message += (
            f" {'; '.join(full)}: made after a failover that lost what the shard had confirmed. Drop it, and the change"
            " goes on."
        )
    elif behind:
        message += f" {', '.join(names)} has to store it."
    elif any(seen.inside is None for seen in facts.shards):
        message += " Every primary has to say that its seal is off."
    elif not steps:
        return Verdict(CHANGING, f"{message} Every shard has stored it.", (EndChange(change),))
    return Verdict(CHANGING, message, tuple(steps))


def _sealed(identity: Identity, seen: ShardFacts, epoch: int, *, leaves: bool) -> Iterator[SealShard]:
    """Yield what seals a shard that is empty as far as is known, unless it is sealed."""
    leader, inside = _leader(identity, seen), seen.inside
    if leader is None or inside is None or inside.holdings or is_sealed(inside, epoch, leaves=leaves):
        return
    yield SealShard(seen.name, leader, epoch, leaves)


def is_sealed(inside: Inside, epoch: int, *, leaves: bool) -> bool:
    """Return whether a database is empty and stays so until its seal for an epoch is taken off."""
    return inside.sealed == epoch and not inside.holdings and (inside.shut or not leaves)


def _unsealed(facts: ClusterFacts, identity: Identity, keep: tuple[str, ...] = ()) -> Iterator[UnsealShard]:
    """Yield what takes the seals off, also those that nobody asked for."""
    for seen in facts.shards:
        leader = _leader(identity, seen)
        if leader is None or seen.name in keep:
            continue
        told = any(answer.sealed is not None for instance, answer in seen.answers() if instance.name == leader)
        if told or (seen.inside is not None and seen.inside.sealed is not None):
            yield UnsealShard(seen.name, leader)


def _leader(identity: Identity, seen: ShardFacts) -> str | None:
    leader = shards.leader_of(seen, identity.shard(seen.name))
    return leader[0].name if leader is not None else None


def _stored(identity: Identity, seen: ShardFacts) -> int | None:
    """Return the epoch of the map that the leader of a shard has stored."""
    leader = shards.leader_of(seen, identity.shard(seen.name))
    return leader[1].map_epoch if leader is not None else None
