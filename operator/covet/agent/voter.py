"""The voter: a process of its own that runs the time-critical half of the elections, whatever the agent is doing.

Standard library only. It resolves no names (a resolver that hangs would silence it): the agent
hands it addresses. It answers nothing before the agent told it who it is and what it promised, and
it ends when the agent does.

`python -I -m covet.agent.voter FD`, where FD is a packet socket to the agent: one JSON object each.

From the agent: `config` (addresses, certificate, peers), `view` with its `number` (see `packets`),
`probed` and `advanced` with the millisecond it happened, `probed` of a primary also with the `end` of its log and
when that was read, `send` with member and message.
To the agent: `facts` with `seen`, the number of the newest view taken: at once after each view, for a leader
at once when an echo says something new or the lease begins or ends, every 100 ms while the lease moves, and
twice a second; `leader`, again after a second or a new view; `elect`; `got`, a message of the agent half; each
with the millisecond it was said; `heard` and `dropped` twice a second.
"""

import collections
import dataclasses
import json
import os
import selectors
import socket
import sys
import time
from typing import Any, Final

from covet.agent import packets
from covet.agent.links import Link
from covet.agent.mesh import Mesh
from covet.planner.election import due, messages, pulse, voter, watch
from covet.planner.election.effects import Send
from covet.planner.election.events import Advanced, Probed, Received, Refused, Tick
from covet.planner.election.hearing import Out
from covet.planner.election.messages import Beat, Echo, Message, NonsenseError
from covet.planner.election.watch import LEADING, Config, Leader, Role, View, Watch

REPORT: Final = 0.5
"""Seconds between two reports of who was heard."""
FACTS: Final = 0.1
"""Seconds between two packets of facts that say nothing but that the lease moved."""
REPEAT: Final = 1.0
"""Seconds after which a leader is named again to an agent that has not changed since: a word may be lost."""
MAX_WORDS: Final = 256
"""Packets that wait for an agent that does not read; the oldest go."""
MAX_NAMES: Final = 32
"""Members of which a leader keeps echoes, before it forgets those that neither count nor are peers now."""


