"""The voter: a process of its own that sends and answers heartbeats, whatever the agent is doing.

Standard library only. It resolves no names (a resolver that hangs would silence it): the agent
hands it addresses. It speaks only while the agent's probe of the server is recent, so that a
heartbeat means "the server beside me answers". It ends when the agent does.

`python -I -m covet.agent.voter FD`, where FD is a packet socket to the agent: one JSON text each.
From the agent, each repeated until it is old: `{"config": {...}}`, `{"state": {...}}`. To the agent,
twice a second: `{"heard": {instance: {...}}, "dropped": n}`, times on the monotonic clock.
"""

import contextlib
import errno
import json
import selectors
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any, Final

from covet.agent import heartbeats, links

INTERVAL: Final = 0.2
"""Seconds between two heartbeats to a peer."""
RECENT: Final = 1.0
"""Age in seconds at which a probe of the server no longer vouches for it."""
REPORT: Final = 0.5
"""Seconds between two reports to the agent."""
SILENCE: Final = 3.0
"""Seconds after which a link without a message ends."""
REDIAL: Final = 0.5
"""Seconds between two dials of a peer."""
MAX_PACKET: Final = 65536


class Voter:
    """Everything the process holds. Time is the monotonic clock, in seconds."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._config: dict[str, Any] = {}
        self._state: dict[str, Any] = {}
        self._peers: dict[str, dict[str, Any]] = {}
        self._listener: socket.socket | None = None
        self._contexts: tuple[ssl.SSLContext, ssl.SSLContext] | None = None
        self._dialled: dict[str, links.Link] = {}
        self._answered: set[links.Link] = set()
        self._dialled_at: dict[str, float] = {}
        self._heard: dict[str, dict[str, Any]] = {}
        self._nonce = 0
        self._dropped = 0
        control.setblocking(False)  # noqa: FBT003  the socket API
        self._selector.register(control, selectors.EVENT_READ)

    def run(self) -> None:
        """Turn until the agent closes the line."""
        beat_at = report_at = time.monotonic()
        while True:
            pause = max(0.0, min(beat_at, report_at) - time.monotonic())
            for key, _ in self._selector.select(pause):
                if key.fileobj is self._control:
                    if not self._listen_to_agent():
                        return
                elif key.fileobj is self._listener:
                    self._accept()
                else:
                    self._advance(key.data)
            now = time.monotonic()
            if now >= beat_at:
                beat_at = max(beat_at + INTERVAL, now)
                self._beat(now)
            if now >= report_at:
                report_at = max(report_at + REPORT, now)
                if not self._report():
                    return

    def _listen_to_agent(self) -> bool:
        try:
            packet = self._control.recv(MAX_PACKET)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not packet:
            return False
        self._obey(json.loads(packet))
        return True

    def _obey(self, message: dict[str, Any]) -> None:
        if "state" in message:
            self._state = message["state"]
        if "config" in message and message["config"] != self._config:
            self._configure(message["config"])

    def _configure(self, config: dict[str, Any]) -> None:
        """Take the list of peers; listen anew if the own address changed."""
        moved = (config["listen"], config["port"]) != (self._config.get("listen"), self._config.get("port"))
        if config["certificate"] != self._config.get("certificate"):
            try:
                self._contexts = links.contexts(Path(config["tls"]))
            except (OSError, ssl.SSLError):
                return  # a half-written renewal: the agent sends the message again
        self._config = config
        self._peers = {peer["instance"]: peer for peer in config["peers"]}
        self._heard = {name: heard for name, heard in self._heard.items() if name in self._peers}
        for name in [name for name in self._dialled if name not in self._peers]:
            self._drop(self._dialled[name])
        if not moved:
            return
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
        try:
            self._listen()
        except OSError:
            self._config = {}  # the port is still taken by a predecessor: the agent sends the message again

    def _listen(self) -> None:
        config = self._config
        family = socket.AF_INET6 if ":" in config["listen"] else socket.AF_INET
        self._listener = socket.create_server((config["listen"], config["port"]), family=family, backlog=64)
        self._listener.setblocking(False)  # noqa: FBT003  the socket API
        self._selector.register(self._listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        if self._listener is None or self._contexts is None:
            return
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if len(self._answered) >= 8 + 4 * len(self._peers):
            self._dropped += 1
            sock.close()
            return
        sock.setblocking(False)  # noqa: FBT003  the socket API
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        allowed = frozenset(self._peers)
        try:
            link = links.Link(sock, self._contexts[0], None, allowed, time.monotonic() + SILENCE)
        except OSError:  # it hung up before the handshake
            sock.close()
            return
        self._answered.add(link)
        self._selector.register(link.sock, link.events, link)

    def _dial(self, name: str, now: float) -> None:
        peer = self._peers[name]
        if self._contexts is None or not peer["ips"] or now - self._dialled_at.get(name, 0.0) < REDIAL:
            return
        self._dialled_at[name] = now
        ip = peer["ips"][int(now) % len(peer["ips"])]
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET)
        except OSError:  # out of descriptors: dialled again in a moment
            return
        try:
            sock.setblocking(False)  # noqa: FBT003  the socket API
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if sock.connect_ex((ip, peer["port"])) not in {0, errno.EINPROGRESS}:
                sock.close()
                return
            link = links.Link(sock, self._contexts[1], peer["host"], frozenset({name}), now + SILENCE)
            self._selector.register(link.sock, link.events, link)
        except OSError:  # refused at once, or no way there
            sock.close()
            return
        self._dialled[name] = link

    def _advance(self, link: links.Link) -> None:
        before = link.sock
        try:
            messages = link.advance()
            for message in messages:
                self._take(link, message)
            if link.sock is not before:
                # The plain socket became a TLS one with the same descriptor.
                self._selector.unregister(before)
                self._selector.register(link.sock, link.events, link)
            else:
                self._selector.modify(link.sock, link.events, link)
        except links.LinkLostError as error:
            self._dropped += error.nonsense
            self._drop(link, before)

    def _take(self, link: links.Link, message: heartbeats.Heartbeat) -> None:
        now = time.monotonic()
        link.deadline = now + SILENCE
        heard = self._heard.setdefault(link.instance, {})
        if message.kind == heartbeats.ECHO:
            heard["echoed"] = now
            return
        heard.update(
            at=now,
            member=message.member,
            term=message.term,
            seq=message.seq,
            flags=message.flags,
            progress=message.progress,
        )
        link.send(self._message(heartbeats.ECHO, message.nonce))

    def _beat(self, now: float) -> None:
        for stale in [*self._dialled.values(), *self._answered]:
            if now > stale.deadline:
                self._drop(stale)
        speaks = now - self._state.get("probed", 0.0) < RECENT
        for name in self._peers:
            link = self._dialled.get(name)
            if link is None:
                self._dial(name, now)
            elif speaks and link.phase is links.Phase.OPEN:
                self._nonce += 1
                try:
                    link.send(self._message(heartbeats.BEAT, self._nonce))
                    self._selector.modify(link.sock, link.events, link)
                except links.LinkLostError:
                    self._drop(link)
            elif link.phase is links.Phase.OPEN:
                link.deadline = now + SILENCE  # nothing was asked, so no echo is due

    def _message(self, kind: str, nonce: int) -> heartbeats.Heartbeat:
        state = self._state
        numbers = (state.get("term", 0), state.get("seq", 0), nonce, state.get("flags", 0), state.get("progress", 0))
        return heartbeats.Heartbeat(kind, state.get("member", ""), *numbers)

    def _drop(self, link: links.Link, sock: socket.socket | None = None) -> None:
        for known in {sock or link.sock, link.sock}:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(known)
        link.close()
        self._answered.discard(link)
        for name in [name for name, other in self._dialled.items() if other is link]:
            del self._dialled[name]

    def _report(self) -> bool:
        report = json.dumps({"heard": self._heard, "dropped": self._dropped}, separators=(",", ":"))
        try:
            self._control.send(report.encode())
        except BlockingIOError:
            return True  # the agent is late; the next report tells the same and more
        except OSError:
            return False
        return True


def main() -> None:
    """Serve the agent at the other end of a descriptor."""
    Voter(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
