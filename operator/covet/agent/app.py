"""The agent's life: look at the volume, start the voter, serve, stop in order."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterable
from typing import Any, Final

from covet.agent import disk, exposition, logs, loop, opening, parting, probing, running, watching
from covet.agent.account import Account
from covet.agent.api import Api
from covet.agent.children import Children, adopt_orphans
from covet.agent.driver import Driver
from covet.agent.exposition import Exposition
from covet.agent.instance import Instance, check_spec
from covet.agent.publishing import Publisher
from covet.agent.settings import Settings, read_settings
from covet.agent.volume import Volume, VolumeRefusedError
from covet.agent.watching import Watcher
from covet.core.clock import Clock
from covet.core.errors import CovetError, SpecError

LOG: Final = logging.getLogger("covet.agent")


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
    scraped = Exposition(inst)
    if settings.metrics_port:
        await scraped.start(settings.metrics_port)
    LOG.info("Agent of %s is up.", settings.instance)
    driver = Driver(inst)
    background = [
        asyncio.create_task(driver.run(), name="election"),
        asyncio.create_task(probing.Prober(inst).run(), name="probing"),
        asyncio.create_task(Watcher(inst, api).run(), name="watching"),
        asyncio.create_task(disk.watch(inst), name="disk"),
        asyncio.create_task(api.hub.run(), name="topology"),
        asyncio.create_task(loop.run(inst, driver), name="loop"),
    ]
    if settings.api_server and (settings.account / "token").exists():
        publisher = Publisher(inst, Account(settings.api_server, settings.account))
        background.append(asyncio.create_task(publisher.run(), name="publishing"))
    waiters: list[asyncio.Task[Any]] = [
        asyncio.create_task(inst.stopping.wait()),
        asyncio.create_task(inst.voting.ended.wait()),
    ]
    done, _ = await asyncio.wait([*background, *waiters], return_when=asyncio.FIRST_COMPLETED)
    code = _verdict(inst, done)
    await scraped.stop()
    await _stop(inst, api, driver, [*background, *waiters])
    return code


async def _open(settings: Settings) -> Instance:
    """Look at the spec and the volume, and put the agent together."""
    cached = None
    with contextlib.suppress(VolumeRefusedError):  # the first look at the volume says it
        cached = await asyncio.to_thread(Volume(settings.data).read_spec)
    mounted = settings.spec.read_bytes() if settings.spec.exists() else None
    spec = watching.read_spec(cached, mounted)
    check_spec(spec, settings.instance)
    inst = Instance(settings, spec, Clock(), Children())
    exposition.describe(inst)
    await opening.look(inst)
    return inst


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


async def _stop(inst: Instance, api: Api, driver: Driver, tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Stop in order: work under way, the reign, the server, the API, the voter."""
    inst.stopping.set()
    if inst.job is not None:
        inst.job.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await inst.job
    if inst.defect is None and not inst.voting.ended.is_set():
        await parting.leave(inst, parting.SECONDS)
    await driver.end()
    try:
        await running.stop(inst)
    except CovetError as error:
        LOG.error("%s", error.message, extra={"fields": {"reason": error.reason}})  # noqa: TRY400  it says it all
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await api.stop()
    await inst.client.close()
    await inst.voting.stop()
    LOG.info("Stopped.")
