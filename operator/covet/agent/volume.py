"""The agent's state on the volume, outside PGDATA: written so that it survives any crash.

A file that cannot be read is never replaced or guessed at: the volume is refused. Promises only
ever rise, whoever writes them and however many do at once (I1).
"""

import dataclasses
import shutil
import threading
from pathlib import Path
from typing import Final, TypeVar

from covet.agent import durable
from covet.core.agentapi import LastFailover, ShardSpec
from covet.core.errors import CovetError, RefusedError, SpecError
from covet.peers import codec
from covet.planner import initialising
from covet.planner.election.rules import Sworn, age

T = TypeVar("T")

BOOTSTRAP: Final = "Bootstrap"
CLONE: Final = initialising.CLONE

RESERVE_BYTES: Final = 1 << 20
"""Room kept for the agent's own files: a full volume must not keep a member from swearing or remembering."""
_EXPECTED: Final = frozenset({"lost+found", "agent", "conf", "pgdata"})
"""What a volume may hold while it holds no database; everything else is somebody's."""


class VolumeRefusedError(CovetError):
    """The volume is not what it should be; a person has to decide."""


class VolumeInUseError(VolumeRefusedError):
    """Another process holds the volume; it may let go."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """member.json: who this volume is.

    Args:
        origin: `Bootstrap` or `Clone`: how the database came here.
        born: True once the database is complete; before, it is wiped and made again.
        opened: True once clients were let in; from then on nobody runs initdb in this shard.
    """

    incarnation: str
    member: str
    instance: str
    cluster_uid: str
    shard_uid: str
    origin: str
    system_id: str | None = None
    born: bool = False
    opened: bool = False


def state_folder(root: Path) -> Path:
    """Return the folder of the agent's files on a volume.

    It lies beside PGDATA: pg_rewind would replace what a member promised, and who it is, by the leader's.
    """
    return root / "agent"


class Volume:
    """The files of one volume.

    Args:
        root: the volume's mount point.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pgdata = root / "pgdata"
        self.agent = state_folder(root)
        self._promising = threading.Lock()

    def read_identity(self) -> Identity | None:
        """Return member.json, None if there is none."""
        return self._read("member.json", Identity)

    def read_promise(self) -> Sworn | None:
        """Return promise.json, None if there is none."""
        return self._read("promise.json", Sworn)

    def read_spec(self) -> ShardSpec | None:
        """Return the newest spec seen, None if there is none."""
        return self._read("spec.json", ShardSpec)

    def write_identity(self, identity: Identity) -> None:
        """Make member.json durable."""
        self._write("member.json", identity)

    def write_promise(self, promise: Sworn) -> None:
        """Make promise.json durable, unless what stands there is newer.

        Raises:
            RefusedError: a higher term, a newer rule, or another rule of the same number was sworn.
            VolumeError: the file system refused; what was sworn before stands.
        """
        with self._promising:
            sworn = self.read_promise()
            if sworn is not None:
                check_succession(sworn, promise)
            self._write("promise.json", promise)

    def write_spec(self, spec: ShardSpec) -> None:
        """Make spec.json durable."""
        self._write("spec.json", spec)

    def read_failover(self) -> LastFailover | None:
        """Return the last failover that ended here, None if there is none or it cannot be read: nobody goes by it."""
        try:
            return self._read("failover.json", LastFailover)
        except VolumeRefusedError:
            return None

    def write_failover(self, last: LastFailover) -> None:
        """Keep the last failover that ended here."""
        self._write("failover.json", last)

    def check_empty(self) -> None:
        """Refuse a volume that holds more than an agent and a file system leave on an empty one.

        Raises:
            VolumeRefusedError: it holds a database, or something that nobody here put there.
        """
        if self.pgdata.is_symlink() or (self.pgdata.exists() and not self.pgdata.is_dir()):
            raise VolumeRefusedError("VolumeForeign", "pgdata on the volume is no folder. Use another volume.")
        if self.pgdata.exists() and any(self.pgdata.iterdir()):
            raise VolumeRefusedError(
                "VolumeForeign",
                "The volume holds a database that no agent of this shard made. Remove it, or use another volume.",
            )
        strange = sorted({path.name for path in self.root.iterdir()} - _EXPECTED) if self.root.exists() else []
        if strange:
            raise VolumeRefusedError(
                "VolumeForeign",
                f"The volume is not empty: it holds {', '.join(strange[:5])}. Remove it, or use another volume.",
            )

    def sweep(self) -> None:
        """Remove what writes that a crash interrupted left among the agent's files.

        Raises:
            VolumeRefusedError: the folder cannot be read.
        """
        try:
            durable.sweep(self.agent)
        except OSError as error:
            raise VolumeRefusedError("StateUnreadable", f"The volume cannot be read: {error}.") from error

    def keep_reserve(self) -> None:
        """Take the room that the agent's own files may need, once there is a folder for them.

        Raises:
            VolumeError: there is no room now.
        """
        if not self.agent.is_dir():
            return
        try:
            durable.reserve(self._reserve, RESERVE_BYTES)
        except OSError as error:
            raise durable.failure(error) from error

    def wipe_unborn(self, identity: Identity) -> None:
        """Remove a database that was never finished, and what was sworn for it.

        Raises:
            VolumeRefusedError: the database was finished; it is not touched.
        """
        if identity.born:
            raise VolumeRefusedError("WipeForbidden", "A finished database is never wiped by the agent.")
        try:
            if self.pgdata.exists():
                shutil.rmtree(self.pgdata)
            # What says that the database was unfinished goes last: a crash may not leave a database without it.
            durable.sync_folder(self.root)
            with self._promising:
                (self.agent / "promise.json").unlink(missing_ok=True)
            shutil.rmtree(self.credentials_root, ignore_errors=True)
            durable.sync_folder(self.agent)
            (self.agent / "member.json").unlink(missing_ok=True)
            durable.sync_folder(self.agent)
        except OSError as error:
            raise durable.failure(error) from error

    @property
    def _reserve(self) -> Path:
        return self.agent / "reserve"

    @property
    def credentials_root(self) -> Path:
        """Folder of the certificates that libpq streams with, one folder a term."""
        return self.agent / "cred"

    def credentials(self, term: int) -> Path:
        """Return the folder of the certificate that this member follows a term with."""
        return self.credentials_root / str(term)

    def _read(self, name: str, kind: type[T]) -> T | None:
        path = self.agent / name
        try:
            body = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise VolumeRefusedError("StateUnreadable", f"{name} on the volume cannot be read: {error}.") from error
        try:
            return codec.decode(body, kind)
        except SpecError as error:
            raise VolumeRefusedError(
                "StateCorrupt",
                f"{name} on the volume is damaged: {error.message} Restore the file or give the instance a new volume.",
            ) from error

    def _write(self, name: str, document: object) -> None:
        content = codec.encode(document) + b"\n"
        try:
            durable.make_folder(self.agent)
            try:
                durable.write(self.agent / name, content)
            except OSError as error:
                if not durable.is_full(error):
                    raise
                self._reserve.unlink(missing_ok=True)
                durable.write(self.agent / name, content)
        except OSError as error:
            raise durable.failure(error) from error


