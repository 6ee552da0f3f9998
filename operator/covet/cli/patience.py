"""What every wait for an order has in common: a limit, progress that is told once, Events that may be late."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from covet.cli import failures
from covet.cli.access import Access, Seen, Word


@contextlib.asynccontextmanager
async def within(limit: float, sentence: str) -> AsyncIterator[None]:
    """Bound a wait.

    Args:
        limit: seconds.
        sentence: says what was not done by then, and what may be done about it.

    Raises:
        Failure: the limit is over.
    """
    try:
        async with asyncio.timeout(limit):
            yield
    except TimeoutError:
        raise failures.Failure(failures.Exit.WAITING, sentence) from None


def news(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Return what tells a line unless it is the one that it told last."""
    said = ""

    def once(line: str) -> None:
        nonlocal said
        if line != said:
            tell(line)
            said = line

    return once


async def words(access: Access, seen: Seen) -> tuple[Word, ...]:
    """Return the Events about a cluster, none while the API server does not answer."""
    try:
        return await access.words(seen)
    except failures.Failure as failure:
        if failure.code is not failures.Exit.UNREACHABLE:
            raise
        return ()
