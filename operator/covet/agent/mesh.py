"""The voter's lines to its peers: both sides dial each other, and whoever has the freshest line uses it.

Standard library only. Nothing here knows what a message means. A line that ends is dialled again at
once, because the answer tells a dead peer from a cut: who refuses has a living host and no voter.
"""

import contextlib
import dataclasses
import errno
import functools
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from covet.agent import links
from covet.agent.links import End, Link, Phase

HANDSHAKE: Final = 3.0
"""Seconds that connecting and handshake may take."""
QUICK: Final = 0.05
"""Seconds between the first dials after a line was lost."""
QUICK_DIALS: Final = 5
REDIAL: Final = 0.5
"""Seconds between all further dials."""
LASTED: Final = 2.0
"""A line that lasted for so many seconds is worth quick dials; one that ends at once, over and over, is not."""
PER_PEER: Final = 2
"""Lines that one peer may have dialled; an older one is a leftover of its predecessor."""


@dataclasses.dataclass(frozen=True, slots=True)
class Peer:
    """Where a peer's voter listens, and the name that its certificate is for."""

    instance: str
    host: str
    ips: tuple[str, ...]
    port: int


@dataclasses.dataclass(frozen=True, slots=True)
class Bound:
    """Where to listen, and with which files."""

    listen: str
    port: int
    tls: str
    certificate: str


@dataclasses.dataclass(slots=True)
class Dial:
    """The state of dialling one peer; monotonic seconds.

    Args:
        at: not before then.
        last: when the last one began.
        quick: how many may still follow each other closely.
        count: of all, for taking the addresses in turn.
        ip: that was dialled last.
        link: under way or open.
    """

    at: float = 0.0
    last: float = 0.0
    quick: int = QUICK_DIALS
    count: int = 0
    ip: str = ""
    link: Link | None = None


