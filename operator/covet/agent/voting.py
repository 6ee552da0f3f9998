"""The agent's side of the voter: starts it, tells it what the agent half decided, hears its words."""

import asyncio
import collections
import contextlib
import json
import logging
import socket
import sys
from collections.abc import Mapping
from typing import Any, Final

from covet.agent import packets
from covet.agent.children import Children
from covet.agent.settings import Settings
from covet.core.agentapi import ShardSpec
from covet.core.clock import Clock
from covet.core.errors import UnreachableError
from covet.planner import attendance, lag
from covet.planner.election import messages, pulse, watch
from covet.planner.election.events import Received
from covet.planner.election.messages import Message
from covet.planner.election.watch import Config, Elect, Leader, Report, View, Watch

LOG: Final = logging.getLogger("covet.voting")

TELL_SECONDS: Final = 1.0
"""How long the voter may take to take a view."""
SILENT_SECONDS: Final = 5.0
"""A voter that said nothing for so long while the agent listened hangs: it speaks twice a second."""
PACE: Final = 0.5
LATE_SECONDS: Final = 1.0
"""A word that waited for so long is not heard: an election won then, a promise asked for then, is over."""
MAX_WORDS: Final = 256
MAX_VIEWS: Final = 64

Word = Leader | Elect | Received | Report


class Words:
    """What the voter said and nobody took yet: bounded, the oldest go."""

    def __init__(self) -> None:
        self._words: collections.deque[Word] = collections.deque(maxlen=MAX_WORDS)
        self._some = asyncio.Event()

    def put(self, word: Word) -> None:
        """Add a word; a report replaces one that nobody took yet."""
        if isinstance(word, Report) and self._words and isinstance(self._words[-1], Report):
            self._words.pop()
        self._words.append(word)
        self._some.set()

    async def get(self) -> Word:
        """Return the oldest word, once there is one."""
        while not self._words:
            self._some.clear()
            await self._some.wait()
        return self._words.popleft()