def check_succession(sworn: Sworn, wanted: Sworn) -> None:
    """Refuse to follow one promise by another that is lower, or that contradicts it.

    Raises:
        RefusedError: a higher term, a newer rule, or another rule of the same number was sworn.
    """
    if wanted.promise < sworn.promise:
        raise RefusedError("PromiseOlder", f"Term {sworn.promise} is promised here, higher than {wanted.promise}.")
    if wanted.led < sworn.led:
        raise RefusedError("LedOlder", f"Term {sworn.led} was led here; the promise offered forgets it.")
    if sworn.rule is None:
        return
    known = age(sworn.rule)
    if wanted.rule is None or age(wanted.rule) < known:
        raise RefusedError("RuleOlder", f"Rule {known[0]}.{known[1]} is sworn here, newer than the one offered.")
    if age(wanted.rule) == known and wanted.rule != sworn.rule:
        raise RefusedError("RuleContradicted", f"Another rule {known[0]}.{known[1]} is sworn here.")


def examine(volume: Volume, instance: str, cluster_uid: str, shard_uid: str) -> tuple[Identity | None, Sworn | None]:
    """Return who a volume is, after looking for everything that speaks against touching it.

    Returns:
        (None, None) for an empty volume.

    Raises:
        VolumeRefusedError: the volume is foreign, damaged or incomplete, or cannot be read.
    """
    try:
        return _examine(volume, instance, cluster_uid, shard_uid)
    except OSError as error:
        raise VolumeRefusedError("StateUnreadable", f"The volume cannot be read: {error}.") from error


def _examine(volume: Volume, instance: str, cluster_uid: str, shard_uid: str) -> tuple[Identity | None, Sworn | None]:
    identity, promise = volume.read_identity(), volume.read_promise()
    if identity is None:
        volume.check_empty()
        if promise is not None:
            raise VolumeRefusedError("StateIncomplete", "The volume holds promise.json without member.json.")
        return None, None
    if (identity.cluster_uid, identity.shard_uid) != (cluster_uid, shard_uid):
        raise VolumeRefusedError(
            "VolumeForeign",
            f"The volume belongs to shard {identity.shard_uid} of cluster {identity.cluster_uid},"
            f" this instance to shard {shard_uid} of cluster {cluster_uid}.",
        )
    if identity.instance != instance:
        raise VolumeRefusedError("VolumeForeign", f"The volume belongs to {identity.instance}, not to {instance}.")
    if not identity.born:
        return identity, promise
    if promise is None or (promise.rule is None and identity.origin == BOOTSTRAP):
        raise VolumeRefusedError("PromiseMissing", "The volume holds a finished database but no promise that fits it.")
    if volume.pgdata.is_symlink() or not (volume.pgdata / "PG_VERSION").exists():
        raise VolumeRefusedError("DatabaseMissing", "The volume has an identity but no database in pgdata.")
    return identity, promise
