"""What kubelet and Prometheus may ask the operator: is it alive, is it of use, what did it count."""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from typing import Final

import prometheus_client
from aiohttp import web

TICK: Final = 1.0
"""Seconds between ticks of the loop."""
TICK_LIMIT: Final = 15.0
"""Seconds without a tick from which the process is not alive."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """An answer to a probe, with the reason in words."""

    good: bool
    message: str


Probe = Callable[[], Verdict]


class Health:
    """Serves /livez, /readyz and /metrics.

    Args:
        alive: asked by /livez, beside the loop's own ticks.
        ready: asked by /readyz.
        collect: called before metrics are written.
    """

    def __init__(
        self,
        registry: prometheus_client.CollectorRegistry,
        alive: Probe,
        ready: Probe,
        collect: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._alive = alive
        self._ready = ready
        self._collect = collect
        self._monotonic = monotonic
        self._ticked = monotonic()
        self._runner: web.AppRunner | None = None

    async def tick(self) -> None:
        """Tick for as long as the loop turns."""
        while True:
            self._ticked = self._monotonic()
            await asyncio.sleep(TICK)

    def alive(self) -> Verdict:
        """Return whether the process should go on."""
        age = self._monotonic() - self._ticked
        if age > TICK_LIMIT:
            return Verdict(good=False, message=f"the loop has not turned for {age:.0f} s")
        return self._alive()

    async def start(self, port: int) -> int:
        """Listen on a port of every address; 0 means any port, and of loopback only. Return the port."""
        app = web.Application()
        app.router.add_get("/livez", self._answer(self.alive))
        app.router.add_get("/readyz", self._answer(self._ready))
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, None if port else "127.0.0.1", port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    @staticmethod
    def _answer(probe: Probe) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(_request: web.Request) -> web.StreamResponse:
            verdict = probe()
            return web.Response(status=200 if verdict.good else 503, text=verdict.message + "\n")

        return answer

    async def _metrics(self, _request: web.Request) -> web.StreamResponse:
        self._collect()
        text = prometheus_client.generate_latest(self._registry)
        return web.Response(body=text, headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})
