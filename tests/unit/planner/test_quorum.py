"""Quorum arithmetic: every acknowledged commit is met by every election, at every moment of every change."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.core.agentapi import Durability, Rule
from covet.core.errors import SpecError
from covet.planner import quorum
from covet.planner.quorum import Order, Step

MEMBERS = tuple("abcdefg")


def rules(largest: int = 5) -> st.SearchStrategy[Rule]:
    """Return rules led by `a`, as growth and replacement produce them."""
    return st.integers(1, largest).flatmap(
        lambda n: st.builds(
            Rule,
            term=st.just(1),
            seq=st.integers(1, 9),
            leader=st.just("a"),
            cohort=st.sets(st.sampled_from(MEMBERS[1:]), min_size=n - 1, max_size=n - 1).map(
                lambda others: tuple(sorted({"a", *others}))
            ),
            acks=st.integers(min(1, n - 1), n - 1),
        )
    )


def acknowledgements(rule: Rule) -> list[set[str]]:
    """Return every smallest set of members that lets a commit of the leader count under a setting."""
    followers = [member for member in rule.cohort if member != rule.leader]
    return [{rule.leader, *chosen} for chosen in itertools.combinations(followers, rule.acks)]


def recruits(rule: Rule) -> list[set[str]]:
    """Return every smallest set of members that elects a leader by a rule."""
    return [
        set(chosen) for chosen in itertools.combinations(rule.cohort, quorum.recruit_size(len(rule.cohort), rule.acks))
    ]


def steps_between(rule: Rule, cohort: tuple[str, ...], acks: int) -> list[tuple[Rule, Step]]:
    """Return each step with the rule that it starts from, until the wanted one is reached."""
    taken = []
    while (step := quorum.next_step(rule, cohort, acks)) is not None:
        taken.append((rule, step))
        rule = step.rule
        assert len(taken) < 40, "the steps do not end"
    return taken


@pytest.mark.parametrize(
    ("instances", "durability", "acks"),
    [(1, Durability.QUORUM, 0), (3, Durability.QUORUM, 1), (5, Durability.QUORUM, 2), (7, Durability.QUORUM, 3)]
    + [(n, Durability.ASYNC, 0) for n in (1, 3, 5, 7)],
)
def test_acknowledgements_for_a_shard(instances: int, durability: Durability, acks: int) -> None:
    """A commit survives the loss of as many instances as a majority leaves over; Async waits for none."""
    assert acks == quorum.acks_for(instances, durability)


@pytest.mark.parametrize(
    ("members", "acks", "size"), [(1, 0, 1), (2, 1, 2), (3, 1, 2), (4, 1, 3), (5, 2, 3), (5, 1, 4)]
)
def test_recruits(members: int, acks: int, size: int) -> None:
    """The sizes that the protocol was checked with."""
    assert size == quorum.recruit_size(members, acks)


@pytest.mark.parametrize(("members", "acks"), [(0, 0), (1, 1), (3, 3), (3, -1)])
def test_an_impossible_quorum_is_refused(members: int, acks: int) -> None:
    """A W that the cohort cannot reach is an error and never a number."""
    with pytest.raises(SpecError):
        quorum.recruit_size(members, acks)


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_i5_recruits_meet_acknowledgements_and_each_other(sizes: tuple[int, int]) -> None:
    """Two elections share a member, and an election shares one with every acknowledged commit."""
    members, acks = sizes
    size = quorum.recruit_size(members, acks)
    assert size * 2 > members
    if acks > 0:
        assert size + acks + 1 > members


@given(rules(), st.sets(st.sampled_from(MEMBERS[1:]), max_size=4), st.data())
def test_steps_reach_what_was_wanted(rule: Rule, others: set[str], data: st.DataObject) -> None:
    """From any rule to any cohort and W: the steps end there, each the direct successor of the one before."""
    cohort = tuple(sorted({"a", *others}))
    acks = data.draw(st.integers(0, len(cohort) - 1))
    taken = steps_between(rule, cohort, acks)
    last = taken[-1][1].rule if taken else rule
    assert (cohort, acks) == (last.cohort, last.acks)
    for before, step in taken:
        assert (before.term, before.seq + 1, before.leader) == (step.rule.term, step.rule.seq, step.rule.leader)
        assert len(set(before.cohort) ^ set(step.rule.cohort)) <= 1
        assert 0 <= step.rule.acks < len(step.rule.cohort)


@given(rules(), st.sets(st.sampled_from(MEMBERS[1:]), max_size=4), st.data())
def test_i6_no_moment_of_a_step_loses_a_commit(rule: Rule, others: set[str], data: st.DataObject) -> None:
    """Whoever is recruited by the old row or the new one meets what the setting of the moment acknowledged."""
    cohort = tuple(sorted({"a", *others}))
    acks = data.draw(st.integers(min(1, len(cohort) - 1), len(cohort) - 1))
    for before, step in steps_between(rule, cohort, acks):
        if 0 in {before.acks, step.rule.acks} and len(before.cohort) > 1:
            continue  # Async acknowledges alone: nothing is promised
        during = step.rule if step.order is Order.SETTING_FIRST else before
        moments = [(before, before), (during, before), (during, step.rule), (step.rule, step.rule)]
        for setting, row in moments:
            for acknowledged, recruited in itertools.product(acknowledgements(setting), recruits(row)):
                assert acknowledged & recruited, f"{setting} acknowledges on {acknowledged}, {row} elects {recruited}"


@given(rules(), st.sets(st.sampled_from(MEMBERS[1:]), max_size=4), st.data())
def test_i6_the_old_cohort_learns_of_the_new_rule(rule: Rule, others: set[str], data: st.DataObject) -> None:
    """Once enough voters confirmed, every election by the old row meets one that knows the new row."""
    cohort = tuple(sorted({"a", *others}))
    acks = data.draw(st.integers(min(1, len(cohort) - 1), len(cohort) - 1))
    for before, step in steps_between(rule, cohort, acks):
        if 0 in {before.acks, step.rule.acks} and len(before.cohort) > 1:
            continue
        for confirmed in itertools.combinations(step.voters, step.needed):
            for recruited in recruits(before):
                assert {before.leader, *confirmed} & recruited


def test_i6_the_order_of_growth() -> None:
    """From one to three: the first follower by the setting first, the second by the row first."""
    taken = steps_between(Rule(1, 1, "a", ("a",), 0), ("a", "b", "c"), 1)
    assert [
        Step(Rule(1, 2, "a", ("a", "b"), 1), Order.SETTING_FIRST, ("b",), 1),
        Step(Rule(1, 3, "a", ("a", "b", "c"), 1), Order.ROW_FIRST, ("b",), 1),
    ] == [step for _, step in taken]


def test_the_wrong_order_would_lose_a_commit() -> None:
    """The check of moments has teeth: widening by the setting first is caught by it."""
    before = Rule(1, 1, "a", ("a", "b", "c"), 1)
    after = Rule(1, 2, "a", ("a", "b", "c", "d"), 1)
    misses = [
        (acknowledged, recruited)
        for acknowledged, recruited in itertools.product(acknowledgements(after), recruits(before))
        if not acknowledged & recruited
    ]
    assert [({"a", "d"}, {"b", "c"})] == misses


def test_a_lost_member_is_replaced_before_it_is_removed() -> None:
    """A new member of an instance joins first, so that no cohort on the way is too small for its W."""
    taken = steps_between(Rule(1, 3, "a", ("a", "b", "c"), 1), ("a", "b", "d"), 1)
    assert [("a", "b", "c", "d"), ("a", "b", "d")] == [step.rule.cohort for _, step in taken]
    assert [Order.ROW_FIRST, Order.SETTING_FIRST] == [step.order for _, step in taken]


def test_the_leader_cannot_leave_its_cohort() -> None:
    """A cohort without its leader is refused, and so is a W that does not fit."""
    rule = Rule(1, 1, "a", ("a", "b"), 1)
    with pytest.raises(SpecError):
        quorum.next_step(rule, ("b",), 0)
    with pytest.raises(SpecError):
        quorum.next_step(rule, ("a",), 1)


@given(rules(), st.sets(st.sampled_from(MEMBERS[1:]), max_size=4))
def test_a_restart_finds_the_step_that_was_pending(rule: Rule, others: set[str]) -> None:
    """From the two rules in promise.json alone, the very step is found again."""
    for before, step in steps_between(rule, tuple({"a", *others}), min(1, len(others))):
        assert step == quorum.step_between(before, step.rule)
