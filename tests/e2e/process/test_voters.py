"""The voter process: real sockets, certificates and signals; the agent's part is played by the tests."""

import asyncio
import contextlib
import functools
import os
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from covet.agent import frames, voter
from covet.core.agentapi import Position
from covet.core.errors import UnreachableError
from covet.planner.election import messages
from covet.planner.election.events import Received
from covet.planner.election.messages import Beat, Echo, Message, Recruit
from covet.planner.election.watch import Elect, Leader, Report, Role
from tests.e2e.process.authority import Authority, client_context
from tests.e2e.process.voters import LEADS, Seat, Voters, member, until

SUSPECT = 1.2


@pytest_asyncio.fixture(loop_scope="session")
async def voters(tmp_path: Path) -> AsyncIterator[Voters]:
    """Three voters with lines to each other, told nothing yet."""
    async with Voters(tmp_path) as three:
        yield three


def has_heard(seat: Seat, times: int) -> bool:
    """Tell whether an agent was told of a leader so often."""
    return len(seat.words(Leader)) >= times


class Stranger:
    """A connection to a voter that a test writes to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def dial(cls, seat: Seat, tls: ssl.SSLContext) -> "Stranger":
        """Connect to a voter."""
        peer = seat.peer
        return cls(*await asyncio.wait_for(asyncio.open_connection(peer.address, peer.voter_port, ssl=tls), 5.0))

    def send(self, message: Message) -> None:
        """Write a message."""
        self.write(frames.pack(messages.encode(message)))

    def write(self, line: bytes) -> None:
        """Write bytes."""
        self._writer.write(line)

    async def hear(self) -> Message:
        """Return the next message."""
        async with asyncio.timeout(5.0):
            length = int.from_bytes(await self._reader.readexactly(2), "big")
            return messages.decode(await self._reader.readexactly(length))

    async def ended(self) -> bool:
        """Wait until the voter closes the connection."""
        try:
            return b"" == await asyncio.wait_for(self._reader.read(), 5.0)
        except OSError:
            return True
        finally:
            self.close()

    def close(self) -> None:
        """Hang up."""
        self._writer.transport.abort()


async def test_a_leader_is_heard_and_echoed_under_a_lease(voters: Voters) -> None:
    """Followers tell their agents of the leader; its agent learns who follows and until when reads are good."""
    leader, *followers = await voters.reign()
    for seat in followers:
        await until(functools.partial(has_heard, seat, 3))
        assert Leader(member("a"), 1, promoted=True, rewind=False) == seat.words(Leader)[-1]
    await until(lambda: len(leader.words(Report)) >= 5)
    moment, report = leader.said[-1]
    assert isinstance(report, Report)
    assert {member("b"): 1, member("c"): 1} == report.confirmed
    assert 500 < report.lease_end - moment * 1000 <= 900
    await until(lambda: "echoed" in leader.voting.heard["shop-s0-b"])
    await until(lambda: "member" in followers[0].voting.heard["shop-s0-a"])
    heard = followers[0].voting.heard["shop-s0-a"]
    assert (member("a"), 1, 1, True) == (heard["member"], heard["term"], heard["seq"], heard["linked"])


async def test_a_leader_without_a_probed_server_is_silent(voters: Voters) -> None:
    """The voter vouches for a server only while it was probed within a second; its lease ends, and it says so."""
    leader, follower, _ = await voters.reign()
    leader.probes = False
    stopped = time.monotonic()
    await until(lambda: leader.words(Report)[-1].lease_end < voter.milliseconds(), 3.0)
    said_at = leader.said[-1][0]
    beats = len(follower.words(Leader))
    assert 1.0 < said_at - stopped < 2.2
    await asyncio.sleep(0.5)
    assert beats == len(follower.words(Leader))


async def test_silence_for_1200_ms_wins_an_election(voters: Voters) -> None:
    """The leader's voter is stopped, its host lives: after 1.2 s the followers agree, and one is elected."""
    leader, *followers = await voters.reign()
    await asyncio.sleep(SUSPECT + 0.2)  # nobody elects within 1.32 s of its start
    os.kill(leader.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    await until(lambda: any(seat.words(Elect) for seat in followers))
    elected = min(at for seat in followers for at, word in seat.said if isinstance(word, Elect))
    assert SUSPECT - 0.25 <= elected - stopped < SUSPECT + 0.6
    assert [Elect(1)] == [word for seat in followers for word in seat.words(Elect)][:1]


async def test_refused_dials_win_an_election_at_once(voters: Voters) -> None:
    """The leader's processes are killed: its host refuses, and nobody waits for the silence to last."""
    leader, *followers = await voters.reign()
    await asyncio.sleep(SUSPECT + 0.2)
    leader.kill()
    killed = time.monotonic()
    await until(lambda: any(seat.words(Elect) for seat in followers))
    elected = min(at for seat in followers for at, word in seat.said if isinstance(word, Elect))
    assert elected - killed < SUSPECT - 0.2


async def test_a_thawed_voter_suspects_nobody_in_vain(voters: Voters) -> None:
    """A follower's voter sleeps for 3 s: it hears the leader before it counts the silence, and is heard again."""
    leader, follower, _ = await voters.reign()
    os.kill(follower.pid, signal.SIGSTOP)
    with pytest.raises(UnreachableError):
        await follower.tell(promise=1, seq=1, rules=(voters.rule,), following=True)
    await asyncio.sleep(2.0)
    os.kill(follower.pid, signal.SIGCONT)
    thawed = voter.milliseconds()
    await until(lambda: leader.facts.pulse.echoed.get(member("b"), 0) > thawed, 10.0)
    await follower.tell(promise=1, seq=1, rules=(voters.rule,), following=True)
    assert [] == follower.words(Elect)
    assert "LeaderHeard" == await _veto(voters, follower)


async def _veto(voters: Voters, seat: Seat) -> str:
    """Ask a voter the question before an election, as the third member, and return its reason to say no."""
    asker = await Stranger.dial(seat, client_context(voters.seats[2].settings.tls))
    asker.send(messages.Ask(member("c"), 7, 0, Position(1, 1)))
    reply = await asker.hear()
    asker.close()
    assert isinstance(reply, messages.Reply)
    return reply.reason


async def test_a_voter_that_was_told_nothing_answers_nothing(voters: Voters) -> None:
    """Before its agent looked at the volume a voter listens, says who was heard, and promises nobody anything."""
    first, second, _ = voters.seats
    await first.tell(role=Role.LEADER, promise=1, term=1, seq=1, rules=(voters.rule,), flags=LEADS)
    first.probes = True
    await until(lambda: "at" in second.voting.heard.get("shop-s0-a", {}))
    assert {} == first.facts.pulse.echoed
    assert [] == second.said
    await second.tell(promise=1, seq=1, rules=(voters.rule,), following=True)
    await until(lambda: member("b") in first.facts.pulse.echoed)
    assert "s0-b-000000000000" not in first.facts.pulse.echoed


async def test_no_echo_of_the_old_term_leaves_after_a_promise_was_told(voters: Voters) -> None:
    """Once `tell` returned, the facts it gave hold: every later echo carries the promise."""
    leader, follower, _ = await voters.reign()
    facts = await follower.tell(role=Role.RECRUITED, promise=2, rules=(voters.rule,))
    assert 1 == facts.heard.echo_term
    assert 0 <= voter.milliseconds() - facts.heard.echo_at < 450
    await until(lambda: leader.facts.pulse.strays == {member("b"): 2})
    later = await follower.tell(role=Role.RECRUITED, promise=2, rules=(voters.rule,), votes=False)
    assert facts.heard.echo_at == later.heard.echo_at
    await until(lambda: any(report.strays for report in leader.words(Report)))


async def test_messages_of_the_agent_half_reach_the_other_agent(voters: Voters) -> None:
    """A recruit goes out through one voter and comes in through another, whole."""
    first, second, _ = voters.seats
    await first.tell()
    await second.tell()
    first.voting.send(member("b"), Recruit(member("a"), 7))
    await until(lambda: second.words(Received) == [Received(Recruit(member("a"), 7))])
    assert [] == first.words(Received)


async def test_a_synthetic_name_addresses_an_instance(voters: Voters) -> None:
    """A leader that does not know who a new instance is beats to it by a name of zeros."""
    first, second, _ = voters.seats
    first.probes = True
    await second.tell()
    peers = (member("a"), "s0-b-000000000000")
    await first.tell(role=Role.LEADER, promise=1, term=1, seq=1, rules=(voters.rule,), flags=LEADS, peers=peers)
    await until(lambda: bool(second.words(Leader)))
    heard = second.words(Leader)[0]
    assert (member("a"), 1) == (heard.name, heard.term)
    await until(lambda: member("b") in first.facts.pulse.echoed)
    assert member("b") in first.facts.pulse.echoed


async def test_a_foreign_certificate_opens_no_line(voters: Voters, tmp_path: Path) -> None:
    """Another authority's certificate, and one of ours that is no peer's, end with the handshake and are counted."""
    seat = voters.seats[0]
    foreign = Authority("foreign").issue(tmp_path / "foreign", "shop-s0-b", trust=voters.authority.pem)
    stranger = voters.authority.issue(tmp_path / "stranger", "shop-s1-b")
    for folder in (foreign, stranger):
        with contextlib.suppress(OSError):  # refused in the handshake already
            assert await (await Stranger.dial(seat, client_context(folder))).ended()
    await until(lambda: seat.voting.dropped >= 2)
    assert all(voters.linked(seat, other) for other in voters.seats)


@pytest.mark.parametrize(
    "line",
    [
        frames.pack(messages.encode(Beat(member("c"), 9, 1, 1, LEADS))),
        frames.pack(messages.encode(Beat("s0-b-nothex000000", 9, 1, 1, LEADS))),
        frames.pack(messages.encode(Beat("", 9, 1, 1, LEADS))),
        frames.pack(messages.encode(Echo(member("b"), 1, 2**62, 1, 1, following=True))),
        frames.pack(b"not json"),
        frames.pack(b'[1,"beat"]'),
        b"\xff\xff" + bytes(65535),
        b"\x00\x00",
    ],
    ids=["sender", "no-member", "empty", "invented", "not-json", "short", "long", "nothing"],
)
async def test_nonsense_ends_the_line_it_came_by(voters: Voters, line: bytes) -> None:
    """A sender that is not the certificate's, an echo of no beat, or no message: dropped, counted, not believed."""
    leader, *_ = await voters.reign()
    before = leader.voting.dropped
    peer = await Stranger.dial(leader, client_context(voters.seats[1].settings.tls))
    peer.write(line)
    assert await peer.ended()
    await until(lambda: leader.voting.dropped > before)
    assert leader.facts.pulse.strays == {}
    assert [] == leader.words(Leader)
    assert leader.words(Report)[-1].lease_end < voter.milliseconds() + 1000


async def test_a_word_of_a_later_version_is_passed_over(voters: Voters) -> None:
    """An unknown kind of message ends no line: the next one, which is known, is answered by it."""
    await voters.reign()
    peer = await Stranger.dial(voters.seats[1], client_context(voters.seats[2].settings.tls))
    peer.write(frames.pack(b'[9,"gossip","s0-c-111111111111",1]'))
    peer.send(messages.Ask(member("c"), 3, 0))
    reply = await peer.hear()
    peer.close()
    assert isinstance(reply, messages.Reply)
    assert 3 == reply.round


async def test_a_flood_costs_no_memory_and_nobody_else(voters: Voters) -> None:
    """3,000 messages a second under ever new names from a peer that reads nothing: the others are echoed as before."""
    leader, *_ = await voters.reign()
    tls = client_context(voters.seats[1].settings.tls)
    with socket.create_connection((leader.peer.address, leader.peer.voter_port), 5.0) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with tls.wrap_socket(plain, server_hostname=leader.peer.address) as line:
            before, sent = resident(leader.pid), 0
            with contextlib.suppress(OSError):  # who reads nothing for 3 s loses its line
                for sent in range(3000):
                    name = f"s0-b-{sent:012x}"
                    for message in (
                        Echo(name, 1, 1, 2 + sent, 1, following=False),
                        messages.Ask(name, sent, 0),
                        Recruit(name, sent),
                    ):
                        line.sendall(frames.pack(messages.encode(message)))
                    if sent % 20 == 0:  # the voter is another process: a full socket waits for it, not for this loop
                        await asyncio.sleep(0.001)
            assert sent > 1000
            assert resident(leader.pid) - before < 2048
            assert len(leader.facts.pulse.strays) < 100
    echoed = voter.milliseconds()
    await until(lambda: leader.facts.pulse.echoed[member("c")] > echoed, 1.0)


def resident(pid: int) -> int:
    """Return the resident memory of a process, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


async def test_strangers_that_only_connect_keep_no_peer_out(voters: Voters) -> None:
    """Connections without a handshake are ended for newer ones, and peers still come in."""
    seat = voters.seats[0]
    socks = [socket.create_connection((seat.peer.address, seat.peer.voter_port), 5.0) for _ in range(40)]
    await seat.tell()
    peer = await Stranger.dial(seat, client_context(voters.seats[1].settings.tls))
    peer.send(messages.Ask(member("b"), 1, 0))
    assert isinstance(await peer.hear(), messages.Reply)
    peer.close()
    for sock in socks:
        sock.close()


async def test_a_voter_ends_with_its_agent(voters: Voters) -> None:
    """The line closes: no voter outlives the agent whose promises it keeps."""
    seat = voters.seats[0]
    await seat.voting.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(seat.pid, 0)


async def test_a_returned_voter_is_linked_again_within_a_second(voters: Voters) -> None:
    """A voter that was killed and started anew is heard by the others, whoever dials first."""
    leader, follower, third = await voters.reign()
    follower.kill()
    await until(lambda: not leader.voting.linked("shop-s0-b"))
    assert [] == third.words(Elect)
    again = voters.seats[1] = Seat(follower.settings.tls.parent, follower.peer, voters.spec)
    await follower.close()
    await again.start()
    await again.tell(promise=1, seq=1, rules=(voters.rule,), following=True)
    took = await until(lambda: bool(again.words(Leader)))
    assert took < 1.0
