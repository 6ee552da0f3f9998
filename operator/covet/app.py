"""The operator put together: adapters, tasks, probes; and the order in which they start and stop.

Watches run only while this process holds the Lease. Losing it, losing the watches or a signal
ends all work; the next operator finds everything as this one left it.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, Final

from covet.controllers.fleet import Fleet
from covet.controllers.rivals import Rivals
from covet.controllers.round import Observed, Tools
from covet.core import names
from covet.core.clock import Clock
from covet.core.errors import CovetError
from covet.core.settings import Settings
from covet.handlers import thread, watching, wiring
from covet.handlers.figures import Figures
from covet.handlers.health import Health, Verdict
from covet.handlers.watching import WatchMeter
from covet.kube import client, resources
from covet.kube.client import Kube
from covet.kube.lease import LeaseHolder

_log = logging.getLogger(__name__)

RESCAN_EVERY: Final = 60.0
"""Seconds between lists of all clusters, which find what a watch may have missed."""
RESCAN_AGAIN: Final = 5.0
"""Seconds until the next list after one that failed."""
DEFINITION_EVERY: Final = 2.0
"""Seconds between looks for the CustomResourceDefinition while it is missing."""
AGAIN_AFTER: Final = 10.0
"""Seconds that an operator has to have lasted to begin anew in the same process."""
_TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class Operator:
    """One operator process.

    Args:
        settings: what the installation decides.
        kubeconfig: path of a kubeconfig, None inside a pod.
    """

    def __init__(self, settings: Settings, kubeconfig: str | None, clock: Clock | None = None) -> None:
        self._settings = settings
        self._kubeconfig = kubeconfig
        self._clock = clock or Clock()
        self._figures = Figures()
        self._meter = WatchMeter(self._clock.monotonic)
        self._stopping = asyncio.Event()
        self._definition = Verdict(good=False, message="starting")
        self._holder: LeaseHolder | None = None
        self._fleet: Fleet | None = None
        self._rivals: Rivals | None = None
        self.port = 0

    def stop(self) -> None:
        """Ask the process to end in order."""
        self._stopping.set()

    async def run(self) -> int:
        """Run until stopped; return the exit code: 0 if asked to end, 1 if the Lease or a watch was lost.

        Raises:
            SpecError: the API server's address cannot be loaded.
        """
        loaded = await client.load_configuration(self._kubeconfig)
        kube = Kube(loaded, self._figures.count_write)
        health = Health(self._figures.registry, self._alive, self._ready, self._collect)
        self.port = await health.start(self._settings.health_port)
        ticking = asyncio.create_task(health.tick())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        self._holder = LeaseHolder(
            kube, self._settings.namespace, self._settings.identity, self._clock, self._settings.lease
        )
        try:
            if not await self._unless_stopped(self._await_definition(kube)):
                return 0
            if not await self._unless_stopped(self._holder.acquire()):
                return 0
            return await self._work(kube, loaded)
        finally:
            await self._holder.release()
            ticking.cancel()
            await health.stop()
            await kube.close()

    async def _work(self, kube: Kube, loaded: Any) -> int:  # noqa: ANN401 -- untyped library
        holder = self._holder
        if holder is None:
            return 1
        kube.guard(holder.held)
        rivals = Rivals(kube, self._clock, self._settings.operator)
        self._rivals = rivals
        tools = Tools(
            kube, self._settings, self._clock, self._figures.count_action, self._meter.read, self._note_ready, rivals
        )
        fleet = Fleet(tools, self._figures.count_round)
        self._fleet = fleet
        token = None if self._kubeconfig is not None else _TOKEN
        registry = wiring.register(
            thread.across(asyncio.get_running_loop(), fleet.ring),
            self._meter,
            lambda: wiring.connection(loaded.host, loaded, token),
        )
        parts = {
            "watches": asyncio.create_task(thread.watch(registry, self._settings.watch_namespaces)),
            "lease": asyncio.create_task(holder.keep()),
            "rescan": asyncio.create_task(self._rescan(kube, fleet)),
            "stop": asyncio.create_task(self._stopping.wait()),
        }
        try:
            await asyncio.wait(parts.values(), return_when=asyncio.FIRST_COMPLETED)
            ended = [name for name, task in parts.items() if task.done()]
            for name in ended:
                error = parts[name].exception()
                if error is not None:
                    _log.error(f"the {name} ended with an error", exc_info=error)
            _log.info(f"ending: {', '.join(ended)}")
            return 0 if "stop" in ended else 1
        finally:
            await fleet.close()
            # No round is under way any more: a successor need not wait for the watches to end.
            parts["lease"].cancel()
            await asyncio.gather(parts["lease"], return_exceptions=True)
            await holder.release()
            for task in parts.values():
                task.cancel()
            await asyncio.gather(*parts.values(), return_exceptions=True)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do some work; return False if the process was asked to end meanwhile."""
        task = asyncio.create_task(work)
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            await task
            return True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False

    async def _await_definition(self, kube: Kube) -> None:
        """Wait until the CustomResourceDefinition is there, in a version that we know."""
        while True:
            try:
                await self._judge_definition(kube)
            except CovetError as error:
                self._note_definition(Verdict(good=False, message=error.message))
            if self._definition.good:
                return
            await asyncio.sleep(DEFINITION_EVERY)

    async def _judge_definition(self, kube: Kube) -> None:
        """Look whether the CustomResourceDefinition is there, in a version that we know."""
        found = await kube.get(resources.CUSTOM_RESOURCE, None, f"{names.PLURAL}.{names.GROUP}")
        self._note_definition(judge_definition(found))

    def _note_definition(self, verdict: Verdict) -> None:
        if verdict != self._definition:
            _log.info(verdict.message)
        self._definition = verdict

    async def _rescan(self, kube: Kube, fleet: Fleet) -> None:
        """List all clusters at once, for kopf takes its time to begin, and now and then, beside the watch."""
        while True:
            try:
                await self._judge_definition(kube)
                listed: list[resources.Manifest] = []
                for namespace in self._settings.watch_namespaces or (None,):
                    found = await kube.list(resources.CLUSTER, namespace)
                    listed.extend(found)
                    self._meter.read(_as_observed(found))
                    for item in found:
                        metadata = item["metadata"]
                        fleet.ring(metadata["namespace"], metadata["name"], found=True)
                self._figures.note_shards(listed)
                wait = RESCAN_EVERY
            except CovetError as error:
                _log.warning(f"cannot list the clusters: {error}")
                wait = RESCAN_AGAIN
            await asyncio.sleep(wait)

    def _note_ready(self, namespace: str, name: str, ready: bool | None) -> None:
        self._figures.note_ready(namespace, name, ready)
        if ready is None:
            self._meter.forget(namespace, name)

    def _alive(self) -> Verdict:
        lag = self._meter.lag()
        if lag > watching.DEAD_AFTER:
            return Verdict(good=False, message=f"a watch has been silent for {lag:.0f} s though objects changed")
        return Verdict(good=True, message="alive")

    def _ready(self) -> Verdict:
        if not self._definition.good:
            return self._definition
        lag = self._meter.lag()
        if lag > watching.STALE_AFTER:
            return Verdict(good=False, message=f"a watch is {lag:.0f} s behind")
        if self._holder is None or not self._holder.held():
            return Verdict(good=True, message="standing by: another process holds the lease")
        return Verdict(good=True, message="working")

    def _collect(self) -> None:
        held = self._holder is not None and self._holder.held()
        lags = {watched.plural: self._meter.lag(watched) for watched in wiring.WATCHED}
        clusters = len(self._fleet) if self._fleet is not None else 0
        self._figures.set_state(held, clusters, len(self._rivals) if self._rivals is not None else 0, lags)


