"""The port that Prometheus scrapes: metrics, and nothing else, over plain HTTP.

The agent API asks for a certificate of the cluster's own authority, which a Prometheus for many clusters
cannot show. Metrics hold no data, no names of users and no secret; who may reach the port a NetworkPolicy
says. It is kept apart from the agent API, so that whoever reaches it can neither give orders nor
take the places of those who do: few connections at once, each for one request and a few seconds.
"""

import asyncio
import contextlib
import logging
from typing import Final

from covet.agent import status, validity
from covet.agent.instance import Instance
from covet.core.errors import SpecError

LOG: Final = logging.getLogger("covet.metrics")

PLACES: Final = 8
"""Connections at once; the next one is closed unheard."""
SECONDS: Final = 5.0
"""How long a connection may take to ask, and then to take the answer."""
FRESH_SECONDS: Final = 0.5
"""Scrapes closer than that get the same text: a caller cannot make the agent ask its server more often."""
MAX_HEAD_BYTES: Final = 8192


def describe(inst: Instance) -> None:
    """Let the metrics say whose they are, and until when the certificates in use are valid."""
    spec = inst.spec
    inst.metrics.identify(spec.namespace, spec.cluster, spec.shard, inst.settings.instance)
    for name in ("ca.crt", "tls.crt"):
        gauge = inst.metrics.certificate_expiry.labels(name)
        gauge.set_function(lambda name=name: _expiry(inst, name))  # type: ignore[misc]  # a lambda's default is not inferred
    inst.metrics.trusted_authorities.set_function(lambda: _authorities(inst))


def _expiry(inst: Instance, name: str) -> float:
    """Return when a file's certificates stop being of use: the instance's own is the first, of authorities the last."""
    try:
        found = validity.ends(inst.certificates.files[name])
    except SpecError:
        return 0.0
    if not found:
        return 0.0
    return found[0] if name == "tls.crt" else max(found)


def _authorities(inst: Instance) -> float:
    """Return how many authorities are trusted, 0 if the file cannot be read."""
    try:
        return len(validity.ends(inst.certificates.files["ca.crt"]))
    except SpecError:
        return 0.0


class Exposition:
    """Serves `GET /metrics`.

    Args:
        inst: the agent.
    """

    def __init__(self, inst: Instance) -> None:
        self._inst = inst
        self._server: asyncio.Server | None = None
        self._open = 0
        self._turn = asyncio.Lock()
        self._text = b""
        self._written_at = -FRESH_SECONDS

    @property
    def port(self) -> int:
        """The port that is listened on, 0 while none is."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server is not None else 0

    async def start(self, port: int) -> None:
        """Listen; a port that is taken is told in the log and costs nothing but the metrics."""
        try:
            self._server = await asyncio.start_server(
                self._serve, self._inst.settings.listen, port, limit=MAX_HEAD_BYTES
            )
        except OSError as error:
            LOG.warning("Metrics are not served: %s.", error)

    async def stop(self) -> None:
        """Stop listening; what is under way ends within seconds by itself."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= PLACES:
                async with asyncio.timeout(SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head.split(b"\r\n", 1)[0]))
                async with asyncio.timeout(SECONDS):
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            LOG.debug("A scrape came to nothing: %s.", error)
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(SECONDS):
                    await writer.wait_closed()

    async def _answer(self, request: bytes) -> bytes:
        """Return the response to a request line."""
        method, _, rest = request.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if path != b"/metrics":
            return _response("404 Not Found", b"only /metrics is served here\n")
        if method != b"GET":
            return _response("405 Method Not Allowed", b"only GET is served here\n")
        return _response("200 OK", await self._metrics())

    async def _metrics(self) -> bytes:
        inst = self._inst
        async with self._turn:
            if inst.clock.monotonic() - self._written_at >= FRESH_SECONDS:
                status.fill_metrics(inst, await status.read(inst))
                self._text, self._written_at = inst.metrics.text(), inst.clock.monotonic()
        return self._text


def _response(code: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {code}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
