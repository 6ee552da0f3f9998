"""The first look at the volume: lock it, find out whose it is, and refuse it before anything is touched.

A volume that another process holds is looked at again until it is free; every other refusal needs
a person.
"""

import asyncio
import logging
from typing import Final

from covet.agent import durable
from covet.agent.instance import Instance
from covet.agent.volume import VolumeInUseError, VolumeRefusedError, examine
from covet.core.agentapi import ShardSpec
from covet.engines import processes, programs

LOG: Final = logging.getLogger("covet.opening")


async def look(inst: Instance) -> None:
    """Take the volume if it is this instance's and nobody else holds it; else say why not in `refusal`."""
    try:
        await _take(inst)
    except VolumeRefusedError as error:
        if inst.refusal is None or inst.refusal.message != error.message:
            LOG.error("%s", error.message, extra={"fields": {"reason": error.reason}})  # noqa: TRY400  it says it all
        inst.refusal = error
    else:
        inst.refusal = None


async def _take(inst: Instance) -> None:
    if inst.held is None:
        inst.held = await asyncio.to_thread(_hold, inst)
        # A server whose agent was killed still runs, and acknowledges: it ends before anything else is looked at.
        if not await processes.reap_folder(inst.volume.pgdata):
            raise VolumeRefusedError("ServerRemains", "Processes of an earlier server of this volume do not end.")
    volume, spec = inst.volume, inst.spec
    kept = await asyncio.to_thread(volume.read_spec)
    identity, promise = await asyncio.to_thread(
        examine, volume, inst.settings.instance, spec.cluster_uid, spec.shard_uid
    )
    if identity is not None and kept is not None:
        _refuse_foreign(kept, spec)
    inst.identity, inst.sworn = identity, promise
    inst.chronicle.last = await asyncio.to_thread(volume.read_failover)
    await _check_database(inst)
    await asyncio.to_thread(volume.sweep)
    await inst.keep_spec(spec, kept)


def _hold(inst: Instance) -> int:
    try:
        held = durable.hold(inst.settings.data)
    except OSError as error:
        raise VolumeRefusedError("StateUnreadable", f"The volume cannot be locked: {error}.") from error
    if held is None:
        raise VolumeInUseError(
            "VolumeInUse", "Another process holds the volume; nothing is touched, and it is taken once it is let go."
        )
    return held


def _refuse_foreign(kept: ShardSpec, spec: ShardSpec) -> None:
    """Refuse a member whose volume was told to be of another shard than this pod's."""
    if (kept.cluster_uid, kept.shard_uid) != (spec.cluster_uid, spec.shard_uid):
        raise VolumeRefusedError(
            "VolumeForeign",
            f"The spec kept on the volume is of shard {kept.shard_uid} of cluster {kept.cluster_uid},"
            f" this instance is of shard {spec.shard_uid} of cluster {spec.cluster_uid}.",
        )


async def _check_database(inst: Instance) -> None:
    """Refuse a finished database whose system identifier or version is not the one of its identity."""
    identity = inst.identity
    if identity is None or not identity.born:
        return
    try:
        version = (inst.volume.pgdata / "PG_VERSION").read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise VolumeRefusedError("StateUnreadable", f"The database cannot be read: {error}.") from error
    if version != inst.spec.engine_version:
        raise VolumeRefusedError(
            "VersionForeign", f"The database is of PostgreSQL {version}, this image of {inst.spec.engine_version}."
        )
    try:
        found = await programs.system_id(inst.settings.programs, inst.volume.pgdata, inst.children.spawn)
    except programs.ProgramError as error:
        raise VolumeRefusedError("ControlFileUnreadable", error.message) from error
    except OSError as error:
        raise VolumeRefusedError("ControlFileUnreadable", f"pg_controldata cannot be run: {error}.") from error
    if found != identity.system_id:
        raise VolumeRefusedError(
            "SystemForeign", f"The database has system id {found}, its identity says {identity.system_id}."
        )
