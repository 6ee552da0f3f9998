"""The agent's life: look at the volume, start the voter, serve, stop in order."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterable
from typing import Any, Final

from covet.agent import access, logs, loop, probing, running, watching
from covet.agent.api import Api
from covet.agent.children import Children, adopt_orphans
from covet.agent.instance import Instance, check_spec
from covet.agent.settings import Settings, read_settings
from covet.agent.volume import Volume, VolumeRefusedError, examine
from covet.agent.watching import Watcher
from covet.core.clock import Clock
from covet.core.errors import CovetError, SpecError
from covet.engines import programs

LOG: Final = logging.getLogger("covet.agent")

ACTION_SECONDS: Final = 5.0
"""How long an action under way may delay the stop."""
CLOSE_SECONDS: Final = 3.0
"""How long shutting clients out may delay the stop of a leader."""


def main() -> int:
    """Run the agent until it is told to end; 0 if it was, 1 if it has to be started again."""
    try:
        settings = read_settings()
    except SpecError as error:
        logs.configure("text", "")
        LOG.error("%s", error.message)  # noqa: TRY400  the sentence says it all
        return 1
    logs.configure(settings.log, settings.instance)
    try:
        return asyncio.run(live(settings))
    except CovetError as error:
        LOG.error("%s", error.message, extra={"fields": {"reason": error.reason}})  # noqa: TRY400  likewise
        return 1


async def live(settings: Settings) -> int:
    """Serve until told to end.

    Raises:
        SpecError: there is no spec or certificate to begin with.
    """
    loop_ = asyncio.get_running_loop()
    inst = await _open(settings)
    adopt_orphans(loop_, inst.children)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop_.add_signal_handler(number, _ask_to_stop, inst, number)
    api = Api(inst)
    inst.client = await watching.open_client(inst)
    await inst.voting.start()
    await api.start()
    LOG.info("Agent of %s is up.", settings.instance)
    background = [
        asyncio.create_task(probing.run(inst), name="probing"),
        asyncio.create_task(Watcher(inst, api).run(), name="watching"),
        asyncio.create_task(loop.run(inst), name="loop"),
    ]
    waiters: list[asyncio.Task[Any]] = [
        asyncio.create_task(inst.stopping.wait()),
        asyncio.create_task(inst.voting.ended.wait()),
    ]
    done, _ = await asyncio.wait([*background, *waiters], return_when=asyncio.FIRST_COMPLETED)
    code = _verdict(inst, done)
    await _stop(inst, api, [*background, *waiters])
    return code


async def _open(settings: Settings) -> Instance:
    """Look at the volume and the spec, and put the agent together."""
    clock = Clock()
    volume = Volume(settings.data)
    refusal = None
    cached = None
    try:
        cached = await asyncio.to_thread(volume.read_spec)
    except VolumeRefusedError as error:
        refusal = error
    mounted = settings.spec.read_bytes() if settings.spec.exists() else None
    spec = watching.read_spec(cached, mounted)
    check_spec(spec, settings.instance)
    inst = Instance(settings, spec, clock, Children())
    try:
        if refusal is not None:
            raise refusal
        inst.identity, inst.promise = await asyncio.to_thread(
            examine, volume, settings.instance, spec.cluster_uid, spec.shard_uid
        )
        await _check_database(inst)
        if spec != cached:
            await asyncio.to_thread(volume.write_spec, spec)
    except VolumeRefusedError as error:
        inst.refusal = error
        LOG.error("%s", error.message, extra={"fields": {"reason": error.reason}})  # noqa: TRY400  the sentence says it
    return inst


async def _check_database(inst: Instance) -> None:
    """Refuse a finished database whose system identifier or version is not the one of its identity."""
    identity = inst.identity
    if identity is None or not identity.born:
        return
    version = (inst.volume.pgdata / "PG_VERSION").read_text().strip()
    if version != inst.spec.engine_version:
        raise VolumeRefusedError(
            "VersionForeign", f"The database is of PostgreSQL {version}, this image of {inst.spec.engine_version}."
        )
    try:
        found = await programs.system_id(inst.settings.programs, inst.volume.pgdata, inst.children.spawn)
    except programs.ProgramError as error:
        raise VolumeRefusedError("ControlFileUnreadable", error.message) from error
    if found != identity.system_id:
        raise VolumeRefusedError(
            "SystemForeign", f"The database has system id {found}, its identity says {identity.system_id}."
        )


def _ask_to_stop(inst: Instance, number: signal.Signals) -> None:
    LOG.info("%s: stopping.", number.name)
    inst.stopping.set()
    inst.wake.set()


def _verdict(inst: Instance, done: Iterable[asyncio.Task[Any]]) -> int:
    """Return the exit code: 0 only if somebody asked for the end."""
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            inst.defect = error
    if inst.defect is not None:
        LOG.error("The agent ends on a defect of its own.", exc_info=inst.defect)
        return 1
    return 1 if inst.voting.ended.is_set() else 0


async def _stop(inst: Instance, api: Api, tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Stop in order: work under way, clients, the server, the API, the voter."""
    inst.stopping.set()
    if inst.job is not None:
        inst.job.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await inst.job
    with contextlib.suppress(TimeoutError):  # an action of the loop may be starting the server right now
        await asyncio.wait_for(inst.acting.acquire(), ACTION_SECONDS)
    if inst.vitals is not None and not inst.vitals.standby and inst.admitting:
        with contextlib.suppress(CovetError, TimeoutError):
            await asyncio.wait_for(access.close(inst), CLOSE_SECONDS)
    await running.stop(inst)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await api.stop()
    await inst.client.close()
    await inst.voting.stop()
    LOG.info("Stopped.")
