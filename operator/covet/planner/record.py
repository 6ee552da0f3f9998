"""The birth record of a cluster: what must be known before anything irreversible is done.

It lives in the ConfigMap `<cluster>-identity`, which has no owner and outlives the
object, and is changed by compare-and-set only. That a shard was initialised, where, and with
which system id is decided here and nowhere else (I13). It also keeps the spec the cluster
was born with, because some of its fields cannot follow an edit.
"""

import dataclasses
import json
import uuid
from typing import Any, Final

import pydantic

from covet.api.effective import EffectiveSpec
from covet.core import names
from covet.core.errors import SpecError

FORMAT: Final = 2
"""The newest one; a record that tells of no change of shards is written as 1, which earlier operators read, too."""
KEY: Final = "identity.json"
"""Key of the ConfigMap that holds the record."""


@dataclasses.dataclass(frozen=True)
class ShardRecord:
    """The birth of one shard.

    Args:
        uid: made from the cluster's uid and the shard's name, so that writing it twice is harmless.
        bootstrapped_by: instance that runs initdb, once.
        first: number of the letter that its first instance has: a shard that is made again under a name goes on after
            the letters of the one before, whose volumes may have been kept.
        system_id: PostgreSQL's system identifier, None until it is known.
        opened: True once clients were let in.
        password: keyed digest of the password in force that the shard was given last, None before.
        staged: keyed digest of the next login's password that it was given last, None before.
    """

    name: str
    uid: str
    bootstrapped_by: str
    system_id: str | None = None
    opened: bool = False
    password: str | None = None
    staged: str | None = None
    first: int = 0

    def asks(self, instance: str) -> bool:
        """Tell whether this instance is still to initialise the shard (I13)."""
        return not self.opened and self.system_id is None and self.bootstrapped_by == instance

    def given(self, digest: str, *, staged: bool) -> "ShardRecord":
        """Return a copy that knows of a password that the shard was given: the next login's, or the one in force."""
        if staged:
            return dataclasses.replace(self, staged=digest)
        return dataclasses.replace(self, password=digest, staged=None)


@dataclasses.dataclass(frozen=True)
class Rotation:
    """The newest replacement of the application's password.

    Args:
        token: of the order.
        login: role that the application logs in as once it is over.
        former: role before it, None once nobody can log in as that one.
    """

    token: str
    login: str
    former: str | None


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of the shards that is under way.

    Args:
        epoch: of the map that it brings.
        shards: name and weight of every shard that there shall be.
        decided: True once it only goes forward.
    """

    epoch: int
    shards: tuple[tuple[str, int], ...]
    decided: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the shards that there shall be."""
        return tuple(name for name, _ in self.shards)


@dataclasses.dataclass(frozen=True)
class Identity:
    """Who a cluster is.

    Args:
        cluster_uid: metadata.uid of the object that made it; volumes, map and agents know the cluster by it for ever.
        born: the effective spec at birth; number and weights of the shards are those in force.
        shards: every shard that is there: those in force, those that a change makes, those that it takes away.
        rotation: the newest one of the application's password, None before there was one.
        adopted_by: metadata.uid of the object that took it over last, None if the first one has it.
        epoch: of the newest map that was decided.
        change: of the shards, None while there is none.
        departed: of shards that were taken away, the number of the letter that follows theirs.
    """

    cluster_uid: str
    born: EffectiveSpec
    shards: tuple[ShardRecord, ...]
    rotation: Rotation | None = None
    adopted_by: str | None = None
    epoch: int = 1
    change: Change | None = None
    departed: tuple[tuple[str, int], ...] = ()

    @property
    def layout(self) -> tuple[tuple[str, int], ...]:
        """Return name and weight of every shard in force: clients are told of these."""
        shards = [names.shard(index) for index in range(self.born.shards.count)]
        return tuple((shard, self.born.shards.weight(shard)) for shard in shards)

    @property
    def mapped(self) -> tuple[tuple[str, int], ...]:
        """Return name and weight of every shard that the newest decided map names."""
        return self.change.shards if self.change is not None and self.change.decided else self.layout

    @property
    def owner_uid(self) -> str:
        """Return metadata.uid of the one object that may work with this record."""
        return self.adopted_by or self.cluster_uid

    def shard(self, name: str) -> ShardRecord | None:
        """Return the record of one shard, None if it has none."""
        return next((record for record in self.shards if record.name == name), None)

    def with_shard(self, record: ShardRecord) -> "Identity":
        """Return a copy with one shard's record replaced."""
        shards = tuple(record if old.name == record.name else old for old in self.shards)
        return dataclasses.replace(self, shards=shards)


