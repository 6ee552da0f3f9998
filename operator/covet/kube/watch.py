"""One object as it changes, for a person who waits: a watch that survives its own end.

A watch is cut by every restart of the API server, by its timeout, by proxies in between; and some die
without a word. So each end of one is followed by a fresh look at the object, and a silent one counts as
ended after a while: a change may be told late, never be missed.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final

from covet.core.errors import RefusedError, UnreachableError
from covet.kube.client import Kube
from covet.kube.resources import Manifest, Resource

SILENCE: Final = 10.0
"""Seconds without an event after which the object is looked at again."""
_PAUSE: Final = 0.5
"""Seconds between two watches, so that an API server which ends every one is not stormed."""
_LONGEST_LINE: Final = 8 << 20
"""Bytes of one event; etcd takes objects of 1.5 MiB, JSON written out is larger."""


async def follow(
    kube: Kube, resource: Resource, namespace: str, name: str, silence: float = SILENCE
) -> AsyncIterator[Manifest | None]:
    """Yield the object as it is, then each time that it changed; None and the end once it is gone.

    Raises:
        UnreachableError: the API server does not answer a plain look; a cut watch alone raises nothing.
        RefusedError: the right to get or to watch is missing.
    """
    told: str | None = None
    while True:
        found = await kube.get(resource, namespace, name)
        if found is None:
            yield None
            return
        version = str(found["metadata"]["resourceVersion"])
        if version != told:
            told = version
            yield found
        async for event in _events(kube, resource, namespace, name, (version, silence)):
            item = event["object"]
            if item["metadata"]["name"] != name:
                continue
            if event["type"] == "DELETED":
                yield None
                return
            if item["metadata"]["resourceVersion"] != told:
                told = str(item["metadata"]["resourceVersion"])
                yield item
        await asyncio.sleep(_PAUSE)


async def _events(
    kube: Kube, resource: Resource, namespace: str, name: str, since: tuple[str, float]
) -> AsyncIterator[Manifest]:
    """Yield the events of one watch until it ends, however it does."""
    version, silence = since
    query = {"fieldSelector": f"metadata.name={name}", "resourceVersion": version}
    try:
        async with kube.stream(resource, namespace, query, silence) as answer:
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > _LONGEST_LINE:
                    return
                for line in lines:
                    event = json.loads(line) if line.strip() else {"type": "BOOKMARK"}
                    if event["type"] in {"ADDED", "MODIFIED", "DELETED"}:
                        yield event
                    elif event["type"] == "ERROR":
                        # The version is too old, or the server gives up: a fresh look tells where we are.
                        return
    except (UnreachableError, ValueError):
        # Cut, amid a line too.
        return
    except RefusedError as error:
        if error.reason == "Forbidden":
            raise
        return
