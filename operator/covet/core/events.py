"""Reasons of conditions and Events, in one place: dashboards, runbooks and tests search for them.

A reason is a CamelCase fact. Whatever is wrong is a condition and a Warning Event with the same reason.
"""

from typing import Final

# What is wrong, and a person has to know.
SPEC_INVALID: Final = "SpecInvalid"
VERSION_UNKNOWN: Final = "EngineVersionUnknown"
PARAMETER_REFUSED: Final = "ParameterRefused"
PARAMETERS_UNUSABLE: Final = "ParametersUnusable"
STORAGE_CLASS_MISSING: Final = "StorageClassMissing"
VOLUME_NOT_EXPANDABLE: Final = "VolumeNotExpandable"
QUOTA_EXCEEDED: Final = "QuotaExceeded"
CREATION_REFUSED: Final = "CreationRefused"
IMAGE_UNAVAILABLE: Final = "ImageUnavailable"
UNSCHEDULABLE: Final = "Unschedulable"
POD_BLOCKED: Final = "PodBlocked"
VOLUME_FOREIGN: Final = "VolumeForeign"
QUORUM_MISSING: Final = "QuorumMissing"
AGENT_UNREACHABLE: Final = "AgentUnreachable"
SERVER_STOPPED: Final = "ServerStopped"
KEPT_IDENTITY: Final = "KeptIdentity"
NOTHING_TO_ADOPT: Final = "NothingToAdopt"
IDENTITY_UNREADABLE: Final = "IdentityUnreadable"
IDENTITY_CONTRADICTED: Final = "IdentityContradicted"
BIRTH_VOLUME_LOST: Final = "BirthVolumeLost"
TWO_LEADERS: Final = "TwoLeaders"
MAP_LOST: Final = "MapLost"
NAME_TAKEN: Final = "NameTaken"
AUTHORITY_INVALID: Final = "AuthorityInvalid"
AUTHORITY_EXPIRING: Final = "AuthorityExpiring"
AUTHORITY_SECRET_MISSING: Final = "AuthoritySecretMissing"  # noqa: S105 -- a fact, no password
AUTHORITY_SECRET_UNUSABLE: Final = "AuthoritySecretUnusable"  # noqa: S105 -- a fact, no password
AUTHORITY_SECRET_EXPIRING: Final = "AuthoritySecretExpiring"  # noqa: S105 -- a fact, no password
FAMILY_DIFFERS: Final = "AddressFamilyDiffers"
SERVED_ELSEWHERE: Final = "ServedElsewhere"

# What a person ordered and does not get; the message begins with the shard's name.
SWITCHOVER_REFUSED: Final = "SwitchoverRefused"
PROMOTE_REFUSED: Final = "PromoteRefused"
RESTART_REFUSED: Final = "RestartRefused"
AUTHORITY_REFUSED: Final = "ReplaceAuthorityRefused"

# What happened, and is worth a line.
ADOPTED: Final = "Adopted"
SHARD_BOOTSTRAPPED: Final = "ShardBootstrapped"
SHARD_OPENED: Final = "ShardOpened"
SHARDS_CHANGE: Final = "ShardsChange"
SHARDS_CHANGED: Final = "ShardsChanged"
SHARDS_KEPT: Final = "ShardsKept"
SHARD_REMOVED: Final = "ShardRemoved"
DRIFT_HEALED: Final = "DriftHealed"
VOLUMES_GROW: Final = "VolumesGrow"
ORDER_DONE: Final = "OrderDone"
INSTANCE_REPLACED: Final = "InstanceReplaced"
FAILED_OVER: Final = "FailedOver"
SWITCHED_OVER: Final = "SwitchedOver"
FAILOVER_SLOW: Final = "FailoverSlow"
PROMOTED_WITH_LOSS: Final = "PromotedWithLoss"
INSTANCE_RESTARTED: Final = "InstanceRestarted"
PASSWORD_ROTATED: Final = "PasswordRotated"  # noqa: S105 -- a fact, no password
LOGIN_RETIRED: Final = "LoginRetired"
AUTHORITY_ANNOUNCED: Final = "AuthorityAnnounced"
AUTHORITY_REPLACED: Final = "AuthorityReplaced"
AUTHORITY_RETIRED: Final = "AuthorityRetired"

# Where a cluster or a shard stands.
SETTLED: Final = "Settled"
PAUSED: Final = "Paused"
DELETING: Final = "Deleting"
CHANGES_PENDING: Final = "ChangesPending"
RESTART_PENDING: Final = "RestartPending"
RESTARTING: Final = "Restarting"

WARN_UNREACHABLE_AFTER: Final = 20.0
"""Seconds that an agent may be silent before an Event says so; pods that start are silent for less."""
