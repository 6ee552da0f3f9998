"""What a cluster looks like: its status as tables, and as a document for programs."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich import console

from covet.api.status import Condition, InstanceStatus, Lag, LastFailover, Role, ShardStatus, Truth
from covet.cli import arithmetic, screen
from covet.cli.access import Seen
from covet.cli.screen import Cell
from covet.core import names

SLOTS: Final = 16384
"""Slots of the ring."""

_WELL: Final = frozenset({"Serving", "Streaming"})
_ILL: Final = frozenset({"Stopped", "Refused", "Unreachable"})
_BLANK: Final = frozenset({"Empty", "Bootstrapping", "Cloning"})
"""States of a volume without a whole database: what voted from there does so no more."""
_ALARMS: Final = frozenset({"Stalled", "Reconciling"})
"""Conditions that stand only while something is the matter."""
_ROTATED: Final = "Done"
"""Phase of a rotation that is over."""
_ORDERS: Final = {names.switchover_annotation(""): "switchover", names.promote_annotation(""): "promote"}


def document(seen: Seen) -> dict[str, Any]:
    """Return a cluster for programs; `status` is the object's own, as docs/reference/covetcluster.md describes it."""
    return {
        "cluster": seen.name,
        "namespace": seen.namespace,
        "generation": seen.cluster.metadata.generation,
        "fenced": list(seen.fenced),
        "orders": [{"verb": verb, "shard": shard, "instance": to} for verb, shard, to in orders(seen.annotations)],
        "status": seen.body.get("status") or {},
    }


def shards_document(seen: Seen) -> dict[str, Any]:
    """Return the shards of a cluster for programs."""
    whole = document(seen)
    return {
        "cluster": seen.name,
        "namespace": seen.namespace,
        "fenced": whole["fenced"],
        "shards": whole["status"].get("shards") or [],
    }


