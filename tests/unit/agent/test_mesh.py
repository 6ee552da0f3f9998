"""Lines between voters over real sockets and certificates: kept, refused, crowded, renewed."""

import dataclasses
import selectors
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from covet.agent import frames, mesh
from covet.agent.links import Link
from covet.agent.mesh import Mesh
from tests.e2e.process.authority import Authority

HOST = "127.0.0.1"
A, B = "shop-s0-a", "shop-s0-b"
AT_ONCE = 0.2
"""Seconds; without haste the next dial comes after `mesh.REDIAL`, 0.5 s."""


class Node:
    """One voter's lines, and what came by them.

    Attributes:
        came: (instance at the other end, message) of everything heard.
        refused: instances whose dial was refused.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.selector = selectors.DefaultSelector()
        self.came: list[tuple[str, bytes]] = []
        self.refused: list[str] = []
        self.last: Link | None = None
        self.mesh = Mesh(self.selector, self._hear, self.refused.append)

    def _hear(self, link: Link, body: bytes) -> None:
        self.came.append((link.instance, body))
        self.last = link

    def turn(self) -> None:
        """Do what is ready, then what is due."""
        self.attend()
        self.mesh.turn()

    def attend(self) -> None:
        """Do what is ready."""
        for key, _ in self.selector.select(0.0005):
            key.data()


@dataclasses.dataclass
class Pair:
    """Two nodes that know each other."""

    a: Node
    b: Node
    ports: dict[str, int]
    more: list[Node] = dataclasses.field(default_factory=list)

    def config(self, node: Node, certificate: str = "1", **changes: object) -> dict[str, Any]:
        """Return what a node's agent would tell it."""
        other = B if node.name == A else A
        peers = [{"instance": other, "host": HOST, "ips": [HOST], "port": self.ports[other]}]
        plain = {"listen": HOST, "port": self.ports[node.name], "tls": str(node.folder), "certificate": certificate}
        return {**plain, "peers": peers, **changes}

    def until(self, holds: Callable[[], object], limit: float = 3.0) -> float:
        """Turn both until something holds, and return the seconds that took."""
        began = time.monotonic()
        while not holds():
            assert time.monotonic() - began < limit, "it never came to be"
            for node in (self.a, self.b, *self.more):
                node.turn()
        return time.monotonic() - began

    def rest(self, seconds: float) -> None:
        """Turn both for so long."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, seconds + 1.0)

    def begin(self) -> None:
        """Configure both and wait until each has dialled the other."""
        self.a.mesh.configure(self.config(self.a))
        self.b.mesh.configure(self.config(self.b))
        self.until(lambda: lines(self.a) == lines(self.b) == 2)


def lines(node: Node) -> int:
    """Return how many open lines a node has."""
    return sum(len(node.mesh.open_lines(name)) for name in node.mesh.instances())


def port() -> int:
    """Return a port that is free now."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two nodes, not configured yet."""
    authority = Authority()
    nodes = [Node(name, authority.issue(tmp_path / name, name, (HOST,))) for name in (A, B)]
    both = Pair(nodes[0], nodes[1], {name: port() for name in (A, B)})
    yield both
    for node in (*nodes, *both.more):
        node.mesh.close()
        node.selector.close()


def test_both_dial_and_an_answer_takes_the_line_it_answers(pair: Pair) -> None:
    """Messages arrive in both directions under the certificate's name."""
    pair.begin()
    for number in range(20):
        pair.a.mesh.send(B, b"ask %d" % number)
    pair.until(lambda: len(pair.b.came) == 20)
    assert [(A, b"ask %d" % number) for number in range(20)] == pair.b.came
    assert pair.b.last is not None
    heard = pair.b.last
    pair.b.mesh.send(A, b"answer", heard)
    pair.until(lambda: pair.a.came == [(B, b"answer")])
    assert pair.a.last is not None
    assert heard.dialled != pair.a.last.dialled


def test_one_line_is_enough(pair: Pair) -> None:
    """A node that can be dialled by nobody is spoken to by the line that it dialled itself."""
    pair.a.mesh.configure(pair.config(pair.a, peers=[{"instance": B, "host": HOST, "ips": [], "port": 1}]))
    pair.b.mesh.configure(pair.config(pair.b))
    pair.until(lambda: lines(pair.a) == 1)
    pair.a.mesh.send(B, b"hello")
    pair.until(lambda: pair.b.came == [(A, b"hello")])
    assert [] == pair.a.refused


def test_a_dead_process_is_told_from_a_living_one_at_once(pair: Pair) -> None:
    """Its sockets are gone and its host is up: a line that lasted is dialled again, and the refusal told.

    A busy machine delays one look; a pause before the dial would delay every one.
    """
    took: list[float] = []
    while not took or (min(took) >= AT_ONCE and len(took) < 5):
        pair.begin()
        pair.rest(mesh.LASTED)
        pair.a.refused.clear()
        pair.b.mesh.close()
        took.append(pair.until(lambda: pair.a.refused))
        assert {B} == set(pair.a.refused)
    assert min(took) < AT_ONCE


