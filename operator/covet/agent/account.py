"""The API server as a pod reaches it: few calls, short, each on its own; nothing that matters waits for one.

No Kubernetes client: an agent has to stay small, and all it writes is two objects.
"""

import asyncio
import hashlib
import json
import ssl
from pathlib import Path
from typing import Any, Final

import aiohttp

from covet.core import names
from covet.core.errors import ConflictError, CovetError, RefusedError, UnreachableError

CALL_SECONDS: Final = 3.0
MERGE_PATCH: Final = "application/merge-patch+json"
MAX_ANSWER_BYTES: Final = 1 << 20

Manifest = dict[str, Any]


class Account:
    """Calls to the API server in the name of the pod's ServiceAccount.

    Args:
        url: of the API server.
        folder: where the kubelet keeps `token` and `ca.crt`, both renewed while the pod lives.
        timeout: seconds that a call may take.
    """

    def __init__(self, url: str, folder: Path, timeout: float = CALL_SECONDS) -> None:
        self._url = url
        self._folder = folder
        self._timeout = timeout
        self._trusted = ""
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str) -> Manifest | None:
        """Return an object, None if there is none.

        Raises:
            CovetError: no answer, or a refusal.
        """
        return await self._call("GET", path, None, "")

    async def create(self, path: str, manifest: Manifest) -> None:
        """Create an object.

        Raises:
            ConflictError: it is there already.
            CovetError: no answer, or a refusal.
        """
        await self._call("POST", path, manifest, "application/json")

    async def merge(self, path: str, patch: Manifest) -> None:
        """Merge a patch into an object; with `metadata.resourceVersion` in it, only into that version.

        Raises:
            ConflictError: somebody wrote meanwhile, or the object is gone.
            CovetError: no answer, or a refusal.
        """
        if await self._call("PATCH", path, patch, MERGE_PATCH) is None:
            raise ConflictError("ObjectGone", f"{path} is gone.")

    async def _call(self, method: str, path: str, body: Manifest | None, kind: str) -> Manifest | None:
        query = {"fieldManager": names.AGENT_FIELD_MANAGER} if body is not None else {}
        try:
            async with asyncio.timeout(self._timeout):
                token, session = await self._ready()
                headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
                if kind:
                    headers["Content-Type"] = kind
                data = None if body is None else json.dumps(body)
                url = f"{self._url}{path}"
                async with session.request(
                    method, url, params=query, data=data, headers=headers, allow_redirects=False
                ) as answer:
                    text = await _read(answer)
                    status = answer.status
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            what = str(error) or type(error).__name__
            raise UnreachableError("ApiServerUnreachable", f"{method} {path} got no answer: {what}.") from error
        return _judge(method, path, status, text)

    async def _ready(self) -> tuple[str, aiohttp.ClientSession]:
        """Return the token as it is now and a session that trusts the authority as it is now.

        Raises:
            OSError: one of the files cannot be read.
        """
        token, trust = await asyncio.to_thread(self._read_files)
        digest = hashlib.sha256(trust.encode()).hexdigest()
        if self._session is None or digest != self._trusted:
            await self.close()
            context = ssl.create_default_context(cadata=trust) if trust else None
            connector = aiohttp.TCPConnector(ssl=context or True, limit=2, keepalive_timeout=30)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
            self._trusted = digest
        return token, self._session

    def _read_files(self) -> tuple[str, str]:
        token = (self._folder / "token").read_text().strip()
        return token, (self._folder / "ca.crt").read_text() if self._url.startswith("https") else ""


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    text = bytearray()
    async for chunk in answer.content.iter_chunked(1 << 16):
        text += chunk
        if len(text) > MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError("the answer is too long")
    return bytes(text)


def _judge(method: str, path: str, status: int, text: bytes) -> Manifest | None:
    """Return the object of an answer, None for a missing one.

    Raises:
        CovetError: the answer is a refusal, or makes no sense.
    """
    if status == 404:
        return None
    if status == 409:
        raise ConflictError("Conflict", f"{method} {path}: somebody else wrote meanwhile.")
    if status == 429 or status >= 500:
        raise UnreachableError("ApiServerUnreachable", f"{method} {path}: HTTP {status}.")
    if status >= 400:
        raise RefusedError("Forbidden" if status in {401, 403} else "Rejected", f"{method} {path}: HTTP {status}.")
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CovetError("AnswerInvalid", f"{method} {path} was answered with no JSON.") from error
    if not isinstance(found, dict):
        raise CovetError("AnswerInvalid", f"{method} {path} was answered with no object.")
    return found
