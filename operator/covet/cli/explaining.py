"""Why a shard stands where it stands: its last decision, the arithmetic, and what would change it."""

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

from rich import console

from covet.api.status import LastFailover, ShardStatus
from covet.cli import arithmetic, screen, views
from covet.cli.access import Seen
from covet.cli.arithmetic import Arithmetic, Need, Voter
from covet.cli.screen import Cell

_LACKS: Final = {
    "Follower": "not streaming",
    "Starting": "starting",
    "Cloning": "being copied",
    "Bootstrapping": "being made",
    "Stopped": "stopped",
    "Unreachable": "silent",
    "Refused": "refused by its agent",
    "Pending": "no pod yet",
    "Empty": "empty volume",
    "Gone": "its volume was replaced",
}
"""Why a member in this state does not count, in a person's words."""


def document(seen: Seen, shard: ShardStatus) -> dict[str, Any]:
    """Return the explanation for programs; `arithmetic` is null while the rule is not known."""
    sums = arithmetic.count(shard, seen.fenced)
    raw = shard.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {
        "cluster": seen.name,
        "namespace": seen.namespace,
        "shard": shard.name,
        "primary": shard.primary,
        "decision": raw.get("decision"),
        "lastFailover": raw.get("lastFailover"),
        "rule": raw.get("rule"),
        "arithmetic": None
        if sums is None
        else {"election": _need_document(sums.election), "commit": _need_document(sums.commit)},
        "changes": [str(line) for line in changes(seen, shard, sums)],
    }


def explain(seen: Seen, shard: ShardStatus, now: dt.datetime) -> Iterator[console.RenderableType]:
    """Yield what `why` shows."""
    sums = arithmetic.count(shard, seen.fenced)
    yield screen.pairs(_story(seen, shard, sums, now))
    if sums is not None:
        yield ""
        heads = ("MEMBER", "INSTANCE", "STATE", "REASON", "PROMISED", "CAN PROMISE", "FLUSHES")
        promises = {member.member: member.promise for member in shard.members if member.member is not None}
        yield screen.columns(heads, (_voter_row(voter, promises.get(voter.member)) for voter in sums.voters))
    yield ""
    yield screen.styled("What would change it", screen.HEAD)
    yield screen.bullets(changes(seen, shard, sums))


def changes(seen: Seen, shard: ShardStatus, sums: Arithmetic | None) -> Iterator[Cell]:
    """Yield what would change where the shard stands, most urgent first."""
    if sums is None:
        yield "Nothing can be said: the status holds no rule of this shard; it comes once a member answers."
    else:
        yield from _election_changes(seen, shard, sums)
        yield from _commit_changes(shard, sums)
        for name in sums.outside:
            yield f"{name} has no vote: the leader lets it vote once it streams and is at most 16 MiB behind."
    for name in seen.fenced:
        if any(server.name == name for server in shard.instances):
            yield f"`kubectl covet unfence {seen.name} {name}` lets {name} back."
    for verb, ordered, instance in views.orders(seen.annotations):
        if ordered == shard.name:
            yield f"A {verb} to {instance} is ordered and not carried out yet."


def _story(seen: Seen, shard: ShardStatus, sums: Arithmetic | None, now: dt.datetime) -> Iterator[tuple[str, Cell]]:
    yield "Shard", f"{shard.name} of {seen.name} in namespace {seen.namespace}"
    term = "" if shard.term is None else f", term {shard.term}"
    yield "Primary", screen.styled("none", screen.BAD) if shard.primary is None else f"{shard.primary}{term}"
    decided = shard.decision
    if decided is None:
        yield "Decision", screen.styled("none told yet", screen.QUIET)
    else:
        yield "Decision", f"{decided.reason}, {screen.age(decided.at, now)} ago: {decided.message}"
    if shard.last_failover is not None:
        yield "Failover", _failover(shard.last_failover, now)
    if sums is None:
        return
    rule = sums.rule
    leader = next((voter.shown for voter in sums.voters if voter.leads), rule.leader)
    yield "Rule", f"term {rule.term}, change {rule.seq}: {leader} leads, {len(rule.cohort)} vote, W = {rule.acks}"
    yield "Election", _election(sums)
    yield "Commit", _commit(sums, serving=shard.primary is not None)


