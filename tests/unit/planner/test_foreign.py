"""What was lost is never begun anew, and what belongs to another is never touched."""

import dataclasses

import pytest

from covet.core import events
from covet.core.agentapi import AgentStatus
from covet.planner import actions as act
from covet.planner import cluster
from covet.testing import world as worlds
from covet.testing.world import NOW, UID, World
from tests.unit.planner.rounds import ROUNDS, do, plan_of, settle, steps


class TestNeverAgain:
    """A shard is initialised once in its life (I13)."""

    def born(self, *, opened: bool = True) -> World:
        """Return a settled world, its record taken back to before it was opened on demand."""
        world = World(worlds.cluster_spec())
        settle(world)
        if not opened:
            assert world.identity is not None
            known = world.identity.shards[0]
            world.identity = world.identity.with_shard(dataclasses.replace(known, opened=False))
        return world

    @pytest.mark.parametrize("opened", [True, False])
    def test_an_emptied_first_volume_is_not_initialised(self, opened: bool) -> None:
        """The first instance comes back empty: that is said, and nobody runs initdb."""
        world = self.born(opened=opened)
        for agent in world.agents.values():
            agent.lose_volume()
        world.tick()
        plan = plan_of(world)
        assert not any(isinstance(action, act.Bootstrap) for action in steps(plan))
        assert [events.BIRTH_VOLUME_LOST] == [finding.reason for finding in plan.findings]
        assert all(finding.stalls for finding in plan.findings)

    def test_an_emptied_first_volume_is_no_end_while_another_has_the_data(self) -> None:
        """Two of three are lost, nobody leads: the third has what there is, and nobody is told to give the shard up."""
        world = self.born()
        for name, agent in world.agents.items():
            agent.lose_volume() if name != "shop-s0-c" else agent.restart()
        plan = plan_of(world)
        assert () == plan.findings
        assert not any(isinstance(action, act.Bootstrap | act.Clone) for action in steps(plan))

    def test_a_lost_record_stops_everything(self) -> None:
        """Databases without a birth record are left alone, and a person is asked."""
        world = self.born()
        facts = world.facts()
        plan = cluster.plan_cluster(dataclasses.replace(facts, identity=None), NOW)
        assert [events.IDENTITY_CONTRADICTED] == [finding.reason for finding in plan.findings]
        assert plan.empty

    def test_a_new_record_over_living_replicas_stops_everything(self) -> None:
        """A record that knows of no birth, while replicas hold data, is contradicted by them."""
        world = self.born()
        assert world.identity is not None
        known = dataclasses.replace(world.identity.shards[0], system_id=None, opened=False)
        world.identity = world.identity.with_shard(known)
        plan = plan_of(world)
        assert () == plan.shards[0].actions
        assert events.IDENTITY_CONTRADICTED == plan.shards[0].reason


class TestForeign:
    """What belongs to somebody else is not touched."""

    def test_kept_volumes_of_an_earlier_cluster_are_refused(self) -> None:
        """A new object of an old name finds the record of the old one: nothing is done, the uid is named."""
        world = World(worlds.cluster_spec())
        do(world)
        facts = dataclasses.replace(world.facts(), uid="another")
        plan = cluster.plan_cluster(facts, NOW)
        assert plan.empty
        assert events.KEPT_IDENTITY == plan.findings[0].reason
        assert f"spec.adopt: {UID}" in plan.findings[0].message

    def test_a_foreign_volume_gets_no_order(self) -> None:
        """An instance that refuses its volume is reported and never ordered to do anything."""
        world = World(worlds.cluster_spec())
        while not world.agents:
            do(world)
        world.agents["shop-s0-b"].foreign = True
        for _ in range(ROUNDS):
            world.tick()
            plan = do(world)
            for action in steps(plan):
                assert "shop-s0-b" not in getattr(action, "instances", ()), action
        assert events.VOLUME_FOREIGN in [finding.reason for finding in plan.findings]
        assert not plan.settled

    @pytest.mark.parametrize("letter", ["a", "b"])
    @pytest.mark.parametrize("recorded", [True, False])
    def test_a_volume_of_another_shard_is_never_adopted(self, letter: str, recorded: bool) -> None:
        """A database that names another shard's uid is foreign, even if its agent leads and all looks well."""
        world = World(worlds.cluster_spec(1, 1 if letter == "a" else 3))
        settle(world)
        assert world.identity is not None
        known = world.identity.shards[0]
        if not recorded:
            world.identity = world.identity.with_shard(dataclasses.replace(known, system_id=None, opened=False))
        volume = world.agents[f"shop-s0-{letter}"].volume
        assert volume is not None
        volume.shard_uid = "another"
        plan = plan_of(world)
        assert events.VOLUME_FOREIGN in [finding.reason for finding in plan.findings]
        assert () == plan.shards[0].actions

    def test_a_volume_that_names_no_shard_is_not_recorded(self) -> None:
        """A system id goes on record only from a volume that names the shard of the record."""
        world = World(worlds.cluster_spec(1, 1))
        settle(world)
        assert world.identity is not None
        unborn = dataclasses.replace(world.identity.shards[0], system_id=None, opened=False)
        world.identity = world.identity.with_shard(unborn)
        for uid, recorded in ((None, False), (unborn.uid, True)):
            seen = world.facts()
            (first,) = seen.shards[0].instances
            assert isinstance(first.agent, AgentStatus)
            told = dataclasses.replace(first, agent=dataclasses.replace(first.agent, shard_uid=uid))
            shard = dataclasses.replace(seen.shards[0], instances=(told,))
            plan = cluster.plan_cluster(dataclasses.replace(seen, shards=(shard,)), NOW)
            assert recorded is any(isinstance(action, act.RecordSystemId) for action in steps(plan))

    def test_another_system_id_gets_no_order(self) -> None:
        """A database of another system under one of our instances is foreign, whatever its agent says."""
        world = World(worlds.cluster_spec())
        settle(world)
        volume = world.agents["shop-s0-c"].volume
        assert volume is not None
        volume.system_id = "4711"
        plan = plan_of(world)
        assert [events.VOLUME_FOREIGN] == [finding.reason for finding in plan.findings]
        assert not any("shop-s0-c" in getattr(action, "instances", ()) for action in steps(plan))
