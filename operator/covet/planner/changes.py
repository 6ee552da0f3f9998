"""What becomes of a change of each field of a living cluster's spec: the one table, for the docs and for a test.

A test walks the definition, changes every field, and compares what follows with this table; the page
`docs/reference/changes.md` is made from it. So no field can be added whose changes nobody thought of.
"""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Final


class Way(enum.Enum):
    """What becomes of a change."""

    LIVE = "applied live"
    RESTART = "ordered restart"
    PENDING = "listed in `status.pendingChanges`"
    REFUSED = "refused"


@dataclasses.dataclass(frozen=True)
class Fate:
    """What becomes of a change of one field.

    Args:
        way: the same in one word.
        says: a sentence for people.
        kinds: kinds of the objects that change; none if the operator itself goes by it, or nothing does.
        reason: of the entry in `status.pendingChanges`, or of the condition.
    """

    way: Way
    says: str
    kinds: frozenset[str] = frozenset()
    reason: str = ""


def _live(says: str, *kinds: str) -> Fate:
    return Fate(Way.LIVE, says, frozenset(kinds))


def _restart(says: str) -> Fate:
    return Fate(Way.RESTART, says, frozenset({"StatefulSet"}))


_RESHAPE: Final = (
    "While no shard holds a table, shards are made or taken away and the next map of slots is decided; entry"
    " `ShardsChange` until then. Once one does, keys would have to move, which is not built yet: listed as"
    " `ReshardingUnsupported`, with the shard and the table."
)
_POD: Final = "The pods are made anew with it, replicas first."
_ROUTERS: Final = "Routers read it within two minutes."
_ROUTERS_ANEW: Final = "Routers are made anew with it, one by one."
_WINDOW: Final = "The operator goes by it from the next round; what an upgrade brought is restarted in it, in order."

FATES: Final[Mapping[str, Fate]] = {
    "engine.name": Fate(Way.REFUSED, "Data does not move between engines in place.", reason="SpecInvalid"),
    "engine.version": Fate(
        Way.PENDING, "Major upgrades are not built yet; the servers stay with theirs.", reason="UpgradeUnsupported"
    ),
    "engine.parameters": _live(
        "Reloaded where the server can; a setting that takes effect with a start makes an ordered restart."
        " Unknown settings, and those that Covet needs for itself, are refused by name (`ParameterRefused`).",
        "ConfigMap",
    ),
    "shards.count": _live(
        _RESHAPE,
        "ConfigMap", "Deployment", "EndpointSlice", "NetworkPolicy", "PersistentVolumeClaim", "PodDisruptionBudget",
        "Role", "RoleBinding", "Secret", "Service", "ServiceAccount", "StatefulSet",
    ),
    "shards.instances": _live(
        "Instances are cloned and join, or leave, one by one.",
        "StatefulSet", "ConfigMap", "Secret", "PersistentVolumeClaim",
    ),
    "shards.weights": _live(_RESHAPE, "ConfigMap"),
    "shards.placement": _restart(
        "The pods of the shards whose zone changes are made anew in it, replicas first. A volume that is bound to"
        " another zone keeps the first of them waiting, with the scheduler's words, and the shard serves without it:"
        " put the old value back."
    ),
    "durability": _live("How many replicas have to flush a commit changes in one confirmed step.", "ConfigMap"),
    "storage.size": _live(
        "Volumes grow under running servers; entry `VolumesGrowing` until the last file system has the size. A"
        " StorageClass that does not let volumes grow refuses it (`VolumeNotExpandable`); less than the volumes have is"
        " refused at admission.",
        "PersistentVolumeClaim",
    ),
    "certificates.authoritySecret": _live(
        "The authority of the Secret signs the cluster's own, and every server gets a certificate that shows it;"
        " without the field one that does not. `AuthoritySecretMissing` and `AuthoritySecretUnusable` say what is"
        " wrong with it.",
        "Secret",
    ),
    "storage.className": Fate(
        Way.PENDING, "Volumes do not move between classes; they stay in theirs.", reason="VolumeMoveUnsupported"
    ),
    "resources.requests.cpu": _restart(_POD),
    "resources.requests.memory": _restart(_POD),
    "resources.limits.cpu": _restart(_POD),
    "resources.limits.memory": _restart(_POD),
    "scheduling.nodeSelector": _restart(_POD),
    "scheduling.tolerations": _restart(_POD),
    "scheduling.topologyKey": _restart(_POD),
    "router.replicas": _live("Routers come and go; the Secret names them once one is ready.", "Deployment"),
    "router.pool.mode": _live(_ROUTERS, "ConfigMap"),
    "router.pool.min": _live(_ROUTERS, "ConfigMap"),
    "router.pool.max": _live(_ROUTERS_ANEW, "ConfigMap", "Deployment"),
    "router.pool.waitSeconds": _live(_ROUTERS, "ConfigMap"),
    "router.pool.holdSeconds": _live(_ROUTERS, "ConfigMap"),
    "router.pool.idleSeconds": _live(_ROUTERS, "ConfigMap"),
    "router.pool.lifetimeSeconds": _live(_ROUTERS, "ConfigMap"),
    "router.resources.requests.cpu": _live(_ROUTERS_ANEW, "Deployment"),
    "router.resources.requests.memory": _live(_ROUTERS_ANEW, "Deployment"),
    "router.resources.limits.cpu": _live(_ROUTERS_ANEW, "ConfigMap", "Deployment"),
    "router.resources.limits.memory": _live(_ROUTERS_ANEW, "Deployment"),
    "router.scheduling.nodeSelector": _live(_ROUTERS_ANEW, "Deployment"),
    "router.scheduling.tolerations": _live(_ROUTERS_ANEW, "Deployment"),
    "router.scheduling.topologyKey": _live(_ROUTERS_ANEW, "Deployment"),
    "database.name": Fate(Way.REFUSED, "The database is made once, at birth.", reason="RenameUnsupported"),
    "database.owner": Fate(Way.REFUSED, "The role is made once, at birth.", reason="RenameUnsupported"),
    "failover.whenUnsafe": _live("The operator goes by it from the next round."),
    "maintenance.paused": _live("The operator keeps its hands off from the next round."),
    "maintenance.window.days": _live(_WINDOW),
    "maintenance.window.start": _live(_WINDOW),
    "maintenance.window.hours": _live(_WINDOW),
    "deletion.volumes": _live(
        "What belongs to the volumes gets or loses its owner, and goes with it.",
        "StatefulSet", "ConfigMap", "Secret", "PersistentVolumeClaim",
    ),
    "adopt": Fate(
        Way.PENDING, "Read before birth alone: a cluster with data takes over no other's.", reason="AdoptionTooLate"
    ),
}  # fmt: skip
"""By path below `spec`; a list or a map counts as one field."""
