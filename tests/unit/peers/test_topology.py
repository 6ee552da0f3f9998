"""What a router makes of the lines of a shard's agents, and of lines that other versions write."""

import json

import pytest

from covet.core import topology
from covet.core.agentapi import Peer
from covet.core.errors import UnreachableError
from covet.core.topology import Outlook, Topology, TopologyLeader, TopologyMember
from covet.peers import codec
from covet.peers import topology as stream

PEER = Peer("shop-s0-a", "127.0.1.1", 7443, 7444, 5432)


def leader(letter: str) -> TopologyLeader:
    """The leader with these letters."""
    return TopologyLeader(f"shop-s0-{letter}", f"s0-{letter}-0123456789ab", "127.0.1.1", 5432)


def line(speaker: str, term: int, leads: str | None, *, writes: bool = False) -> Topology:
    """A line of an agent."""
    return Topology(
        1, "c", "s0", "s", f"shop-s0-{speaker}", 1, term, 1, term, leader(leads) if leads else None, writes, writes
    )


def test_before_the_first_line_nobody_leads() -> None:
    """Nor while everybody says that they follow nobody."""
    assert Outlook() == topology.conclude(())
    assert Outlook() == topology.conclude([line("a", 0, None), line("b", 0, None)])


def test_a_follower_announces_a_leader_that_takes_no_writes_yet() -> None:
    """That it does, only its own line says."""
    told = [line("b", 4, "b"), line("c", 4, "b")]
    assert Outlook(4, leader("b")) == topology.conclude(told[1:])
    assert Outlook(4, leader("b")) == topology.conclude(told)
    assert Outlook(4, leader("b"), writes=True, reads=True) == topology.conclude([line("b", 4, "b", writes=True)])


@pytest.mark.parametrize("turned", [False, True])
def test_an_old_leader_that_is_cut_off_is_not_believed(turned: bool) -> None:
    """The higher term wins, in whatever order the lines came."""
    told = [line("a", 3, "a", writes=True), line("c", 4, "b")]
    assert Outlook(4, leader("b")) == topology.conclude(reversed(told) if turned else told)


def test_a_term_never_goes_back() -> None:
    """The streams of the new term end: its leader stays known, and the old one is not taken up again."""
    known = topology.conclude([line("b", 4, "b", writes=True)])
    assert Outlook(4, leader("b")) == topology.conclude([line("a", 3, "a", writes=True)], known)


def test_a_line_of_a_later_version_of_the_same_meaning_is_understood() -> None:
    """Further fields and new words are passed over, missing ones take their defaults."""
    told = json.loads(codec.encode(Topology(1, "c", "s0", "s", "shop-s0-a", 7, members=(TopologyMember("x", "y", 1),))))
    told["news"] = {"more": 1}
    told["members"][0] |= {"state": "Hovering", "colour": "red"}
    read = stream.read(json.dumps(told).encode(), PEER)
    assert (7, "Hovering") == (read.serial, read.members[0].state)
    least = {key: told[key] for key in ("version", "clusterUid", "shard", "shardUid", "instance", "serial")}
    assert Topology(1, "c", "s0", "s", "shop-s0-a", 7) == stream.read(json.dumps(least).encode(), PEER)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", "LineInvalid"),
        (b"\xff\n", "LineInvalid"),
        (codec.encode(Topology(2, "c", "s0", "s", "shop-s0-a", 7)), "TopologyNewer"),
    ],
)
def test_a_line_that_cannot_be_used_is_refused(body: bytes, reason: str) -> None:
    """The reader is told why, and takes nothing of it."""
    with pytest.raises(UnreachableError) as refused:
        stream.read(body, PEER)
    assert reason == refused.value.reason
