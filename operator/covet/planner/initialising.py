"""Whether an instance may initialise its shard (I13), as far as it knows itself.

Pure. A shard is initialised once in its life. The operator's record decides that (`ShardRecord.asks`); the agent
refuses whatever it knows better, and looks again after every wait between the order and initdb.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final

from covet.core.agentapi import ShardSpec

Refusal = tuple[str, str]
"""A CamelCase reason and the sentence for a person."""

CLONE: Final = "Clone"
"""Origin of a database that was copied from a leader."""


@dataclasses.dataclass(frozen=True)
class Ground:
    """What an instance knows of itself and of its volume.

    Args:
        refusal: why the volume is not touched, None if it may be.
        origin: how its database comes or came, None on an empty volume.
        born: the database is complete.
        opened: clients were let in once, as the spec or the volume says.
    """

    instance: str
    spec: ShardSpec
    refusal: Refusal | None = None
    origin: str | None = None
    born: bool = False
    opened: bool = False


def refuse(ground: Ground, shard: tuple[str, str]) -> Refusal | None:
    """Return why an instance may not initialise a shard, None if it may.

    Args:
        ground: what it knows.
        shard: uids of the cluster and of the shard that it is told to initialise.
    """
    spec, instance = ground.spec, ground.instance
    if ground.refusal is not None:
        return ground.refusal
    refusals = (
        (
            shard != (spec.cluster_uid, spec.shard_uid),
            "ShardForeign",
            f"The order is for shard {shard[1]}, not for {spec.shard_uid}.",
        ),
        (ground.opened, "ShardOpened", "Clients have used this shard: it is never initialised again."),
        (
            spec.bootstrapped_by != instance,
            "NotChosen",
            f"The spec names {spec.bootstrapped_by} to bootstrap this shard.",
        ),
        (ground.born, "AlreadyBorn", f"{instance} holds a finished database."),
        (
            ground.origin == CLONE,
            "CloneUnfinished",
            "This volume was being cloned, so the shard has a leader: clone again.",
        ),
    )
    return next(((reason, message) for applies, reason, message in refusals if applies), None)


def refuse_for_peers(members: Mapping[str, str | None]) -> Refusal | None:
    """Return why the other instances that answered forbid it, None if they hold no database.

    Args:
        members: of the instances that answered, which member each holds; None of an empty volume.
    """
    for instance, member in members.items():
        if member is not None:
            return "PeerHasData", f"{instance} holds the database of {member}: this shard was born before."
    return None
