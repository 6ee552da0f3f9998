"""What is told of a failover: its reason, who led before, and phases that fit into the whole."""

import datetime as dt

import pytest

from covet.agent.chronicle import Chronicle, decide
from covet.core.agentapi import Decided, LastFailover
from covet.planner.election import events
from covet.planner.election.effects import Note
from covet.testing.election import faults
from covet.testing.election.node import Node
from covet.testing.election.world import World

AT = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)


def told(fault: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str, LastFailover]:
    """Return who led, who leads, and what the new leader's chronicle says after a fault at the leader."""
    chronicles: dict[str, Chronicle] = {}
    give = Node.give

    def watched(node: Node, event: events.Event) -> None:
        before = node.member
        give(node, event)
        if before is not None and node.member is not None:
            chronicle = chronicles.setdefault(node.name, Chronicle())
            chronicle.step(before.agent, node.member, node.clock(), opened=True)

    monkeypatch.setattr(Node, "give", watched)
    world = World(seed, 3, 1)
    world.time.run(2000)
    former = world.leader()
    assert former is not None
    faults.FAULTS[fault](world, former)
    while (leader := world.leader()) is None or leader.server.term == 1 or not leader.server.writes_open:
        world.time.run(world.time.now + 20)
        assert world.time.now < 30_000
    last = chronicles[leader.name].admitted(AT, leader.clock(), str.upper, leader.name.upper())
    assert last is not None
    return former.name, leader.name, last


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("server_killed", "ServerDied"),
        ("pod_killed", "DialsRefused"),
        ("node_gone", "LeaderSilent"),
        ("switchover", "Switchover"),
        ("resignation", "FaultInjected"),
    ],
)
def test_the_reason_is_what_happened(fault: str, reason: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The core in virtual time: who takes over knows why, from whom, and in which term."""
    former, leader, last = told(fault, seed, monkeypatch)
    assert (reason, former.upper(), leader.upper()) == (last.reason, last.former, last.to)
    assert last.term > 1
    farewell = fault in {"server_killed", "switchover", "resignation"}
    assert farewell is (last.detect_ms is None)


@pytest.mark.parametrize("fault", ["server_killed", "pod_killed", "node_gone", "switchover"])
def test_the_phases_fit_into_the_whole(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They follow each other, and clients can write after the last one."""
    _, _, last = told(fault, 7, monkeypatch)
    spans = [span for span in (last.detect_ms, last.fence_ms, last.promote_ms) if span is not None]
    assert last.writable_ms is not None
    assert sum(spans) <= last.writable_ms
    assert min(spans) >= 0


def test_a_failover_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that are let in again within a reign end no failover."""
    chronicle = Chronicle()
    _, _, chronicle.last = told("server_killed", 1, monkeypatch)
    assert chronicle.admitted(AT, 0, str.upper, "B") is None


def test_a_shard_that_was_never_opened_fails_over_to_nobody() -> None:
    """Its birth is no failover."""
    world = World(1, 3, 1)
    chronicle = Chronicle()
    node = world.nodes["a"]
    assert node.member is not None
    chronicle.step(node.member.agent, node.member, node.clock(), opened=False)
    assert chronicle.admitted(AT, node.clock(), str.upper, "A") is None


def test_a_decision_that_is_repeated_keeps_its_time() -> None:
    """What stands in the status does not change by itself."""
    first = decide(None, Note("Opened", "Term 2 is open."), AT)
    later = AT + dt.timedelta(hours=1)
    assert Decided("2026-03-01T12:00:00Z", "Opened", "Term 2 is open.") == first
    assert first == decide(first, Note("Opened", "Term 2 is open."), later)
    assert first == decide(first, Note("TooFewAnswered", "Term 9 found no recruit set; asking again soon."), later)
    assert Decided("2026-03-01T13:00:00Z", "Outvoted", "Stop.") == decide(first, Note("Outvoted", "Stop."), later)