def conceive(cluster: str, cluster_uid: str, born: EffectiveSpec) -> Identity:
    """Return the record of a cluster that is about to be made: the first instance of each shard initialises it."""
    shard_names = [names.shard(index) for index in range(born.shards.count)]
    return Identity(cluster_uid, born, tuple(new_shard(cluster, cluster_uid, shard) for shard in shard_names))


def new_shard(cluster: str, cluster_uid: str, shard: str, first: int = 0) -> ShardRecord:
    """Return the record of a shard that is about to be made; `first` is never the same for two of one name."""
    return ShardRecord(
        name=shard,
        uid=str(uuid.uuid5(uuid.UUID(cluster_uid), shard if first == 0 else f"{shard}/{first}")),
        bootstrapped_by=names.instance(cluster, shard, names.letter(first)),
        first=first,
    )


def encode(identity: Identity) -> str:
    """Return the record as the ConfigMap holds it."""
    reshaped = identity.epoch > 1 or identity.change is not None or identity.departed
    document: dict[str, Any] = {
        "format": FORMAT if reshaped else 1,
        "clusterUid": identity.cluster_uid,
        "born": identity.born.document(),
        "shards": [_encode_shard(record) for record in identity.shards],
    }
    if identity.adopted_by is not None:
        document["adoptedBy"] = identity.adopted_by
    if identity.rotation is not None:
        document["rotation"] = dataclasses.asdict(identity.rotation)
    if reshaped:
        document |= {"epoch": identity.epoch, "departed": dict(identity.departed)}
    if identity.change is not None:
        document["change"] = dataclasses.asdict(identity.change)
    return json.dumps(document, indent=1, sort_keys=True)


def decode(text: str) -> Identity:
    """Read a record.

    Raises:
        SpecError: it cannot be read, or a newer operator wrote it; nothing may be concluded from it.
    """
    try:
        document = json.loads(text)
        if document["format"] > FORMAT:
            raise SpecError(
                "IdentityTooNew",
                f"The identity record has format {document['format']} and this operator knows up to {FORMAT}:"
                " run the newer operator that wrote it.",
            )
        return Identity(
            cluster_uid=document["clusterUid"],
            born=EffectiveSpec.model_validate(document["born"]),
            shards=tuple(_decode_shard(entry) for entry in document["shards"]),
            rotation=_decode_rotation(document.get("rotation")),
            adopted_by=document.get("adoptedBy"),
            epoch=int(document.get("epoch", 1)),
            change=_decode_change(document.get("change")),
            departed=tuple((name, int(count)) for name, count in (document.get("departed") or {}).items()),
        )
    except (ValueError, KeyError, TypeError, pydantic.ValidationError) as error:
        raise SpecError(
            "IdentityUnreadable",
            f"The identity record cannot be read ({type(error).__name__}: {error}). Put back the ConfigMap's"
            " content from a copy; Covet touches nothing until then.",
        ) from error


def _decode_rotation(entry: dict[str, Any] | None) -> Rotation | None:
    return None if entry is None else Rotation(entry["token"], entry["login"], entry.get("former"))


def _decode_change(entry: dict[str, Any] | None) -> Change | None:
    if entry is None:
        return None
    return Change(int(entry["epoch"]), tuple((name, weight) for name, weight in entry["shards"]), entry["decided"])


def _encode_shard(record: ShardRecord) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": record.name,
        "uid": record.uid,
        "bootstrappedBy": record.bootstrapped_by,
        "opened": record.opened,
    }
    if record.system_id is not None:
        document["systemId"] = record.system_id
    if record.password is not None:
        document["passwordDigest"] = record.password
    if record.staged is not None:
        document["stagedDigest"] = record.staged
    if record.first:
        document["firstLetter"] = record.first
    return document


def _decode_shard(entry: dict[str, Any]) -> ShardRecord:
    return ShardRecord(
        name=entry["name"],
        uid=entry["uid"],
        bootstrapped_by=entry["bootstrappedBy"],
        system_id=entry.get("systemId"),
        opened=bool(entry["opened"]),
        password=entry.get("passwordDigest"),
        staged=entry.get("stagedDigest"),
        first=int(entry.get("firstLetter", 0)),
    )
