"""Waiting until an order was carried out or refused, with progress, and not for ever.

The cluster itself says how it went: the primary is the wanted one, or the order is gone and an Event
tells why. Whose clock is right does not matter: Events count as new by their version.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable
from typing import Final

from covet.cli import access as api
from covet.cli import failures, patience
from covet.cli.access import Access, Seen, Word

_LOOKS: Final = 10
"""Looks for an Event within the time of grace."""


@dataclasses.dataclass(frozen=True)
class Awaited:
    """An order whose end is waited for.

    Args:
        annotation: what orders it.
        shard: where.
        instance: who shall lead in the end.
        refusal: reason of the Event that refuses it.
        before: versions of the Events that there were before it was written.
        grace: seconds that status and Events may come later than the removal of the order.
    """

    annotation: str
    shard: str
    instance: str
    refusal: str
    before: frozenset[str]
    grace: float = 5.0


async def before(access: Access, seen: Seen) -> frozenset[str]:
    """Return the Events that there are, for `Awaited.before`."""
    return frozenset(word.version for word in await access.words(seen))


async def until_done(access: Access, cluster: str, awaited: Awaited, limit: float, tell: Callable[[str], None]) -> Seen:
    """Return the cluster once the wanted instance leads and takes writes.

    Args:
        access: the API server.
        cluster: name of the cluster.
        awaited: the order.
        limit: seconds to wait at most.
        tell: is given each step as a sentence.

    Raises:
        Failure: refused by the operator, or still under way at the limit; then the order stands.
    """
    late = (
        f"{awaited.instance} does not lead {awaited.shard} after {limit:g} s; the order stands. `kubectl covet why"
        f" {cluster} --shard {awaited.shard}` says what it waits for; to withdraw it: `kubectl annotate"
        f" covetclusters {cluster} -n {access.namespace} {awaited.annotation}-`."
    )
    async with patience.within(limit, late):
        return await _follow(access, cluster, awaited, tell)


async def _follow(access: Access, cluster: str, awaited: Awaited, tell: Callable[[str], None]) -> Seen:
    told = patience.news(tell)
    judging: asyncio.Task[None] | None = None
    stream = api.follow_patiently(access, cluster, tell)
    following = asyncio.ensure_future(anext(stream))
    try:
        while True:
            waited_for = [following] if judging is None else [following, judging]
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                seen = following.result()
                if _leads(seen, awaited):
                    return seen
                told(_progress(seen, awaited))
                if judging is None and awaited.annotation not in seen.annotations:
                    judging = asyncio.create_task(_judge(access, seen, awaited))
                following = asyncio.ensure_future(anext(stream))
            elif judging is not None:
                judging.result()
    finally:
        for task in (following, judging):
            if task is not None:
                task.cancel()
                with contextlib.suppress(BaseException):
                    await task


async def _judge(access: Access, seen: Seen, awaited: Awaited) -> None:
    """Fail with the operator's words once they are there; without any, when they should have come."""
    last: Word | None = None
    for _ in range(_LOOKS):
        for word in await patience.words(access, seen):
            if word.reason != awaited.refusal or not word.message.startswith(awaited.shard):
                continue
            if word.version not in awaited.before:
                raise failures.Failure(failures.Exit.REFUSED, f"The operator refused: {word.message}")
            last = word
        await asyncio.sleep(awaited.grace / _LOOKS)
    heard = f" What it said last: {last.message}" if last is not None else ""
    raise failures.Failure(
        failures.Exit.REFUSED,
        f"The order was removed and {awaited.instance} does not lead {awaited.shard}: the operator refused it, or"
        f" somebody withdrew it.{heard}",
    )


def _leads(seen: Seen, awaited: Awaited) -> bool:
    shard = seen.shard(awaited.shard)
    serving = any(server.name == awaited.instance and server.state == "Serving" for server in shard.instances)
    return shard.primary == awaited.instance and serving


def _progress(seen: Seen, awaited: Awaited) -> str:
    shard = seen.shard(awaited.shard)
    who = f"{shard.primary} leads" if shard.primary is not None else "nobody leads"
    term = "" if shard.term is None else f" in term {shard.term}"
    state = next((server.state for server in shard.instances if server.name == awaited.instance), "not there")
    taken = "ordered" if awaited.annotation in seen.annotations else "taken up"
    return f"{shard.name}: {taken}; {who}{term}; {awaited.instance} is {state}"
