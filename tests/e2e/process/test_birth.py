"""Birth of a shard: from empty volumes to clients, once."""

from covet.core.agentapi import MemberState, Rule, Serving
from tests.e2e.process.shard import Shard


async def test_one_instance_is_born_and_serves(one: Shard) -> None:
    """A single instance is born in term 1, elects itself for term 2, opens, and takes writes."""
    await one.execute("CREATE TABLE t (a int)")
    await one.execute("INSERT INTO t VALUES (1)")
    assert 1 == await one.value("SELECT count(*) FROM t")
    status = await one.status(one.leader)
    assert status.member is not None
    assert Rule(2, 1, status.member, (status.member,), 0) == status.rule
    assert (MemberState.LEADER, Serving.READ_WRITE, "app", 1) == (
        status.state,
        status.serving,
        status.database,
        status.map_epoch,
    )


async def test_three_instances_are_born_and_follow(three: Shard) -> None:
    """Three instances end in one cohort with W=1, and replicas show what the primary wrote."""
    rules = {(await three.status(agent)).rule for agent in three.agents}
    assert 1 == len(rules)
    rule = rules.pop()
    assert rule is not None
    assert (3, 1) == (len(rule.cohort), rule.acks)
    await three.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS a")
    for agent in three.followers:
        await three.wait(agent, lambda s: s.lag_bytes == 0)
        assert 1000 == await three.value("SELECT count(*) FROM t", agent=agent)