def judge_definition(found: resources.Manifest | None) -> Verdict:
    """Say whether the CustomResourceDefinition is one that this operator can work with."""
    name = f"{names.PLURAL}.{names.GROUP}"
    if found is None:
        return Verdict(good=False, message=f"CustomResourceDefinition {name} is missing: install the chart covet-crds")
    versions = {entry["name"]: entry for entry in found["spec"].get("versions") or []}
    storage = next((version for version, entry in versions.items() if entry.get("storage")), "")
    if storage != names.VERSION:
        return Verdict(
            good=False, message=f"{name} stores version {storage or 'none'}, this operator knows {names.VERSION}"
        )
    if not versions[names.VERSION].get("served"):
        return Verdict(good=False, message=f"{name} does not serve version {names.VERSION}")
    return Verdict(good=True, message=f"{name} serves {names.VERSION}")


def _as_observed(found: Iterable[resources.Manifest]) -> Iterable[Observed]:
    for item in found:
        metadata = item["metadata"]
        key = (metadata["namespace"], metadata["name"])
        yield Observed(resources.CLUSTER, key, metadata.get("resourceVersion", ""), metadata["name"])


def run(settings: Settings, kubeconfig: str | None) -> int:
    """Run the operator until it ends; return its exit code.

    Whoever lost the Lease or the watches begins anew, with nothing kept: were the process to end each time, Kubernetes
    would soon wait for minutes before it starts the container again, long after the API server is back. One that does
    not get far ends for good: what is wrong then may be the process itself.
    """
    while True:
        began = time.monotonic()
        code = asyncio.run(Operator(settings, kubeconfig).run())
        if code == 0 or time.monotonic() - began < AGAIN_AFTER:
            return code
        _log.warning("beginning anew, as a new process would")