class Mesh:
    """Listens, dials, and carries messages.

    Args:
        selector: of the process; its data are functions to call when a socket is ready.
        hear: called with each message and the link that it came by.
        refused: called with the instance whose dial was refused while no line to it is open.

    Attributes:
        dropped: connections and messages that made no sense.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        hear: Callable[[Link, bytes], None],
        refused: Callable[[str], None],
    ) -> None:
        self._selector = selector
        self._hear = hear
        self._refused = refused
        self._peers: dict[str, Peer] = {}
        self._wanted: Bound | None = None
        self._loaded = ("", "")
        self._contexts: tuple[ssl.SSLContext, ssl.SSLContext] | None = None
        self._listener: socket.socket | None = None
        self._address: tuple[str, int] | None = None
        self._dials: dict[str, Dial] = {}
        self._answered: list[Link] = []
        self.dropped = 0

    def configure(self, config: dict[str, Any]) -> None:
        """Take the list of peers, the address to listen on, and the certificate in force."""
        peers = [Peer(p["instance"], p["host"], tuple(p["ips"]), p["port"]) for p in config["peers"]]
        self._wanted = Bound(config["listen"], config["port"], config["tls"], config["certificate"])
        before, self._peers = self._peers, {peer.instance: peer for peer in peers}
        for name in before.keys() - self._peers.keys():
            for link in self._of(name):
                self._forget(link)
            self._dials.pop(name, None)
        for name, peer in self._peers.items():
            dial = self._dials.setdefault(name, Dial())
            if dial.link is not None and (dial.ip not in peer.ips or before.get(name, peer).port != peer.port):
                self._forget(dial.link)
        self.settle()
        self.turn()

    def settle(self) -> None:
        """Bring certificate and listener to what is wanted; what fails is tried again by the next call."""
        wanted = self._wanted
        if wanted is None:
            return
        if self._loaded != (wanted.tls, wanted.certificate):
            try:
                self._contexts = links.contexts(Path(wanted.tls))
            except (OSError, ssl.SSLError):
                return  # a half-written renewal
            self._loaded = (wanted.tls, wanted.certificate)
        if self._address == (wanted.listen, wanted.port):
            return
        self._deafen()
        family = socket.AF_INET6 if ":" in wanted.listen else socket.AF_INET
        try:
            listener = socket.create_server((wanted.listen, wanted.port), family=family, backlog=64)
        except OSError:
            return  # the port is still a predecessor's
        listener.setblocking(False)  # noqa: FBT003  the socket API
        self._listener, self._address = listener, (wanted.listen, wanted.port)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def due(self) -> float:
        """Return the monotonic second at which `turn` has something to do, infinity if never."""
        return min((dial.at for name, dial in self._dials.items() if self._lacks(name)), default=float("inf"))

    def turn(self) -> None:
        """Dial who is due and end what takes too long."""
        now = time.monotonic()
        for link in [*self._answered, *(dial.link for dial in self._dials.values() if dial.link)]:
            if link.phase is not Phase.OPEN and now - link.made_at > HANDSHAKE:
                self._lose(link, End.BROKEN)
        for name, dial in self._dials.items():
            if self._lacks(name) and now >= dial.at:
                self._dial(self._peers[name], dial, now)

    def send(self, instance: str, body: bytes, via: Link | None = None) -> None:
        """Send a message by the link it answers, else by the one that was heard last; without one it is lost."""
        link = via if via is not None and via.instance == instance and via.phase is Phase.OPEN else None
        if link is None:
            link = max(self.open_lines(instance), key=_freshness, default=None)
        if link is None:
            return
        link.send(body)
        self._settle_link(link)

    def open_lines(self, instance: str) -> list[Link]:
        """Return the lines to a peer that messages can take, whoever dialled them."""
        return [link for link in self._of(instance) if link.phase is Phase.OPEN and link.end is None]

    def instances(self) -> tuple[str, ...]:
        """Return the peers."""
        return tuple(self._peers)

    def reject(self, link: Link) -> None:
        """End a link whose message made no sense."""
        link.end = End.NONSENSE
        self._settle_link(link)

    def close(self) -> None:
        """End every line, and dial and answer nobody any more."""
        self._peers, self._wanted = {}, None
        for link in [*self._answered, *(dial.link for dial in self._dials.values() if dial.link)]:
            self._forget(link)
        self._dials.clear()
        self._deafen()

    def _deafen(self) -> None:
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
        self._listener, self._address = None, None

    def _lacks(self, name: str) -> bool:
        return self._contexts is not None and self._dials[name].link is None and bool(self._peers[name].ips)

    def _of(self, instance: str) -> list[Link]:
        dial = self._dials.get(instance)
        dialled = [dial.link] if dial is not None and dial.link is not None else []
        return [*dialled, *(link for link in self._answered if link.instance == instance)]

    def _accept(self) -> None:
        if self._listener is None or self._contexts is None:
            return
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if len(self._answered) >= 8 + 4 * len(self._peers) and not self._make_room():
            self.dropped += 1
            sock.close()
            return
        sock.setblocking(False)  # noqa: FBT003  the socket API
        try:
            link = Link(sock, self._contexts[0], None, frozenset(self._peers), time.monotonic())
        except OSError:  # it hung up before the handshake
            sock.close()
            return
        self._answered.append(link)
        self._selector.register(link.fd, link.events, functools.partial(self._advance, link))

    def _make_room(self) -> bool:
        """End the oldest connection that has shown no certificate yet: strangers must not keep peers out."""
        for link in self._answered:
            if link.phase is not Phase.OPEN:
                self.dropped += 1
                self._forget(link)
                return True
        return False

    def _dial(self, peer: Peer, dial: Dial, now: float) -> None:
        if self._contexts is None:
            return
        dial.ip = peer.ips[dial.count % len(peer.ips)]
        dial.count += 1
        dial.last = now
        dial.at = now + (QUICK if dial.quick > 0 else REDIAL)
        dial.quick -= 1
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in dial.ip else socket.AF_INET)
        except OSError:  # out of descriptors
            return
        try:
            sock.setblocking(False)  # noqa: FBT003  the socket API
            code = sock.connect_ex((dial.ip, peer.port))
            if code not in {0, errno.EINPROGRESS}:
                sock.close()
                self._note_failure(peer.instance, refused=code == errno.ECONNREFUSED)
                return
            link = Link(sock, self._contexts[1], peer.host, frozenset({peer.instance}), now)
        except OSError:  # no way there
            sock.close()
            return
        dial.link = link
        self._selector.register(link.fd, link.events, functools.partial(self._advance, link))

    def _note_failure(self, instance: str, *, refused: bool) -> None:
        if refused and not self.open_lines(instance):
            self._refused(instance)

    def _advance(self, link: Link) -> None:
        if link.closed:
            return
        before = link.phase
        bodies = link.advance()
        now = time.monotonic()
        if link.phase is Phase.OPEN and before is not Phase.OPEN:
            link.opened_at = link.heard_at = now
            self._keep_few(link)
        for body in bodies:
            if link.closed:
                return
            link.heard_at = now
            self._hear(link, body)
        self._settle_link(link)

    def _keep_few(self, link: Link) -> None:
        mine = [other for other in self._answered if other.instance == link.instance]
        for other in mine[:-PER_PEER]:
            self._forget(other)

    def _settle_link(self, link: Link) -> None:
        if link.closed:
            return
        if link.end is not None:
            self._lose(link, link.end)
            return
        key = self._selector.get_key(link.fd)
        if key.events != link.events:
            self._selector.modify(link.fd, link.events, key.data)

    def _lose(self, link: Link, end: End) -> None:
        """End a link, and find out at once by dialling whether the peer's processes are gone."""
        self.dropped += end is End.NONSENSE
        instance = link.instance
        if link.dialled:
            instance = next((name for name, dial in self._dials.items() if dial.link is link), "")
        was_open = link.phase is Phase.OPEN
        self._forget(link)
        dial = self._dials.get(instance)
        if dial is None:
            return
        if was_open:
            now = time.monotonic()
            if now - link.opened_at >= LASTED:
                dial.quick = QUICK_DIALS
            if dial.link is None and dial.quick > 0:
                dial.at = max(now, dial.last + QUICK)
        if link.dialled:
            self._note_failure(instance, refused=end is End.REFUSED)

    def _forget(self, link: Link) -> None:
        if link.closed:
            return
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(link.fd)
        link.close()
        if link in self._answered:
            self._answered.remove(link)
        for dial in self._dials.values():
            if dial.link is link:
                dial.link = None


def _freshness(link: Link) -> float:
    return link.heard_at
