"""The arithmetic of a shard: who is needed, who is there, who counts."""

import pytest

from covet.api.status import ShardStatus
from covet.cli import arithmetic
from covet.planner import quorum
from tests.unit.cli import samples


def sums_of(count: int, *silent: str, fenced: tuple[str, ...] = ()) -> arithmetic.Arithmetic:
    """Return the sums of a shard of so many instances, led by a."""
    body = {"status": {"shards": [samples.shard("shop", "s0", leader="a", term=3, count=count)]}}
    shard = ShardStatus.model_validate(samples.first(samples.down(body, *silent)))
    found = arithmetic.count(shard, fenced)
    assert found is not None
    return found


@pytest.mark.parametrize(("count", "elect", "flush"), [(1, 1, 0), (3, 2, 1), (5, 3, 2), (7, 4, 3)])
def test_the_needs_are_those_of_the_planner(count: int, elect: int, flush: int) -> None:
    """The command counts by the same function as the members do."""
    sums = sums_of(count)
    assert (elect, flush) == (sums.election.needed, sums.commit.needed)
    assert quorum.recruit_size(count, flush) == sums.election.needed


def test_a_silent_member_counts_for_nothing() -> None:
    """Who does not answer neither promises nor flushes, as far as can be said."""
    sums = sums_of(3, "shop-s0-c")
    assert ["shop-s0-c"] == [voter.shown for voter in sums.election.absent]
    assert (0, 0) == (sums.election.spare, sums.commit.spare)


def test_the_leader_flushes_for_nobody() -> None:
    """W counts followers; the leader stands beside it."""
    assert ["shop-s0-b", "shop-s0-c"] == [voter.shown for voter in sums_of(3).commit.present]


def test_a_fenced_member_promises_and_does_not_flush() -> None:
    """Its agent still answers; what it flushes acknowledges nothing."""
    sums = sums_of(3, fenced=("shop-s0-b",))
    assert (3, 1) == (len(sums.election.present), len(sums.commit.present))


def test_a_stopped_member_can_promise() -> None:
    """A promise is the agent's; the server may be down."""
    shard = samples.shard("shop", "s0", leader="a", term=3)
    shard["members"][1]["state"] = "Stopped"
    shard["instances"][1]["state"] = "Stopped"
    sums = arithmetic.count(ShardStatus.model_validate(shard), ())
    assert sums is not None
    assert (3, 1) == (len(sums.election.present), len(sums.commit.present))


@pytest.mark.parametrize("state", ["Empty", "Bootstrapping", "Cloning", "Refused", "Unreachable", "Fancy"])
def test_who_holds_no_whole_database_does_not_promise(state: str) -> None:
    """A state that this command does not know counts as absent too."""
    shard = samples.shard("shop", "s0", leader="a", term=3)
    shard["members"][2]["state"] = state
    sums = arithmetic.count(ShardStatus.model_validate(shard), ())
    assert sums is not None
    assert ["shop-s0-c"] == [voter.shown for voter in sums.election.absent]


def test_a_voter_whose_volume_was_replaced_is_gone() -> None:
    """A new volume is a new member: the old one still stands in the rule, and the new one has no vote."""
    shard = samples.shard("shop", "s0", leader="a", term=3)
    shard["members"][2]["member"] = "s0-c-ffffffffffff"
    sums = arithmetic.count(ShardStatus.model_validate(shard), ())
    assert sums is not None
    assert [("s0-c-0123456789a2", "Gone")] == [(voter.shown, voter.state) for voter in sums.election.absent]
    assert ("shop-s0-c",) == sums.outside


def test_an_instance_with_an_empty_volume_does_not_promise() -> None:
    """What was on it may have been the voter; nobody will ever see it again there."""
    shard = samples.shard("shop", "s0", leader="a", term=3)
    shard["members"][2].update(state="Empty", member=None)
    sums = arithmetic.count(ShardStatus.model_validate(shard), ())
    assert sums is not None
    assert [("shop-s0-c", "Empty")] == [(voter.shown, voter.state) for voter in sums.election.absent]


@pytest.mark.parametrize("acks", [-1, 3, 9])
def test_an_impossible_rule_gives_no_sums(acks: int) -> None:
    """A status that makes no sense is no reason to fail."""
    shard = samples.shard("shop", "s0", leader="a", term=3)
    shard["rule"]["acks"] = acks
    assert None is arithmetic.count(ShardStatus.model_validate(shard), ())


def test_without_a_rule_there_are_no_sums() -> None:
    """An operator of an older version writes none."""
    shard = samples.shard("shop", "s0", leader="a", term=3)
    del shard["rule"]
    assert None is arithmetic.count(ShardStatus.model_validate(shard), ())