class Voter:
    """Everything the process holds.

    Args:
        control: the line to the agent.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._mesh = Mesh(self._selector, self._hear, self._refused)
        self._cluster = ""
        self._started = milliseconds()
        self._state: Watch | None = None
        self._seen = 0
        self._members: dict[str, str] = {}
        self._heard: dict[str, dict[str, Any]] = {}
        self._end = (0, 0)
        self._words: collections.deque[bytes] = collections.deque(maxlen=MAX_WORDS)
        self._owed = False
        self._named: tuple[Leader, int] | None = None
        self._named_at = 0.0
        self._told: tuple[object, ...] = ()
        self._told_end = 0
        self._facts_at = self._report_at = time.monotonic()
        self._over = False
        control.setblocking(False)  # noqa: FBT003  the socket API
        self._selector.register(control, selectors.EVENT_READ, self._attend)

    def run(self) -> None:
        """Turn until the agent closes the line."""
        while not self._over:
            pause = max(0.0, self._due() - time.monotonic())
            for key, _ in self._selector.select(pause):
                key.data()
            self._turn()
        self._mesh.close()

    def _due(self) -> float:
        """Return the monotonic second at which time alone changes something."""
        moment = min(self._report_at, self._mesh.due())
        state = self._state
        if state is None:
            return moment
        moment = min(moment, due.due(state, milliseconds()) / 1000)
        if state.view.role in LEADING and not self._owed:
            end = self._lease_end(state)
            if end != self._told_end:
                moment = min(moment, self._facts_at + FACTS)
            if self._told[3:] == (True,):
                moment = min(moment, end / 1000)
        return moment

    def _turn(self) -> None:
        """Let time pass: after everything that came was heard, so that a thawed voter suspects nobody in vain."""
        self._mesh.turn()
        state = self._state
        if state is not None and due.due(state, milliseconds()) <= milliseconds():
            self._step(Tick(int.from_bytes(os.urandom(4), "big") % 1000))
        now = time.monotonic()
        if now >= self._report_at:
            self._report_at = max(self._report_at + REPORT, now)
            self._mesh.settle()
            self._report()
            self._owed = self._state is not None
        self._weigh(now)
        self._flush()

    # The line to the agent

    def _attend(self) -> None:
        for _ in range(MAX_WORDS):
            try:
                packet = self._control.recv(packets.MAX_PACKET)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._over = True
                return
            self._obey(json.loads(packet))

    def _obey(self, packet: dict[str, Any]) -> None:
        if "view" in packet:
            self._learn(*packets.unpack_view(packet))
        elif "config" in packet:
            self._cluster = packet["config"]["cluster"]
            self._mesh.configure(packet["config"])
            known = set(self._mesh.instances())
            self._heard = {name: heard for name, heard in self._heard.items() if name in known}
        elif "send" in packet:
            member, body = packet["send"]
            self._mesh.send(self._instance(member), body.encode())
        elif self._state is not None:
            # What waited on the line while this process was stopped is as old as it says.
            if "probed" in packet:
                end, read = packet["end"]
                self._end = (end, read)
                self._state, _ = voter.step(self._state, Probed(), min(packet["probed"], milliseconds()))
            else:
                self._state, _ = voter.step(self._state, Advanced(), min(packet["advanced"], milliseconds()))

    def _learn(self, number: int, config: Config, view: View) -> None:
        """Take the agent's word, and say that it is taken."""
        state, now = self._state, milliseconds()
        if state is None or state.config.me != config.me:
            # Whoever gets another name forgot what it heard under the old one.
            began = self._started if state is None else now
            state = watch.started(config, View(Role.BOOT, view.since), began)
        state, out = voter.told(state, view, now)
        self._state, self._seen, self._owed = state, number, True
        self._carry(out)
        self._flush()

    def _report(self) -> None:
        heard = {
            name: {"linked": bool(self._mesh.open_lines(name)), **self._heard.get(name, {})}
            for name in self._mesh.instances()
        }
        self._say({"heard": heard, "dropped": self._mesh.dropped})

    def _weigh(self, now: float) -> None:
        """Owe the agent the facts if they say something new, or if a leader's lease has moved for a while."""
        if self._state is None:
            return
        news = self._news(self._state)
        moved = news != () and now - self._facts_at >= FACTS and self._lease_end(self._state) != self._told_end
        self._owed = self._owed or moved or news != self._told

    def _news(self, state: Watch) -> tuple[object, ...]:
        """Return what a leader's agent has to know at once; empty for everybody else."""
        if state.view.role not in LEADING:
            return ()
        beats = state.pulse
        return beats.confirmed, beats.strays, beats.following, milliseconds() < self._lease_end(state)

    def _lease_end(self, state: Watch) -> int:
        return pulse.report(state).lease_end

    def _facts(self, state: Watch) -> bytes:
        self._told, self._told_end = self._news(state), self._lease_end(state)
        self._facts_at, self._owed = time.monotonic(), False
        return packets.encode({"facts": packets.pack_facts(state), "seen": self._seen})

    def _say(self, packet: dict[str, Any]) -> None:
        self._words.append(packets.encode({**packet, "at": milliseconds()}))

    def _flush(self) -> None:
        """Write to the agent what its line takes; facts are made when they are sent, so that none is old."""
        try:
            while self._words:
                self._control.send(self._words[0])
                self._words.popleft()
            if self._owed and self._state is not None:
                self._control.send(self._facts(self._state))
            waits = selectors.EVENT_READ
        except BlockingIOError:
            self._owed = self._owed or not self._words
            waits = selectors.EVENT_READ | selectors.EVENT_WRITE
        except OSError:
            self._over = True
            return
        if self._selector.get_key(self._control).events != waits:
            self._selector.modify(self._control, waits, self._attend)

    # The lines to the peers

    def _instance(self, member: str) -> str:
        """Return the instance whose volume a member is."""
        return f"{self._cluster}-{member[:-13]}"

    def _hear(self, link: Link, body: bytes) -> None:
        try:
            message = messages.decode(body)
        except NonsenseError as error:
            if error.reason == "MessageUnknown":  # of a later version: it is for those who know the word
                self._mesh.dropped += 1
                return
            self._mesh.reject(link)
            return
        invented = isinstance(message, Echo) and message.nonce > milliseconds()
        if invented or not is_member(message.sender) or self._instance(message.sender) != link.instance:
            self._mesh.reject(link)
            return
        self._note(link.instance, message)
        if self._state is None:
            return
        if isinstance(message, voter.HEARS):
            self._step(Received(message), link)
        else:
            self._say({"got": messages.encode(message).decode()})

    def _note(self, instance: str, message: Message) -> None:
        """Remember who was heard, for people."""
        now = time.monotonic()
        self._members[instance] = message.sender
        heard = self._heard.setdefault(instance, {})
        heard.update(at=now, member=message.sender)
        if isinstance(message, Beat):
            heard.update(term=message.term, seq=message.seq)
            if message.end:
                heard["stamp"] = (message.term, message.end, message.read, message.nonce, milliseconds())
        elif isinstance(message, Echo):
            heard.update(echoed=now, term=message.promise, seq=message.seq)

    def _refused(self, instance: str) -> None:
        state = self._state
        if state is None:
            return
        leader = state.heard.leader
        member = leader if leader and self._instance(leader) == instance else self._members.get(instance)
        if member is not None:
            self._step(Refused(member))

    def _step(self, event: voter.VoterEvent, link: Link | None = None) -> None:
        if self._state is None:
            return
        state, out = voter.step(self._state, event, milliseconds())
        self._state = self._trim(state)
        self._carry(out, link)

    def _trim(self, state: Watch) -> Watch:
        """Forget the echoes of names that do not count: a peer may call itself by ever new ones."""
        beats = state.pulse
        if max(len(beats.echoed), len(beats.strays)) <= MAX_NAMES:
            return state
        known = {*watch.voters(state), *state.view.peers, *self._members.values()}
        kept = watch.Pulse(
            beats.beat_at,
            {name: at for name, at in beats.echoed.items() if name in known},
            {name: term for name, term in beats.strays.items() if name in known},
            {name: seq for name, seq in beats.confirmed.items() if name in known},
            beats.following & known,
        )
        return dataclasses.replace(state, pulse=kept)

    def _carry(self, out: Out, link: Link | None = None) -> None:
        """Carry out what the core wants, in order."""
        last: tuple[Message | None, bytes] = (None, b"")
        for word in out:
            if isinstance(word, Send):
                if word.message is not last[0]:
                    last = (word.message, messages.encode(self._stamp(word.message)))
                self._mesh.send(self._instance(word.to), last[1], link)
            elif isinstance(word, Leader):
                self._tell_leader(word)
            else:
                self._say({"elect": word.promise, "seen": self._seen})

    def _stamp(self, message: Message) -> Message:
        """Let a heartbeat say how far the server's log reached at the last probe: followers measure their lag by it."""
        if not isinstance(message, Beat):
            return message
        end, read = self._end
        return dataclasses.replace(message, end=end, read=read)

    def _tell_leader(self, word: Leader) -> None:
        """Tell the agent of a leader: at once if that is news or the agent has changed, else once a second."""
        now = time.monotonic()
        if (word, self._seen) == self._named and now - self._named_at < REPEAT:
            return
        self._named, self._named_at = (word, self._seen), now
        self._say({"leader": word})


def is_member(name: str) -> bool:
    """Tell whether a name is that of a member: its instance's short name, a dash, 12 hexadecimal digits."""
    return len(name) <= 63 and name[-13:-12] == "-" and all(digit in "0123456789abcdef" for digit in name[-12:])


def milliseconds() -> int:
    """Return the time that the elections count in: the kernel's monotonic clock, the same for the agent."""
    return time.monotonic_ns() // 1_000_000


def main() -> None:
    """Serve the agent at the other end of a descriptor."""
    Voter(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
