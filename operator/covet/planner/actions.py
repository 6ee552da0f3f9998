"""What can be done to a cluster: values, carried out by the controllers one by one.

An action is small enough to be repeated: whoever carries it out may die before, during or
after it, and the next round sees what is there and plans again.
"""

import dataclasses

from covet.planner.authorityactions import AnnounceAuthority, DropAuthority, SwitchAuthority
from covet.planner.facts import ObjectKey
from covet.planner.loginactions import BeginRotation, EndRotation, PutLogin, RetireLogin, StageLogin, SwitchLogin
from covet.planner.record import Identity
from covet.planner.shapeactions import ClusterStep, ShardStep


@dataclasses.dataclass(frozen=True)
class RecordIdentity:
    """Create the birth record, if there is none."""

    identity: Identity


@dataclasses.dataclass(frozen=True)
class AdoptIdentity:
    """Make the birth record of an earlier object of this name this object's, by compare-and-set.

    Args:
        cluster_uid: that the data is known by.
        owner_uid: of the object that had it before.
    """

    cluster_uid: str
    owner_uid: str


@dataclasses.dataclass(frozen=True)
class CreateAuthority:
    """Create the cluster's certificate authority, if there is none."""


@dataclasses.dataclass(frozen=True)
class IssueCertificates:
    """Create or renew the certificates of these subjects."""

    subjects: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class CreateUser:
    """Create the Secret of the database's owner, if there is none."""


@dataclasses.dataclass(frozen=True)
class CreateMap:
    """Publish the map that the record tells, in place of none or of an older one."""


@dataclasses.dataclass(frozen=True)
class ApplyObjects:
    """Apply these objects as they should be."""

    keys: tuple[ObjectKey, ...]


@dataclasses.dataclass(frozen=True)
class RepeatObjects:
    """Apply these objects once more, against drift that no comparison sees; they look as they should."""

    keys: tuple[ObjectKey, ...]


@dataclasses.dataclass(frozen=True)
class GrowVolumes:
    """Have the claims of these instances ask for so much."""

    size: str
    instances: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class LabelRoles:
    """Write the role labels of pods: (pod, role)."""

    roles: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class PushSpec:
    """Send the shard's newest spec to these instances."""

    shard: str
    instances: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Bootstrap:
    """Order an instance to initialise its shard. Cannot be taken back."""

    shard: str
    instance: str


@dataclasses.dataclass(frozen=True)
class RecordSystemId:
    """Record the system id of a shard whose record has none, by compare-and-set."""

    shard: str
    system_id: str


@dataclasses.dataclass(frozen=True)
class Clone:
    """Order instances with empty volumes to copy the leader, all at once."""

    shard: str
    instances: tuple[str, ...]
    leader: str
    system_id: str


@dataclasses.dataclass(frozen=True)
class GrowCohort:
    """Ask the leader to work towards a cohort, one step."""

    shard: str
    leader: str
    instances: tuple[str, ...]
    acks: int


@dataclasses.dataclass(frozen=True)
class HandOver:
    """Have a leader that leaves its shard hand over to an instance that stays."""

    shard: str
    leader: str
    to: str


@dataclasses.dataclass(frozen=True)
class RestartInstance:
    """Delete the pod of an instance, so that it comes back by the newest template and settings.

    Args:
        why: what it waits for, as a clause of a sentence.
        serves: it does its work now, and its shard has to be whole; else it is replaced as it is.
    """

    shard: str
    instance: str
    why: str
    serves: bool


@dataclasses.dataclass(frozen=True)
class RemoveInstances:
    """Delete the StatefulSets of instances that no longer vote; their claims follow the deletion policy."""

    shard: str
    instances: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ReplaceVolume:
    """Give an instance another volume: its own went with its node. Cannot be taken back."""

    shard: str
    instance: str


@dataclasses.dataclass(frozen=True)
class PutDatabase:
    """Have the leader make the database and its owner."""

    shard: str
    leader: str


@dataclasses.dataclass(frozen=True)
class PutMap:
    """Have the leader store the published map."""

    shard: str
    leader: str
    epoch: int


@dataclasses.dataclass(frozen=True)
class RecordOpened:
    """Record that clients are let in, by compare-and-set. Cannot be taken back."""

    shard: str


@dataclasses.dataclass(frozen=True)
class Open:
    """Order the leader to let clients in. Cannot be taken back."""

    shard: str
    leader: str


@dataclasses.dataclass(frozen=True)
class OrderSwitchover:
    """Have the leader hand over as a person ordered, see what comes of it, and settle the order.

    Args:
        annotation: that orders it.
        instance: that shall lead.
    """

    shard: str
    annotation: str
    instance: str
    leader: str


@dataclasses.dataclass(frozen=True)
class OrderPromotion:
    """Have an instance lead without a quorum as a person ordered, see what comes of it, and settle the order."""

    shard: str
    annotation: str
    instance: str


@dataclasses.dataclass(frozen=True)
class EndPods:
    """Delete the pods of members that do not answer, so that they are known to be off before others go on."""

    shard: str
    instances: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ForcePromotion:
    """Have an instance lead without a quorum, as `failover.whenUnsafe` asks. Cannot be taken back.

    Args:
        missing: the instances that voted and are off: what only they hold is lost.
    """

    shard: str
    instance: str
    missing: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class SettleOrder:
    """Remove a person's order and say in an Event what came of it.

    Args:
        annotation: that orders it.
        instance: its value; another one there by now stays.
        reason: of the Event; `message` begins with the shard's name.
        refused: it was not carried out.
    """

    shard: str
    annotation: str
    instance: str
    reason: str
    message: str
    refused: bool = False


ClusterAction = (
    RecordIdentity
    | AdoptIdentity
    | CreateAuthority
    | IssueCertificates
    | AnnounceAuthority
    | SwitchAuthority
    | DropAuthority
    | CreateUser
    | CreateMap
    | BeginRotation
    | StageLogin
    | SwitchLogin
    | EndRotation
    | ClusterStep
    | ApplyObjects
    | RepeatObjects
    | LabelRoles
    | GrowVolumes
    | SettleOrder
)
ShardAction = (
    PushSpec
    | Bootstrap
    | RecordSystemId
    | Clone
    | GrowCohort
    | HandOver
    | RestartInstance
    | RemoveInstances
    | ReplaceVolume
    | PutDatabase
    | PutLogin
    | RetireLogin
    | ShardStep
    | PutMap
    | RecordOpened
    | Open
    | OrderSwitchover
    | OrderPromotion
    | EndPods
    | ForcePromotion
    | SettleOrder
)
Action = ClusterAction | ShardAction
