"""Waiting until the operator has restarted a cluster, or has refused to.

The order goes when no pod is older than its moment; then an Event says whether that is so.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from covet.cli import access as api
from covet.cli import failures, patience
from covet.cli.access import Access, Seen
from covet.core import events, names

GRACE: Final = 5.0
"""Seconds that an Event may come later than the removal of the order."""
_LOOKS: Final = 10


async def until_done(access: Access, ordered: Seen, moment: str, limit: float, tell: Callable[[str], None]) -> None:
    """Return once every instance was restarted.

    Args:
        access: the API server.
        ordered: the cluster, as it was when the order was written.
        moment: the order: what the annotation says.
        limit: seconds to wait at most.
        tell: is given each step as a sentence.

    Raises:
        Failure: refused, withdrawn, or still under way at the limit; then the order stands.
    """
    late = (
        f"{ordered.name} is not restarted after {limit:g} s; the order stands."
        f" `kubectl covet status {ordered.name}` says what it waits for; to withdraw it: `kubectl annotate"
        f" {names.PLURAL} {ordered.name} -n {ordered.namespace} {names.ANNOTATION_RESTART}-`."
    )
    async with patience.within(limit, late):
        seen = await _until_gone(access, ordered, moment, tell)
        await _judge(access, seen, moment)


async def _until_gone(access: Access, ordered: Seen, moment: str, tell: Callable[[str], None]) -> Seen:
    told = patience.news(tell)
    async for seen in api.follow_patiently(access, ordered.name, tell):
        standing = seen.annotations.get(names.ANNOTATION_RESTART)
        if standing is None:
            return seen
        if standing != moment:
            raise failures.Failure(
                failures.Exit.REFUSED, f"Somebody ordered a restart of what is older than {standing} in its place."
            )
        told(_progress(seen))
    raise failures.no_cluster(ordered.name, ordered.namespace, ())


async def _judge(access: Access, seen: Seen, moment: str) -> None:
    """Return if the operator says that it is done; fail with its words if it refused, or said nothing."""
    for _ in range(_LOOKS):
        for word in await patience.words(access, seen):
            if moment not in word.message:
                continue
            if word.reason == events.RESTART_REFUSED:
                raise failures.Failure(failures.Exit.REFUSED, f"The operator refused: {word.message}")
            if word.reason == events.ORDER_DONE:
                return
        await asyncio.sleep(GRACE / _LOOKS)
    raise failures.Failure(
        failures.Exit.REFUSED,
        "The order was removed, and the operator does not say that it carried it out: somebody withdrew it."
        " `kubectl get pods` shows the ages of the pods.",
    )


def _progress(seen: Seen) -> str:
    for change in seen.status.pending_changes:
        if change.reason == "RestartOrdered":
            return change.message
    return "Ordered; the operator has not taken it up yet."
