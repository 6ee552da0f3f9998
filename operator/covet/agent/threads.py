"""File work off the loop that is over once its caller is: whoever is cancelled waits for it first.

A thread cannot be cancelled. Left behind, it would go on writing after a fence or a stop overtook
the action that began it.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def finish(work: Callable[..., T], *values: object) -> T:
    """Do blocking work in a thread; it has ended when this returns, raises or is cancelled."""
    job = asyncio.ensure_future(asyncio.to_thread(work, *values))
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        while not job.done():  # whoever is cancelled once more waits all the same
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([job])
        raise
