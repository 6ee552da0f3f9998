"""kopf in a thread and a loop of its own.

When kopf ends it cancels every task of its loop that it does not know, and in the main
thread it takes the signals over. Here it can do neither, and a slow round can
never hold up a watch.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection
from typing import Final

import kopf

from covet.handlers import wiring

_log = logging.getLogger(__name__)

STOP_LIMIT: Final = 1.0
"""Seconds that kopf may take to end; its thread dies with the process in any case."""


async def watch(registry: kopf.OperatorRegistry, namespaces: Collection[str]) -> None:
    """Run kopf until it ends by itself or this is cancelled.

    Args:
        registry: its handlers; they are called in kopf's thread.
        namespaces: where to watch; empty means everywhere.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    stop = threading.Event()

    def body() -> None:
        try:
            asyncio.run(
                kopf.operator(
                    registry=registry,
                    settings=wiring.settings(),
                    clusterwide=not namespaces,
                    namespaces=list(namespaces),
                    stop_flag=stop,
                )
            )
        except Exception:  # noqa: BLE001 -- whatever kopf ends with, the process has to notice and end
            _log.exception("the watches ended with an error")
        finally:
            _tell(loop, ended.set)

    thread = threading.Thread(target=body, name="watches", daemon=True)
    thread.start()
    try:
        await ended.wait()
    finally:
        stop.set()
        await asyncio.to_thread(thread.join, STOP_LIMIT)


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Call something in another loop, unless that has closed meanwhile."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        _log.debug("the loop has closed")


def across(loop: asyncio.AbstractEventLoop, ring: wiring.Ring) -> wiring.Ring:
    """Return a bell that may be rung from kopf's thread."""

    def rung(namespace: str, name: str, *, found: bool = False) -> None:
        _tell(loop, lambda: ring(namespace, name, found=found))

    return rung
