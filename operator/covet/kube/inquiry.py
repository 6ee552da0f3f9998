"""What a person asks the API server beside objects: logs, its version and clock, and what the person may do."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import email.utils
import json
from collections.abc import AsyncIterator, Mapping
from typing import Final

import aiohttp
from kubernetes.aio.client import exceptions

from covet.core.errors import CovetError, RefusedError, UnreachableError
from covet.kube import resources
from covet.kube.client import Kube
from covet.kube.resources import Manifest, Resource

LONGEST_LINE: Final = 1 << 20
"""Bytes of one line of a log; what is longer is cut into pieces."""


@dataclasses.dataclass(frozen=True)
class Server:
    """The API server.

    Args:
        version: as it calls itself, e.g. v1.29.3.
        now: its time of day to the second; None if it tells none.
    """

    version: str
    now: dt.datetime | None


@dataclasses.dataclass(frozen=True)
class Right:
    """Something that a person may be allowed to do; namespace None for objects that belong to none."""

    verb: str
    resource: Resource
    namespace: str | None
    subresource: str | None = None

    @property
    def plural(self) -> str:
        """Return what stands in a role under `resources`."""
        return self.resource.plural if self.subresource is None else f"{self.resource.plural}/{self.subresource}"


class Inquiry(Kube):
    """The adapter, with what only a person's command asks."""

    async def server(self) -> Server:
        """Return version and time of the API server."""
        async with self._open("/version", {}, self._timeout) as answer:
            text = await answer.read()
            date = answer.headers.get("Date", "")
        with contextlib.suppress(ValueError, TypeError):
            return Server(_version(text), email.utils.parsedate_to_datetime(date))
        return Server(_version(text), None)

    async def may(self, right: Right) -> bool:
        """Return whether the caller has a right, by the API server's own judgement."""
        self._require(resources.ACCESS_REVIEW, "create")
        wanted = {
            "verb": right.verb,
            "group": right.resource.group,
            "resource": right.resource.plural,
            **({"subresource": right.subresource} if right.subresource else {}),
            **({"namespace": right.namespace} if right.namespace else {}),
        }
        body: Manifest = {
            "apiVersion": resources.ACCESS_REVIEW.api_version,
            "kind": resources.ACCESS_REVIEW.kind,
            "spec": {"resourceAttributes": wanted},
        }
        answer = await self._call("POST", resources.ACCESS_REVIEW.path(), body=body, content_type="application/json")
        return bool((answer.get("status") or {}).get("allowed"))

    async def log(self, namespace: str, pod: str, query: Mapping[str, str], silence: float) -> AsyncIterator[str]:
        """Yield the lines of a container's log; with `follow` in the query, until it ends.

        Args:
            namespace: of the pod.
            pod: its name.
            query: as the API server takes it: container, follow, tailLines, sinceSeconds, sinceTime, timestamps.
            silence: seconds without a byte after which the stream counts as dead.

        Raises:
            RefusedError: no such pod (NotFound), no right (Forbidden), or its container has not begun (NotStarted).
            UnreachableError: the stream was cut.
        """
        self._require(resources.POD, "get", "log")
        path = resources.POD.path(namespace, pod, "log")
        async with self._open(path, query, silence) as answer:
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line.decode(errors="replace")
                while len(rest) > LONGEST_LINE:
                    yield rest[:LONGEST_LINE].decode(errors="replace")
                    rest = rest[LONGEST_LINE:]
            if rest:
                yield rest.decode(errors="replace")

    @contextlib.asynccontextmanager
    async def _open(self, path: str, query: Mapping[str, str], silence: float) -> AsyncIterator[aiohttp.ClientResponse]:
        limit = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=silence)
        answer = None
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._send("GET", path, query, None, {"Accept": "*/*"}, limit)
                if answer.status != 200:
                    raise _refusal(path, answer.status, await answer.read())
            yield answer
        except (TimeoutError, aiohttp.ClientError, OSError, exceptions.ApiException) as error:
            what = str(error) or type(error).__name__
            raise UnreachableError("ApiServerUnreachable", f"GET {path} ended: {what}.") from error
        finally:
            if answer is not None:
                answer.close()


def _version(text: bytes) -> str:
    try:
        return str(json.loads(text)["gitVersion"])
    except (ValueError, KeyError, TypeError):
        return "unknown"


def _refusal(path: str, status: int, text: bytes) -> CovetError:
    """Translate an error answer of what is no object."""
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text[:200].decode(errors="replace")
    sentence = f"GET {path}: {message}"
    if status == 429 or status >= 500:
        return UnreachableError("ApiServerUnreachable", f"{sentence} (HTTP {status})")
    reasons = {400: "NotStarted", 401: "Forbidden", 403: "Forbidden", 404: "NotFound"}
    return RefusedError(reasons.get(status, "Rejected"), sentence)