def _failover(last: LastFailover, now: dt.datetime) -> str:
    came = f"{last.from_} -> {last.to}" if last.from_ is not None else f"to {last.to}"
    phases = (
        ("detect", last.detect_ms),
        ("fence", last.fence_ms),
        ("promote", last.promote_ms),
        ("writable after", last.writable_ms),
    )
    took = ", ".join(f"{phase} {views.milliseconds(span)}" for phase, span in phases if span is not None)
    lost = "" if last.discarded is None else f"; {screen.bytes_of(last.discarded)} of log discarded"
    return f"{last.reason}, {screen.age(last.at, now)} ago: {came}{': ' if took else ''}{took}{lost}"


def _election(sums: Arithmetic) -> Cell:
    size, need = len(sums.rule.cohort), sums.election
    if size == 1:
        return "one member: it leads again when it is back, and nobody else can"
    majority = f"a majority ({size // 2 + 1})"
    why = majority if sums.rule.acks == 0 else f"the larger of {majority} and {size} - W ({size - sums.rule.acks})"
    return _counted(f"{need.needed} of {size} promises elect, {why}; {len(need.present)} can promise", need)


def _commit(sums: Arithmetic, *, serving: bool) -> Cell:
    need = sums.commit
    if need.needed == 0:
        return "the primary acknowledges alone: a failover may lose what no follower has"
    rule = f"the primary and {need.needed} of {need.of} followers flush before it is acknowledged"
    if not serving:
        return screen.styled(f"{rule}; there is no primary", screen.BAD)
    return _counted(f"{rule}; {len(need.present)} {'flushes' if len(need.present) == 1 else 'flush'} now", need)


def _counted(text: str, need: Need) -> Cell:
    """Return the text in the colour of how much is left."""
    return text if need.spare > 0 else screen.styled(text, screen.BAD if need.spare < 0 else screen.DOUBTFUL)


def _election_changes(seen: Seen, shard: ShardStatus, sums: Arithmetic) -> Iterator[Cell]:
    need = sums.election
    if len(sums.rule.cohort) == 1:
        if need.spare < 0:
            yield f"{_missing(need)}: the shard waits for it."
        return
    if need.spare < 0:
        lacking = f"{-need.spare} more of: {_missing(need)}"
        if shard.primary is None:
            yield f"A primary is elected as soon as there is {lacking}."
            call = f"kubectl covet promote {seen.name} --shard {shard.name} --instance INSTANCE --accept-loss"
            yield f"If they are lost for good: `{call}`. It loses what only they hold."
        else:
            yield f"If {shard.primary} fails now, nobody is elected: that takes {lacking}."
        return
    if need.spare == 0:
        yield f"One more member lost, and nobody can be elected. Not there: {_missing(need)}."
        return
    yield f"Elections survive the loss of {_number(need.spare)} more."


def _commit_changes(shard: ShardStatus, sums: Arithmetic) -> Iterator[Cell]:
    need = sums.commit
    if shard.primary is None or need.needed == 0:
        return
    if need.spare < 0:
        yield f"Writes wait for {-need.spare} more of: {_missing(need)}."
    elif need.spare == 0:
        absent = f" Not there: {_missing(need)}." if need.absent else ""
        yield f"One more follower lost, and writes wait.{absent}"
    else:
        yield f"Writes survive the loss of {_number(need.spare)} more follower{'' if need.spare == 1 else 's'}."


def _missing(need: Need) -> str:
    return ", ".join(f"{voter.shown} ({_lacks(voter)})" for voter in need.absent)


def _lacks(voter: Voter) -> str:
    return "fenced" if voter.fenced else _LACKS.get(voter.state, voter.state)


def _voter_row(voter: Voter, promise: int | None) -> tuple[Cell, ...]:
    return (
        voter.member,
        voter.instance or "-",
        voter.state if voter.promises else screen.styled(voter.state, screen.BAD),
        voter.reason or "-",
        "-" if promise is None else str(promise),
        "yes" if voter.promises else screen.styled("no", screen.BAD),
        "-" if voter.leads else "yes" if voter.flushes else screen.styled("no", screen.BAD),
    )


def _need_document(need: Need) -> dict[str, Any]:
    return {
        "needed": need.needed,
        "of": need.of,
        "present": [voter.shown for voter in need.present],
        "absent": [voter.shown for voter in need.absent],
        "spare": need.spare,
    }


def _number(count: int) -> str:
    return {1: "one", 2: "two", 3: "three"}.get(count, str(count))
