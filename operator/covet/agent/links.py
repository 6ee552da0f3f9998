"""One connection between voters: non-blocking TLS on a socket that the voter's selector watches.

Standard library only. A link knows its state, its buffers and whose certificate stands at the
other end; what a message means, and when to dial again, is the business of others.
"""

import enum
import errno
import selectors
import socket
import ssl
from pathlib import Path
from typing import Final

from covet.agent.frames import Outbox, take
from covet.planner.election.messages import NonsenseError

_READ_BYTES: Final = 4096
_THIN_LINEAR_TIMEOUTS: Final = 16
"""TCP_THIN_LINEAR_TIMEOUTS of Linux; Python has no name for it."""
_OPTIONS: Final = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 3000),
    (socket.IPPROTO_TCP, _THIN_LINEAR_TIMEOUTS, 1),
)
"""A line whose other end vanished is found out by the kernel within 4 s, though nobody speaks on it. A lost heartbeat
is sent again every 200 ms instead of after 0.2, 0.6 and 1.4 s: half a second of stall must not become more."""


class Phase(enum.Enum):
    """How far a link is."""

    CONNECTING = "Connecting"
    HANDSHAKING = "Handshaking"
    OPEN = "Open"


class End(enum.Enum):
    """Why a link ended."""

    REFUSED = "Refused"
    """The host is up and nobody listens there."""
    BROKEN = "Broken"
    """It was closed or reset, or there is no way there."""
    NONSENSE = "Nonsense"
    """The other side broke the rules."""


class Link:
    """A TLS connection to or from one peer.

    Args:
        sock: non-blocking socket, connected or connecting.
        context: of the voter's certificate.
        host: name that the peer's certificate must have; None for a link that a peer dialled.
        allowed: common names that may stand at the other end.
        now: monotonic seconds.

    Attributes:
        instance: common name at the other end, empty until the link is open.
        made_at, opened_at, heard_at: monotonic seconds; the owner sets `heard_at` with each message.
        end: why it is of no more use; None while it is.
        closed: its socket is gone.

    Raises:
        OSError: the other side hung up already.
    """

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, host: str | None, allowed: frozenset[str], now: float
    ) -> None:
        self.dialled = host is not None
        self.made_at = self.opened_at = self.heard_at = now
        self.instance = ""
        self.end: End | None = None
        self.closed = False
        self.outbox = Outbox()
        self._received = bytearray()
        self._allowed = allowed
        self._context = context
        self._host = host
        self._sock: socket.socket = sock
        self.fd = sock.fileno()
        self.phase = Phase.CONNECTING if self.dialled else Phase.HANDSHAKING
        self.events = selectors.EVENT_WRITE if self.dialled else selectors.EVENT_READ
        for level, option, value in _OPTIONS:
            sock.setsockopt(level, option, value)
        if not self.dialled:
            self._wrap()

    def _wrap(self) -> None:
        # The TLS socket takes the descriptor over, so whoever watches its number need not know.
        self._sock = self._context.wrap_socket(
            self._sock, server_side=not self.dialled, do_handshake_on_connect=False, server_hostname=self._host
        )

    def send(self, body: bytes) -> None:
        """Queue a message and write what the line takes; `end` tells if it is broken."""
        self.outbox.put(body)
        if self.phase is Phase.OPEN and self.end is None:
            try:
                self._flush()
            except OSError:
                self.end = End.BROKEN

    def advance(self) -> list[bytes]:
        """Do what the socket is ready for and return the messages that came, also those before an `end`."""
        bodies: list[bytes] = []
        try:
            if self.phase is Phase.CONNECTING:
                self._connected()
            if self.phase is Phase.HANDSHAKING:
                self._handshake()
            if self.phase is Phase.OPEN:
                self._read(bodies)
                self._flush()
        except NonsenseError:
            self.end = End.NONSENSE
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.end = End.BROKEN
        except ssl.SSLError:
            self.end = End.NONSENSE
        except (OSError, ValueError) as error:
            refused = isinstance(error, OSError) and error.errno == errno.ECONNREFUSED
            self.end = End.REFUSED if refused else End.BROKEN
        return bodies

    def close(self) -> None:
        """Close the socket without a farewell."""
        self.closed = True
        self._sock.close()

    def _connected(self) -> None:
        error = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, "connect")
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
        name = common_name(secured)
        if name not in self._allowed:
            raise NonsenseError("SubjectForeign", f"{name!r} is no peer.")
        self.instance = name
        self.phase = Phase.OPEN
        self.events = selectors.EVENT_READ

    def _flush(self) -> None:
        self.events = selectors.EVENT_READ
        while head := self.outbox.head():
            try:
                self.outbox.wrote(self._sock.send(head))
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                self.events = selectors.EVENT_READ | selectors.EVENT_WRITE
                return

    def _read(self, bodies: list[bytes]) -> None:
        """Take one TLS record at most, so that no peer holds the voter for itself.

        Raises:
            NonsenseError: what came is no frame.
            OSError: the line ended.
        """
        while True:
            try:
                chunk = self._sock.recv(_READ_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            if not chunk:
                raise ConnectionResetError(errno.ECONNRESET, "the peer closed")
            self._received += chunk
            while (body := take(self._received)) is not None:
                bodies.append(body)
            if self._secured().pending() == 0:
                return

    def _secured(self) -> ssl.SSLSocket:
        if not isinstance(self._sock, ssl.SSLSocket):
            raise NonsenseError("PlainText", "The line is not encrypted.")
        return self._sock


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
