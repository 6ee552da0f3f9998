"""One heartbeat connection: non-blocking TLS on a socket that the voter's selector watches.

Standard library only. A link knows its state, its buffers and whose certificate stands at the
other end; what a message means is the voter's business.
"""

import enum
import selectors
import socket
import ssl
from pathlib import Path
from typing import Final

from covet.agent import heartbeats

_READ_BYTES: Final = 4096
_MAX_QUEUE: Final = 8192
"""Bytes that may wait for a peer that does not read; then the link ends."""


class Phase(enum.Enum):
    """How far a link is."""

    CONNECTING = "Connecting"
    HANDSHAKING = "Handshaking"
    OPEN = "Open"


class LinkLostError(Exception):
    """The link ended; `nonsense` tells a broken line from a peer that broke the rules."""

    def __init__(self, cause: str, *, nonsense: bool = False) -> None:
        super().__init__(cause)
        self.nonsense = nonsense


class Link:
    """A TLS connection to or from one peer.

    Args:
        sock: non-blocking socket, connected or connecting.
        context: of the voter's certificate.
        host: name that the peer's certificate must have; None for a link that a peer dialled.
        allowed: common names that may stand at the other end.
        deadline: monotonic time at which the link ends unless `extend` was called.
    """

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, host: str | None, allowed: frozenset[str], deadline: float
    ) -> None:
        self.dialled = host is not None
        self.deadline = deadline
        self.instance = ""
        self.received = bytearray()
        self._queue = bytearray()
        self._allowed = allowed
        self._context = context
        self._host = host
        self.sock: socket.socket = sock
        self.phase = Phase.CONNECTING if self.dialled else Phase.HANDSHAKING
        self.events = selectors.EVENT_WRITE if self.dialled else selectors.EVENT_READ
        if not self.dialled:
            self._wrap()

    def _wrap(self) -> None:
        self.sock = self._context.wrap_socket(
            self.sock, server_side=not self.dialled, do_handshake_on_connect=False, server_hostname=self._host
        )

    def send(self, message: heartbeats.Heartbeat) -> None:
        """Queue a message and write what the line takes.

        Raises:
            LinkLostError: the line is broken, or the peer has not read for long.
        """
        if len(self._queue) > _MAX_QUEUE:
            raise LinkLostError("the peer does not read")
        self._queue += heartbeats.encode(message)
        if self.phase is Phase.OPEN:
            self._flush()

    def advance(self) -> list[heartbeats.Heartbeat]:
        """Do what the socket is ready for and return the messages that came.

        Raises:
            LinkLostError: the link is of no more use.
        """
        try:
            if self.phase is Phase.CONNECTING:
                self._connected()
            if self.phase is Phase.HANDSHAKING:
                self._handshake()
            if self.phase is not Phase.OPEN:
                return []
            self._flush()
            return self._read()
        except (ssl.SSLError, OSError, ValueError) as error:
            raise LinkLostError(str(error), nonsense=isinstance(error, ssl.SSLError)) from error

    def close(self) -> None:
        """Close the socket without a farewell."""
        self.sock.close()

    def _connected(self) -> None:
        error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise LinkLostError(f"connect: error {error}")
        self._wrap()
        self.phase = Phase.HANDSHAKING

    def _handshake(self) -> None:
        secured = self._secured()
        try:
            secured.do_handshake()
        except ssl.SSLWantReadError:
            self.events = selectors.EVENT_READ
            return
        except ssl.SSLWantWriteError:
            self.events = selectors.EVENT_WRITE
            return
        self.instance = common_name(secured)
        if self.instance not in self._allowed:
            raise LinkLostError("a subject that is no peer", nonsense=True)
        self.phase = Phase.OPEN
        self.events = selectors.EVENT_READ

    def _flush(self) -> None:
        self.events = selectors.EVENT_READ
        while self._queue:
            try:
                sent = self.sock.send(self._queue)
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                self.events = selectors.EVENT_READ | selectors.EVENT_WRITE
                return
            except OSError as error:
                raise LinkLostError(str(error)) from error
            del self._queue[:sent]

    def _read(self) -> list[heartbeats.Heartbeat]:
        messages: list[heartbeats.Heartbeat] = []
        while True:
            try:
                chunk = self.sock.recv(_READ_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return messages
            if not chunk:
                raise LinkLostError("the peer closed")
            self.received += chunk
            try:
                while (message := heartbeats.take(self.received)) is not None:
                    messages.append(message)
            except heartbeats.NonsenseError as error:
                raise LinkLostError(str(error), nonsense=True) from error
            if self._secured().pending() == 0:
                return messages

    def _secured(self) -> ssl.SSLSocket:
        if not isinstance(self.sock, ssl.SSLSocket):
            raise LinkLostError("the line is not encrypted", nonsense=True)
        return self.sock


def common_name(sock: ssl.SSLSocket) -> str:
    """Return the common name of the certificate at the other end, empty without one."""
    certificate = sock.getpeercert() or {}
    for relative in certificate.get("subject", ()):
        for pair in relative:
            if isinstance(pair, tuple) and pair[0] == "commonName":
                return str(pair[1])
    return ""


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts for answering and for dialling, from `ca.crt`, `tls.crt` and `tls.key`."""
    answering = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    dialling = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in (answering, dialling):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "ca.crt")
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    answering.num_tickets = 0
    return answering, dialling