def orders(annotations: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the orders that stand: verb, shard, instance."""
    for key in sorted(annotations):
        for prefix, verb in _ORDERS.items():
            if key.startswith(prefix):
                yield verb, key.removeprefix(prefix), annotations[key]


def status(seen: Seen, now: dt.datetime) -> Iterator[console.RenderableType]:
    """Yield what `status` shows: the cluster, its shards, its conditions, and what a person should know."""
    yield screen.pairs(_headline(seen))
    found = seen.status
    if found.shards:
        yield ""
        heads = ("SHARD", "PRIMARY", "TERM", "REPLICAS", "SLOTS", "LAST FAILOVER")
        yield screen.columns(heads, (_shard_row(shard, now) for shard in found.shards), wrap="LAST FAILOVER")
    if found.conditions:
        yield ""
        titles = ("CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE")
        yield screen.columns(titles, (_condition_row(entry, now) for entry in found.conditions), wrap="MESSAGE")
    said = list(notes(seen))
    if said:
        yield ""
        yield screen.bullets(said)


def shards(seen: Seen) -> Iterator[console.RenderableType]:
    """Yield what `shards` shows: every instance of every shard."""
    heads = ("SHARD", "INSTANCE", "ROLE", "STATE", "LAG", "VOTES", "NODE")
    rows = [_instance_row(shard, server, seen) for shard in seen.status.shards for server in shard.instances]
    if rows:
        yield screen.columns(heads, rows)
        return
    yield f"The operator has not reported any instance of cluster {seen.name} yet."


def notes(seen: Seen) -> Iterator[Cell]:
    """Yield sentences about what stands out."""
    found, spec = seen.status, seen.cluster.spec
    generation = seen.cluster.metadata.generation
    if found.observed_generation is None:
        yield "The operator has not reported on this cluster yet. Does it run, and does it serve this namespace?"
    elif found.observed_generation != generation:
        yield (
            f"The operator has not seen the newest change yet (generation {generation}, seen:"
            f" {found.observed_generation})."
        )
    if spec.maintenance is not None and spec.maintenance.paused:
        yield "Paused (spec.maintenance.paused): the operator carries nothing out."
    if seen.fenced:
        listed = ", ".join(seen.fenced)
        yield f"Fenced by a person: {listed}. `kubectl covet unfence {seen.name} INSTANCE` lets one back in."
    for verb, shard, instance in orders(seen.annotations):
        yield f"Ordered and not carried out yet: {verb} of {shard} to {instance}."
    if names.ANNOTATION_RESTART in seen.annotations:
        moment = seen.annotations[names.ANNOTATION_RESTART]
        yield f"Ordered and not carried out yet: restart of every instance whose pod is older than {moment}."
    if found.login is not None and found.login.phase not in {None, _ROTATED}:
        yield f"A new password is under way ({found.login.phase}): {found.login.message}"
    for change in found.pending_changes:
        yield f"{change.field} waits ({change.reason}): {change.message}"


def milliseconds(duration: int) -> str:
    """Return a duration for a person: 840 ms, 2.1 s."""
    return f"{duration} ms" if duration < 1000 else f"{duration / 1000:.1f} s"


def _headline(seen: Seen) -> Iterator[tuple[str, Cell]]:
    spec, found = seen.cluster.spec, seen.status
    chosen = found.effective
    instances = chosen.shards.instances if chosen is not None else spec.shards.instances
    durability = chosen.durability if chosen is not None else spec.durability
    each = f" of {instances} instances" if instances is not None else ""
    kept = f", durability {durability.value}" if durability is not None else ""
    plural = "" if spec.shards.count == 1 else "s"
    yield "Cluster", f"{seen.name} in namespace {seen.namespace}"
    yield "Asked for", f"{spec.engine.name.value} {spec.engine.version}, {spec.shards.count} shard{plural}{each}{kept}"
    phase = found.phase or "Unknown"
    yield "Phase", screen.styled(phase, screen.GOOD if phase == "Ready" else screen.DOUBTFUL)
    if found.primaries is not None:
        serving, _, of = found.primaries.partition("/")
        whole = f"{serving} of {of} shards take writes"
        yield "Writes", screen.styled(whole, screen.GOOD if serving == of else screen.BAD)


def _shard_row(shard: ShardStatus, now: dt.datetime) -> tuple[Cell, ...]:
    replicas = [server for server in shard.instances if server.name != shard.primary]
    streaming = sum(1 for server in replicas if server.state == "Streaming")
    counted = f"{streaming}/{len(replicas)} streaming"
    last = shard.last_failover
    return (
        shard.name,
        shard.primary if shard.primary is not None else screen.styled("none", screen.BAD),
        "-" if shard.term is None else str(shard.term),
        counted if streaming == len(replicas) else screen.styled(counted, screen.DOUBTFUL),
        f"{shard.slots} ({shard.slots / SLOTS:.0%})",
        screen.styled("none yet", screen.QUIET)
        if last is None
        else f"{screen.age(last.at, now)} ago {_failover(last)}",
    )


def _failover(last: LastFailover) -> str:
    """Return a failover in few words; the primary since stands in a column of its own."""
    came = f"from {last.from_}: " if last.from_ is not None else ""
    writable = f", {milliseconds(last.writable_ms)}" if last.writable_ms is not None else ""
    return f"{came}{last.reason}{writable}"


def _condition_row(entry: Condition, now: dt.datetime) -> tuple[Cell, ...]:
    good = entry.status is Truth.TRUE and entry.type not in _ALARMS
    style = screen.GOOD if good else screen.DOUBTFUL if entry.status is Truth.UNKNOWN else screen.BAD
    since = screen.age(entry.last_transition_time, now)
    return entry.type, screen.styled(entry.status.value, style), since, entry.reason, entry.message


def _instance_row(shard: ShardStatus, server: InstanceStatus, seen: Seen) -> tuple[Cell, ...]:
    return (
        shard.name,
        server.name,
        screen.styled(server.role.value, screen.HEAD) if server.role is Role.PRIMARY else server.role.value,
        _state(server, fenced=server.name in seen.fenced),
        _lag(server.lag),
        _votes(shard, server),
        server.node or "-",
    )


def _state(server: InstanceStatus, *, fenced: bool) -> Cell:
    if fenced:
        return screen.styled(f"{server.state}, fenced", screen.BAD)
    style = screen.GOOD if server.state in _WELL else screen.BAD if server.state in _ILL else screen.DOUBTFUL
    return screen.styled(server.state, style)


def _lag(lag: Lag | None) -> Cell:
    if lag is None:
        return "-"
    return lag.value if lag is Lag.OK else screen.styled(lag.value, screen.DOUBTFUL)


def _votes(shard: ShardStatus, server: InstanceStatus) -> Cell:
    """Return whether the member on an instance's volume stands in the rule; `-` while nobody knows."""
    sums = arithmetic.count(shard, ())
    if sums is None:
        return "-"
    voter = next((voter for voter in sums.voters if voter.instance == server.name), None)
    return "yes" if voter is not None and voter.state not in _BLANK else "no"