class Voting:
    """The voter process and the line to it.

    Args:
        children: starts the process.
        clock: the agent's clock; the voter uses the same monotonic one of the kernel.

    Attributes:
        ended: set when the voter is gone.
        words: what the voter said at once: a leader was heard, an election was won, a message of the agent
            half came, and, while it leads, reports.
        watch: the voter half as it last told; None before it took a view.
        heard: per instance what was heard last, times in monotonic seconds: `linked`, `at`, `echoed`,
            `member`, `term`, `seq`, and of the last heartbeat that told one, `stamp`: fields of `lag.Stamp`;
            a key is missing while nothing of the kind was heard.
        trail: stamps of the newest leader heard.
        dropped: connections and messages that made no sense.
        reported_at: monotonic second of the voter's last word of any kind.
    """

    def __init__(self, children: Children, clock: Clock) -> None:
        self._children = children
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._line: socket.socket | None = None
        self._watchers: tuple[asyncio.Task[None], ...] = ()
        self._config: Config | None = None
        self._telling = asyncio.Lock()
        self._number = self._packets = 0
        self._views: dict[int, tuple[Config, View]] = {}
        self._waiting: dict[int, asyncio.Future[Watch]] = {}
        self.ended = asyncio.Event()
        self.words = Words()
        self.watch: Watch | None = None
        self.reported_at = clock.monotonic()
        self.heard: dict[str, dict[str, Any]] = {}
        self.dropped = 0
        self.trail = lag.Trail()

    @property
    def pid(self) -> int | None:
        """Process id of the voter."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the voter; `ended` is set when it is gone."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # noqa: FBT003  the socket API
        with theirs:
            self._process = await self._children.spawn(
                sys.executable, "-I", "-m", "covet.agent.voter", str(theirs.fileno()), descriptors=(theirs.fileno(),)
            )
        self._line = ours
        self._watchers = (
            asyncio.create_task(self._watch(self._process), name="voter"),
            asyncio.create_task(self._guard(self._process), name="voter-guard"),
        )
        asyncio.get_running_loop().add_reader(ours, self._listen, ours)

    def configure(
        self, settings: Settings, certificate: str, spec: ShardSpec, ips: Mapping[str, tuple[str, ...]]
    ) -> None:
        """Tell the voter whom to speak to, at which addresses, and which certificate is in force.

        Args:
            settings: the agent's environment.
            certificate: digest of the certificate's files; the voter reads them again when it changes.
            spec: whose peers to speak to.
            ips: addresses that the peers' names stood for when they were last resolved.
        """
        own = next((peer for peer in spec.peers if peer.instance == settings.instance), None)
        if own is None:
            return
        others = [peer for peer in spec.peers if peer.instance != settings.instance]
        self._send(
            {
                "config": {
                    "cluster": spec.cluster,
                    "listen": settings.listen,
                    "port": own.voter_port,
                    "tls": str(settings.tls),
                    "certificate": certificate,
                    "peers": [
                        {
                            "instance": peer.instance,
                            "host": peer.address,
                            "ips": ips.get(peer.address, ()),
                            "port": peer.voter_port,
                        }
                        for peer in others
                    ],
                }
            }
        )

    def enrol(self, config: Config) -> None:
        """Say which member this is; the views told from now on are in its name. A voter without one answers nobody."""
        if config != self._config:
            self.watch = None  # it was another member's
        self._config = config

    async def tell(self, view: View) -> Watch:
        """Tell the voter a view and return the facts it had once it knew; a promise goes to the disk only after.

        Raises:
            UnreachableError: nobody is enrolled, the voter is gone, or it took longer than a second. It may or may
                not know the view; tell it again before anything that depends on it.
        """
        config, line = self._config, self._line
        if config is None or line is None or self.ended.is_set():
            raise UnreachableError("VoterMissing", "There is no voter to tell, or no member to speak for.")
        self._number += 1
        number, loop = self._number, asyncio.get_running_loop()
        self._views[number] = (config, view)
        seen: asyncio.Future[Watch] = loop.create_future()
        self._waiting[number] = seen
        packet = packets.encode(packets.pack_view(number, config, view))
        try:
            async with asyncio.timeout(TELL_SECONDS):
                async with self._telling:
                    await loop.sock_sendall(line, packet)
                return await seen
        except (TimeoutError, OSError) as error:
            raise UnreachableError("VoterSilent", "The voter did not take the agent's word in time.") from error
        finally:
            self._waiting.pop(number, None)

    def probed(self, end: int = 0, read: float = 0.0) -> None:
        """Tell the voter that the server answered now.

        Args:
            end: of a primary: its log was flushed up to there, in bytes.
            read: monotonic second at which that was surely so.
        """
        self._send({"probed": self._milliseconds(), "end": (end, int(read * 1000))})

    def advanced(self) -> None:
        """Tell the voter that the end of the received log moved."""
        self._send({"advanced": self._milliseconds()})

    def send(self, member: str, message: Message) -> None:
        """Send a message of the agent half; it may be lost."""
        self._send({"send": [member, messages.encode(message).decode()]})

    def linked(self, instance: str) -> bool:
        """Tell whether the voter has an open line to a peer."""
        return bool(self.heard.get(instance, {}).get("linked", False))

    def line(self, instance: str) -> attendance.Line:
        """Return what is known of a peer: whether there is a line, who spoke on it last, and when."""
        member = self.heard.get(instance, {}).get("member")
        return attendance.Line(self.linked(instance), member, self.age(instance, "at"))

    def age(self, instance: str, kind: str) -> float | None:
        """Return the seconds since a peer's last message (`at`) or echo (`echoed`), None if never."""
        moment = self.heard.get(instance, {}).get(kind)
        return None if moment is None else self._clock.monotonic() - moment

    async def stop(self) -> None:
        """Close the line; the voter ends by itself, and is killed if it does not."""
        for watcher in self._watchers:
            watcher.cancel()
        line, self._line = self._line, None
        if line is not None:
            asyncio.get_running_loop().remove_reader(line)
            line.close()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(TimeoutError, ProcessLookupError):
                await asyncio.wait_for(self._process.wait(), 1.0)
                return
            with contextlib.suppress(TimeoutError, ProcessLookupError):
                self._process.kill()
                await asyncio.wait_for(self._process.wait(), 1.0)

    def _milliseconds(self) -> int:
        return int(self._clock.monotonic() * 1000)

    def _send(self, message: dict[str, Any]) -> None:
        if self._line is None:
            return
        with contextlib.suppress(OSError):  # a full or broken line: all of these may be lost
            self._line.send(packets.encode(message))

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        LOG.error("The voter ended with %s.", code)
        self._end()

    async def _guard(self, process: asyncio.subprocess.Process) -> None:
        """End a voter that hangs, and the agent with it: what waits for its answer would wait for ever.

        Only turns of the own loop count, so that an agent that stood still does not blame its voter; one that never
        spoke still starts, and is the liveness probe's. Nothing that the voter did not know is on the disk, and a new
        one is told everything before it speaks.
        """
        seen = silent = 0
        while silent * PACE < SILENT_SECONDS:
            await asyncio.sleep(PACE)
            silent = silent + 1 if 0 < self._packets == seen else 0
            seen = self._packets
        LOG.error("The voter said nothing for %.0f s and is killed.", SILENT_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        self._end()  # one that the kernel holds up does not end now either

    def _end(self) -> None:
        self.ended.set()
        for seen in self._waiting.values():
            if not seen.done():
                seen.set_exception(UnreachableError("VoterMissing", "The voter ended."))

    def _listen(self, line: socket.socket) -> None:
        """Take every packet that waits; a line that is closed says nothing more, and `ended` follows."""
        while True:
            try:
                packet = line.recv(packets.MAX_PACKET)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                asyncio.get_running_loop().remove_reader(line)
                return
            self._take(json.loads(packet))
            self.reported_at = self._clock.monotonic()
            self._packets += 1

    def _take(self, packet: dict[str, Any]) -> None:
        if "facts" in packet:
            self._mirror(packet["seen"], packet["facts"])
        elif "heard" in packet:
            self.heard, self.dropped = packet["heard"], packet["dropped"]
            for heard in self.heard.values():
                if "stamp" in heard:
                    self.trail = lag.hear(self.trail, lag.Stamp(*heard["stamp"]))
        elif self._milliseconds() - packet["at"] > LATE_SECONDS * 1000:
            return
        elif "leader" in packet:
            self.words.put(packets.unpack(Leader, packet["leader"]))
        elif "got" in packet:
            self.words.put(Received(messages.decode(packet["got"].encode())))
        elif self._still_holds(packet["seen"]):
            self.words.put(Elect(packet["elect"]))

    def _mirror(self, number: int, facts: list[Any]) -> None:
        known = self._views.get(number)
        if known is None:
            return
        self.watch = packets.unpack_facts(*known, facts)
        for old in [old for old in self._views if old < number or old <= self._number - MAX_VIEWS]:
            del self._views[old]
        for waiting, seen in self._waiting.items():
            if waiting <= number and not seen.done():
                seen.set_result(self.watch)
        if self.watch.view.role in watch.LEADING:
            self.words.put(pulse.report(self.watch))

    def _still_holds(self, number: int) -> bool:
        """Tell whether an election was won by what the agent still is: it may have promised another meanwhile."""
        then, now = self._views.get(number), self._views.get(self._number)
        if then is None or now is None:
            return False
        (member, before), (enrolled, after) = then, now
        return (member, before.role, before.since, before.promise) == (enrolled, after.role, after.since, after.promise)
