"""What the status tells of elections: it stands still, forgets nothing that was said, and is news once."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.api import status as api
from covet.core import events
from covet.core.agentapi import (
    AgentStatus,
    Decided,
    Discarded,
    LastFailover,
    MemberState,
    Rule,
    Serving,
)
from covet.planner import telling
from covet.planner.facts import InstanceFacts, PodFacts, ShardFacts, Unreachable

COHORT = ("s0-a-000000000000", "s0-b-000000000000", "s0-c-000000000000")
EMPTY = api.ShardStatus(name="s0", slots=1)


def failover(term: int, reason: str = "ServerDied", writable: int = 900) -> LastFailover:
    """Return how b took over from a."""
    return LastFailover("2026-03-01T12:00:00Z", reason, "shop-s0-a", "shop-s0-b", term, 10, 20, 30, writable)


def answer(letter: str, term: int = 2, **changes: object) -> AgentStatus:
    """Return what an instance answers that follows b in a term."""
    found = AgentStatus(
        protocol=1,
        agent_version="0",
        instance=f"shop-s0-{letter}",
        state=MemberState.FOLLOWER,
        reason="Following",
        message="",
        serving=Serving.READ_ONLY,
        member=f"s0-{letter}-000000000000",
        promise=term,
        rule=Rule(term, 1, COHORT[1], COHORT, 1),
        streaming=True,
        shard_uid="uid",
    )
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]  # fields by name


def seen(*agents: AgentStatus | Unreachable | None) -> ShardFacts:
    """Return a shard whose instances a, b, c answer so."""
    return ShardFacts(
        "s0",
        tuple(
            InstanceFacts(f"shop-s0-{letter}", PodFacts(f"shop-s0-{letter}-0"), agent)
            for letter, agent in zip("abc", agents, strict=True)
        ),
    )


def told(facts: ShardFacts, before: api.ShardStatus | None = None) -> api.ShardStatus:
    """Return what is said."""
    return telling.describe(facts, "uid", EMPTY, before)


def test_the_newest_term_tells_the_failover() -> None:
    """Each member remembers how it came to lead; only the last one is the shard's."""
    found = told(seen(answer("a", last_failover=failover(1)), answer("b", last_failover=failover(2)), answer("c")))
    assert found.last_failover is not None
    assert (2, "shop-s0-a", "shop-s0-b") == (
        found.last_failover.term,
        found.last_failover.from_,
        found.last_failover.to,
    )


@pytest.mark.parametrize(
    ("former", "expected"),
    [
        (answer("a", discarded=Discarded(2, 4096)), 4096),
        (answer("a"), 0),
        (answer("a", discarded=Discarded(1, 4096)), 0),
        (answer("a", streaming=False), None),
        (answer("a", state=MemberState.STARTING), None),
        (answer("a", term=1), None),
        (Unreachable("silent"), None),
        (None, None),
    ],
)
def test_what_was_discarded_is_known_once_the_former_primary_is_back(
    former: AgentStatus | Unreachable | None, expected: int | None
) -> None:
    """Nothing is claimed before it follows the new one."""
    found = told(seen(former, answer("b", last_failover=failover(2)), answer("c")))
    assert found.last_failover is not None
    assert expected == found.last_failover.discarded


def test_what_went_with_a_lost_volume_is_not_called_nothing() -> None:
    """The former primary's instance follows as a new member: nobody knows what the old one had."""
    took = dataclasses.replace(failover(2), former_member=COHORT[0])
    for member, expected in ((COHORT[0], 0), ("s0-a-0000000000ff", None)):
        last = told(seen(answer("a", member=member), answer("b", last_failover=took), answer("c"))).last_failover
        assert last is not None
        assert expected == last.discarded


AGENTS = st.sampled_from(["up", "silent", "gone", "restarted"])


@given(st.lists(st.tuples(AGENTS, AGENTS, AGENTS), min_size=1, max_size=6))
def test_nobody_forgets_a_failover(rounds: list[tuple[str, str, str]]) -> None:
    """Whoever is silent, gone or restarted (and has lost what it kept in memory), what was told stays told."""
    full = seen(answer("a", discarded=Discarded(2, 7)), answer("b", last_failover=failover(2)), answer("c"))
    first = told(full)
    status = first
    for states in rounds:
        agents: list[AgentStatus | Unreachable | None] = []
        for known, state in zip(full.instances, states, strict=True):
            agent = known.agent
            assert isinstance(agent, AgentStatus)
            restarted = dataclasses.replace(agent, last_failover=None, discarded=None, streaming=False)
            outcomes: dict[str, AgentStatus | Unreachable | None] = {
                "up": agent,
                "silent": Unreachable("silent"),
                "gone": None,
                "restarted": restarted,
            }
            agents.append(outcomes[state])
        status = told(seen(*agents), status)
        assert first.last_failover == status.last_failover
        assert first.rule == status.rule


def test_a_status_stands_still_while_nothing_happens() -> None:
    """The same answers give the same words."""
    decided = Decided("2026-03-01T12:00:00Z", "Opened", "Term 2 is open.")
    facts = seen(answer("a"), answer("b", last_failover=failover(2), decided=decided), answer("c"))
    once = told(facts)
    assert once == told(facts, once)
    assert once.decision is not None
    assert "Opened" == once.decision.reason


def test_the_answer_of_another_shards_volume_is_left_out() -> None:
    """A foreign volume's past is not this shard's."""
    strange = answer("a", shard_uid="other", last_failover=failover(9), rule=Rule(9, 1, COHORT[0], COHORT, 1))
    found = told(seen(strange, answer("b"), answer("c")))
    assert found.last_failover is None
    assert found.rule is not None
    assert 2 == found.rule.term
    assert ["Refused", "Follower", "Follower"] == [member.state for member in found.members]


@pytest.mark.parametrize(
    ("reason", "writable", "expected"),
    [
        ("ServerDied", 900, [(events.FAILED_OVER, False)]),
        ("Switchover", 200, [(events.SWITCHED_OVER, False)]),
        ("LeaderSilent", 9000, [(events.FAILED_OVER, False), (events.FAILOVER_SLOW, True)]),
    ],
)
def test_a_failover_is_news_once(reason: str, writable: int, expected: list[tuple[str, bool]]) -> None:
    """A round that finds the same sends nothing; a new operator, which reads the status, does not either."""
    shard = told(seen(answer("a"), answer("b", last_failover=failover(2, reason, writable)), answer("c")))
    status = api.ClusterStatus(shards=(shard,))
    found = telling.news(api.ClusterStatus(shards=(EMPTY,)), status)
    assert expected == [(entry.reason, entry.warning) for entry in found]
    assert () == telling.news(status, status)
    assert all(entry.message.startswith("s0: ") for entry in found)