def test_a_refused_dial_says_nothing_while_a_line_is_open(pair: Pair) -> None:
    """An old address refuses, the peer itself is on the line: nobody is gone."""
    pair.b.mesh.configure(pair.config(pair.b))
    wrong = {"instance": B, "host": HOST, "ips": [HOST], "port": port()}
    pair.a.mesh.configure(pair.config(pair.a, peers=[wrong]))
    pair.until(lambda: pair.a.mesh.open_lines(B))
    pair.a.refused.clear()
    pair.rest(2 * mesh.REDIAL)
    assert [] == pair.a.refused


def test_a_way_that_leads_nowhere_is_no_refusal(pair: Pair) -> None:
    """Only a living host refuses; an address without a route, or one that keeps silent, proves nothing."""
    silent = socket.create_server((HOST, 0), backlog=0)
    first = socket.create_connection(silent.getsockname())
    nowhere = [{"instance": B, "host": HOST, "ips": [HOST, "255.255.255.255"], "port": silent.getsockname()[1]}]
    pair.a.mesh.configure(pair.config(pair.a, peers=nowhere))
    pair.rest(0.6)
    assert [] == pair.a.refused
    first.close()
    silent.close()


def test_dials_of_an_absent_peer_are_few(pair: Pair) -> None:
    """Five quick ones, then two a second: a dead peer costs next to nothing."""
    pair.a.mesh.configure(pair.config(pair.a))
    pair.rest(1.5)
    assert mesh.QUICK_DIALS <= len(pair.a.refused) <= mesh.QUICK_DIALS + 4


def test_a_peer_that_does_not_read_gets_the_newest(pair: Pair) -> None:
    """What waits for it is bounded, the oldest goes, and the line lives on."""
    pair.begin()
    count = 2000
    for number in range(count):
        pair.a.mesh.send(B, b"%06d" % number + bytes(4000))
    waiting = [link.outbox for link in pair.a.mesh.open_lines(B)]
    assert sum(outbox.lost for outbox in waiting) > 0
    assert all(len(outbox.head()) <= frames.MAX_WAITING for outbox in waiting)
    pair.until(lambda: pair.b.came and pair.b.came[-1][1].startswith(b"%06d" % (count - 1)), 10.0)
    numbers = [int(body[:6]) for _, body in pair.b.came]
    assert sorted(numbers) == numbers
    assert 2 == lines(pair.a)


def test_a_peer_that_is_named_no_more_loses_its_lines(pair: Pair) -> None:
    """The spec shrinks: lines to the instance end, new ones from it are refused, and none is dialled."""
    pair.begin()
    pair.a.mesh.configure(pair.config(pair.a, peers=[]))
    assert 0 == lines(pair.a)
    before = pair.a.mesh.dropped
    pair.until(lambda: pair.a.mesh.dropped > before)
    assert ((), float("inf")) == (pair.a.mesh.instances(), pair.a.mesh.due())


def test_a_port_that_is_taken_and_a_half_written_certificate_are_tried_again(pair: Pair) -> None:
    """A predecessor still listens, the renewal is not complete: the next look finds both in order."""
    key = pair.a.folder / "tls.key"
    shutil.move(key, pair.a.folder / "later")
    predecessor = socket.create_server((HOST, pair.ports[A]))
    pair.a.mesh.configure(pair.config(pair.a))
    shutil.move(pair.a.folder / "later", key)
    pair.a.mesh.settle()
    predecessor.close()
    pair.a.mesh.settle()
    pair.b.mesh.configure(pair.config(pair.b))
    pair.until(lambda: lines(pair.b) == 2)
    assert 2 == lines(pair.a)


def test_a_moved_peer_is_dialled_at_its_new_address(pair: Pair) -> None:
    """A pod comes back under another address: the line to the old one is given up for it."""
    pair.begin()
    old = lines(pair.a)
    moved = {"instance": B, "host": HOST, "ips": ["127.0.0.2"], "port": pair.ports[B]}
    pair.a.mesh.configure(pair.config(pair.a, peers=[moved]))
    assert old - 1 == lines(pair.a)
    pair.b.mesh.configure(pair.config(pair.b, listen="127.0.0.2"))
    pair.until(lambda: lines(pair.a) == 2)
    assert pair.a.mesh.open_lines(B)


def test_a_predecessors_lines_make_room_for_its_successors(pair: Pair) -> None:
    """A peer may have dialled twice; its third line ends the first."""
    pair.a.mesh.configure(pair.config(pair.a, peers=[{"instance": B, "host": HOST, "ips": [], "port": 1}]))
    first, *others = [Node(B, pair.b.folder) for _ in range(1 + mesh.PER_PEER)]
    pair.more = [first]
    first.mesh.configure({**pair.config(pair.b), "port": port()})
    pair.until(lambda: lines(pair.a) == 1)
    pair.more = [first, *others]
    for node in others:
        node.mesh.configure({**pair.config(pair.b), "port": port()})
    pair.until(lambda: lines(first) == 0)
    assert mesh.PER_PEER == lines(pair.a)
