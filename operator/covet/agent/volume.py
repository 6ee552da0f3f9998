"""The agent's state on the volume, outside PGDATA: written so that it survives any crash.

Each file is written whole: write, fsync, rename, fsync of the folder. A file that cannot be
read is never replaced or guessed at: the volume is refused.
"""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Final, TypeVar

from covet.core.agentapi import Rule, ShardSpec
from covet.core.errors import CovetError, SpecError
from covet.peers import codec

T = TypeVar("T")

BOOTSTRAP: Final = "Bootstrap"
CLONE: Final = "Clone"


class VolumeRefusedError(CovetError):
    """The volume is not what it should be; a person has to decide."""


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


@dataclasses.dataclass(frozen=True)
class Promise:
    """promise.json: what this member has sworn.

    Args:
        term: the highest term promised.
        rule: the newest rule confirmed here.
        pending: on a leader, the rule that a step under way leads to.
    """

    term: int
    rule: Rule | None = None
    pending: Rule | None = None


class Volume:
    """The files of one volume.

    Args:
        root: the volume's mount point.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pgdata = root / "pgdata"
        self.agent = root / "agent"

    def read_identity(self) -> Identity | None:
        """Return member.json, None if there is none."""
        return self._read("member.json", Identity)

    def read_promise(self) -> Promise | None:
        """Return promise.json, None if there is none."""
        return self._read("promise.json", Promise)

    def read_spec(self) -> ShardSpec | None:
        """Return the newest spec seen, None if there is none."""
        return self._read("spec.json", ShardSpec)

    def write_identity(self, identity: Identity) -> None:
        """Make member.json durable."""
        self._write("member.json", identity)

    def write_promise(self, promise: Promise) -> None:
        """Make promise.json durable."""
        self._write("promise.json", promise)

    def write_spec(self, spec: ShardSpec) -> None:
        """Make spec.json durable."""
        self._write("spec.json", spec)

    def holds_database(self) -> bool:
        """Tell whether PGDATA has any content."""
        try:
            return any(self.pgdata.iterdir())
        except FileNotFoundError:
            return False

    def wipe_unborn(self, identity: Identity) -> None:
        """Remove a database that was never finished, and what was sworn for it.

        Raises:
            VolumeRefusedError: the database was finished; it is not touched.
        """
        if identity.born:
            raise VolumeRefusedError("WipeForbidden", "A finished database is never wiped by the agent.")
        if self.pgdata.exists():
            shutil.rmtree(self.pgdata)
        for leftover in (self.agent / "promise.json", self.agent / "member.json"):
            leftover.unlink(missing_ok=True)
        shutil.rmtree(self.credentials_root, ignore_errors=True)
        sync_folder(self.agent)
        sync_folder(self.root)

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
        self.agent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durable(self.agent / name, codec.encode(document) + b"\n")


def examine(volume: Volume, instance: str, cluster_uid: str, shard_uid: str) -> tuple[Identity | None, Promise | None]:
    """Return who a volume is, after looking for everything that speaks against touching it.

    Returns:
        (None, None) for an empty volume.

    Raises:
        VolumeRefusedError: the volume is foreign, damaged or incomplete.
    """
    identity, promise = volume.read_identity(), volume.read_promise()
    if identity is None:
        if volume.holds_database():
            raise VolumeRefusedError(
                "VolumeForeign",
                "The volume holds a database that no agent of this shard made. Remove it, or use another volume.",
            )
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
    if promise is None or promise.rule is None:
        raise VolumeRefusedError(
            "PromiseMissing", "The volume holds a finished database but no promise.json with a rule."
        )
    if not (volume.pgdata / "PG_VERSION").exists():
        raise VolumeRefusedError("DatabaseMissing", "The volume has an identity but no database in pgdata.")
    return identity, promise


def write_durable(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file so that after a crash either the old or the new content is there, whole."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.fchmod(descriptor, mode)
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the entries of a folder durable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
