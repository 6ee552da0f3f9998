"""Orders as annotations: what each verb writes, and what it refuses because it can only go wrong.

Pure. The operator judges an order again by what it sees then; here only that is refused which no
operator would carry out, so that a slip of the keyboard is told at once.
"""

from collections.abc import Callable, Mapping
from typing import Any

from covet.api.status import ShardStatus
from covet.cli import arithmetic, failures
from covet.cli.access import Seen
from covet.core import names

Changes = Mapping[str, str | None]
Decision = Callable[[Seen], Changes]


def switchover(shard_name: str, to: str) -> Decision:
    """Return how a planned switchover is ordered; nothing if the instance leads and no other order stands."""

    def decide(seen: Seen) -> Changes:
        shard = seen.shard(shard_name)
        require_instance(shard, to)
        key = names.switchover_annotation(shard_name)
        _require_unfenced(seen, to)
        standing = seen.annotations.get(key)
        if standing == to or (standing is None and shard.primary == to):
            return {}
        if standing is not None:
            raise _standing(seen, shard_name, key, f"a switchover to {standing}")
        if shard.primary is None:
            raise failures.Failure(
                failures.Exit.REFUSED,
                f"Shard {shard_name} has no primary to take over from: its members elect one by themselves."
                f" `kubectl covet why {seen.name} --shard {shard_name}` says what they wait for.",
            )
        return {key: to}

    return decide


def promote(shard_name: str, to: str) -> Decision:
    """Return how a promotion that may lose writes is ordered."""

    def decide(seen: Seen) -> Changes:
        shard = seen.shard(shard_name)
        require_instance(shard, to)
        require_no_primary(seen, shard)
        key = names.promote_annotation(shard_name)
        _require_unfenced(seen, to)
        standing = seen.annotations.get(key)
        if standing is not None and standing != to:
            raise _standing(seen, shard_name, key, f"a promotion of {standing}")
        return {} if standing == to else {key: to}

    return decide


def fence(instance: str) -> Decision:
    """Return how an instance is kept out of service until it is let back."""

    def decide(seen: Seen) -> Changes:
        shard_of(seen, instance)
        return {} if instance in seen.fenced else {names.ANNOTATION_FENCED: _listed({*seen.fenced, instance})}

    return decide


def unfence(instance: str) -> Decision:
    """Return how an instance is let back; one that is no longer part of the cluster may be named too."""

    def decide(seen: Seen) -> Changes:
        if instance in seen.fenced:
            return {names.ANNOTATION_FENCED: _listed(set(seen.fenced) - {instance})}
        shard_of(seen, instance)
        return {}

    return decide


def restart(moment: str) -> Decision:
    """Return how a restart of all pods that are older than a moment is ordered; nothing if one stands."""

    def decide(seen: Seen) -> Changes:
        return {} if names.ANNOTATION_RESTART in seen.annotations else {names.ANNOTATION_RESTART: moment}

    return decide


def rotate(token: str) -> Decision:
    """Return how a new password is ordered; nothing if one is that the operator has not begun with."""

    def decide(seen: Seen) -> Changes:
        standing = seen.annotations.get(names.ANNOTATION_ROTATE)
        known = seen.status.login.rotation if seen.status.login is not None else None
        return {} if standing is not None and standing != known else {names.ANNOTATION_ROTATE: token}

    return decide


def rotation_of(seen: Seen, written: Changes) -> str:
    """Return the order that stands after `rotate` was decided by this look and written."""
    return written.get(names.ANNOTATION_ROTATE) or seen.annotations[names.ANNOTATION_ROTATE]


def pause(seen: Seen) -> Mapping[str, Any]:
    """Return what pauses the operator on a cluster, as a patch of its spec."""
    return {} if seen.paused else {"maintenance": {"paused": True}}


def resume(seen: Seen) -> Mapping[str, Any]:
    """Return what lets the operator go on: the field goes, for that is how it was before."""
    return {"maintenance": {"paused": None}} if seen.paused else {}


def restart_of(seen: Seen, written: Changes) -> str:
    """Return the moment of the restart that stands after `restart` was decided by this look and written."""
    return written.get(names.ANNOTATION_RESTART) or seen.annotations[names.ANNOTATION_RESTART]


def shard_of(seen: Seen, instance: str) -> ShardStatus:
    """Return the shard of an instance.

    Raises:
        Failure: the cluster has no such instance.
    """
    for shard in seen.status.shards:
        if any(server.name == instance for server in shard.instances):
            return shard
    raise failures.Failure(
        failures.Exit.NOT_FOUND,
        f"Cluster {seen.name} has no instance {instance}: `kubectl covet shards {seen.name}` lists them.",
    )


def require_instance(shard: ShardStatus, instance: str) -> None:
    """Check that an instance is one of a shard's.

    Raises:
        Failure: it is not.
    """
    there = [server.name for server in shard.instances]
    if instance not in there:
        raise failures.Failure(
            failures.Exit.NOT_FOUND,
            f"Shard {shard.name} has no instance {instance}: it has {', '.join(there) or 'none yet'}.",
        )


def require_no_primary(seen: Seen, shard: ShardStatus) -> None:
    """Check that a shard takes no writes, so that a promotion can lose only what nobody can bring back.

    Raises:
        Failure: it does take writes.
    """
    serving = any(server.name == shard.primary and server.state == "Serving" for server in shard.instances)
    if serving:
        raise failures.Failure(
            failures.Exit.REFUSED,
            f"Shard {shard.name} takes writes: {shard.primary} leads it, and nothing needs to be lost. Use"
            f" `kubectl covet switchover {seen.name} --shard {shard.name} --to INSTANCE`.",
        )


def stops_writes(seen: Seen, instance: str) -> str | None:
    """Return why a shard takes no more writes once an instance is fenced too, None if it goes on."""
    shard = shard_of(seen, instance)
    before = arithmetic.count(shard, seen.fenced)
    after = arithmetic.count(shard, (*seen.fenced, instance))
    if before is None or after is None or instance in seen.fenced:
        return None
    if after.commit.spare < 0 <= before.commit.spare:
        return (
            f"with {instance} fenced, {len(after.commit.present)} of the {after.commit.needed} followers are left that"
            f" must flush each commit of {shard.name}: its writes wait until one is back"
        )
    others = [voter for voter in after.voters if voter.promises and voter.instance not in (*seen.fenced, instance)]
    if shard.primary == instance and len(others) < after.election.needed:
        return (
            f"{instance} leads {shard.name}, and {len(others)} others are there of the {after.election.needed} that"
            " elect the next primary: nobody takes writes until it is back"
        )
    return None


def _require_unfenced(seen: Seen, instance: str) -> None:
    if instance in seen.fenced:
        raise failures.Failure(
            failures.Exit.REFUSED,
            f"{instance} is fenced and cannot lead: `kubectl covet unfence {seen.name} {instance}` first.",
        )


def _standing(seen: Seen, shard: str, key: str, what: str) -> failures.Failure:
    return failures.Failure(
        failures.Exit.REFUSED,
        f"For shard {shard} {what} is ordered already and not carried out: wait for it, or withdraw it with"
        f" `kubectl annotate {names.PLURAL} {seen.name} -n {seen.namespace} {key}-`.",
    )


def _listed(instances: set[str]) -> str | None:
    """Return the value of the annotation, None to remove it."""
    return ",".join(sorted(instances)) or None
