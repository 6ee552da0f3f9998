"""What a plan may do, however often the operator dies amid it and whoever does not answer."""

import dataclasses
import datetime as dt

import hypothesis
import pytest
from hypothesis import strategies as st

from covet.core import events, names
from covet.planner import actions as act
from covet.planner import cluster, record
from covet.planner.facts import CertificateFacts, ClusterFacts, Finding
from covet.testing import world as worlds
from covet.testing.world import NOW, UID, World
from tests.unit.planner.rounds import ROUNDS, do, plan_of, settle, steps


class TestBirth:
    """A cluster comes to life in the order that keeps every prefix safe."""

    def test_the_record_comes_before_everything(self) -> None:
        """Nothing is made before it is recorded who the cluster is."""
        world = World(worlds.cluster_spec())
        expected = act.RecordIdentity(record.conceive("shop", UID, world.wanted))
        assert (expected,) == plan_of(world).actions

    def test_pods_come_after_what_they_mount(self) -> None:
        """Certificates and the map are made before the StatefulSets that mount them."""
        world = World(worlds.cluster_spec())
        do(world)
        kinds = [type(action) for action in plan_of(world).actions]
        assert [act.CreateAuthority, act.IssueCertificates, act.CreateUser, act.CreateMap, act.ApplyObjects] == kinds

    @pytest.mark.parametrize("instances", [1, 3, 5, 7])
    @pytest.mark.parametrize("durability", ["Quorum", "Async"])
    def test_every_size_gets_there(self, instances: int, durability: str) -> None:
        """Every allowed number of instances reaches its full cohort and opens, once initialised."""
        world = World(worlds.cluster_spec(2, instances, durability))
        settle(world)
        assert world.identity is not None
        assert all(known.opened for known in world.identity.shards)
        assert {"s0": ["shop-s0-a"], "s1": ["shop-s1-a"]} == world.primaries()
        assert 2 == sum(agent.bootstraps for agent in world.agents.values())

    def test_a_settled_cluster_needs_nothing(self) -> None:
        """A round that finds nothing to do plans nothing."""
        world = World(worlds.cluster_spec(2))
        settle(world)
        plan = plan_of(world)
        assert plan.empty
        assert (events.SETTLED, True) == (plan.reason, plan.settled)

    def test_clones_run_at_once(self) -> None:
        """All replicas of all shards are cloned in one round."""
        world = World(worlds.cluster_spec(2))
        seen: list[act.Clone] = []
        for _ in range(ROUNDS):
            seen += [action for action in steps(do(world)) if isinstance(action, act.Clone)]
            world.tick()
        assert [("shop-s0-b", "shop-s0-c"), ("shop-s1-b", "shop-s1-c")] == [clone.instances for clone in seen]


@st.composite
def troubles(draw: st.DrawFn) -> list[tuple[int | None, frozenset[int], frozenset[int]]]:
    """Draw rounds: after how many actions the operator dies, who does not answer, whose pod restarts."""
    some = st.frozensets(st.integers(0, 5), max_size=3)
    one = st.tuples(st.none() | st.integers(0, 8), some, some)
    return draw(st.lists(one, max_size=25))


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(troubles(), st.sampled_from([(1, 1), (1, 3), (2, 3), (1, 5)]))
def test_any_prefix_of_any_plan_is_safe_and_leads_on(
    trouble: list[tuple[int | None, frozenset[int], frozenset[int]]], shape: tuple[int, int]
) -> None:
    """However often the operator and the pods die, no shard is initialised twice, and it opens in the end.

    The fakes raise at every order that must never be given, so reaching the end is the proof.
    """
    world = World(worlds.cluster_spec(*shape))
    for limit, silent, restarted in trouble:
        instances = sorted(world.agents)
        world.unreachable = {name for index, name in enumerate(instances) if index in silent}
        do(world, limit)
        for index, name in enumerate(instances):
            if index in restarted:
                world.agents[name].restart()
        world.tick()
    world.unreachable = set()
    settle(world)
    assert shape[0] == sum(agent.bootstraps for agent in world.agents.values()) - lost_births(world)
    assert plan_of(world).empty


def lost_births(world: World) -> int:
    """Count bootstraps that died before they were finished: the order repeats those."""
    return sum(max(0, agent.bootstraps - 1) for agent in world.agents.values())


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(st.frozensets(st.sampled_from("bc"), min_size=1, max_size=1), st.integers(0, 12))
def test_a_replica_that_lost_its_volume_is_cloned_anew(lost: frozenset[str], after: int) -> None:
    """A new volume is a new member: it is cloned and voted in, whenever the old one was lost."""
    world = World(worlds.cluster_spec())
    for _ in range(after):
        do(world)
        world.tick()
    for letter in lost:
        if (agent := world.agents.get(f"shop-s0-{letter}")) is not None:
            agent.lose_volume()
    settle(world)
    leader = world.agents["shop-s0-a"].volume
    assert leader is not None
    assert leader.promised is not None
    members = {agent.volume.member for agent in world.agents.values() if agent.volume is not None}
    assert members == set(leader.promised.cohort)


class TestUnreachable:
    """Silence is no answer, and nothing is concluded from it."""

    def test_nobody_answers_after_birth(self) -> None:
        """With every agent silent nothing is ordered and no address is taken away."""
        world = World(worlds.cluster_spec())
        settle(world)
        world.unreachable = set(world.agents)
        plan = plan_of(world)
        assert plan.empty
        assert not plan.settled

    def test_a_silent_replica_keeps_its_vote(self) -> None:
        """The cohort is never narrowed because somebody did not answer."""
        world = World(worlds.cluster_spec())
        settle(world)
        world.unreachable = {"shop-s0-b"}
        assert not any(isinstance(action, act.GrowCohort) for action in steps(plan_of(world)))


class TestEdits:
    """Every edit is carried out, or listed with a reason."""

    def test_what_is_fixed_at_birth_waits(self) -> None:
        """A change of the volumes' class is listed as pending and changes nothing."""
        world = World(worlds.cluster_spec())
        settle(world)
        storage = world.wanted.storage.model_copy(update={"class_name": "slow"})
        world.wanted = world.wanted.model_copy(update={"storage": storage})
        world.generation += 1
        plan = plan_of(world)
        assert ["spec.storage.className"] == [change.field for change in plan.pending]
        assert plan.empty

    def test_parameters_are_pushed(self) -> None:
        """A new server setting reaches the agents under a higher generation."""
        world = World(worlds.cluster_spec())
        settle(world)
        engine = world.wanted.engine.model_copy(update={"parameters": {"work_mem": "64MB"}})
        world.wanted = world.wanted.model_copy(update={"engine": engine})
        before = world.published["s0"].generation
        settle(world)
        found = [agent.spec for agent in world.agents.values()]
        assert [before + 1] * 3 == [entry.generation for entry in found if entry is not None]
        assert [{"work_mem": "64MB"}] * 3 == [entry.parameters for entry in found if entry is not None]

    def test_durability_is_carried_out(self) -> None:
        """Async lowers W in the rule, Quorum raises it again."""
        world = World(worlds.cluster_spec())
        settle(world)
        seen = []
        for durability in ("Async", "Quorum"):
            world.wanted = worlds.cluster_spec(1, 3, durability)
            settle(world)
            volume = world.agents["shop-s0-a"].volume
            assert volume is not None
            assert volume.promised is not None
            seen.append(volume.promised.acks)
        assert [0, 1] == seen

    def test_a_lost_config_map_does_not_turn_the_generation_back(self) -> None:
        """Agents ignore lower generations, so a lost ConfigMap comes back above theirs."""
        world = World(worlds.cluster_spec())
        settle(world)
        before = world.published["s0"].generation
        world.published.clear()
        settle(world)
        assert before < world.published["s0"].generation


class TestPaused:
    """A paused cluster is observed and reported, and left alone."""

    def test_only_certificates_and_endpoints_are_kept(self) -> None:
        """Whatever is wrong, a paused cluster gets its certificates and its endpoint, and the rest is listed."""
        world = World(worlds.cluster_spec(1, 1))
        settle(world)
        paused = world.wanted.maintenance.model_copy(update={"paused": True})
        world.wanted = world.wanted.model_copy(update={"maintenance": paused})
        world.objects = False
        world.certificates.remove("shop-s0-a")
        world.endpoints.clear()
        plan = plan_of(world)
        endpoint = ("EndpointSlice", "ns", "shop-s0-rw")
        assert [act.IssueCertificates(("shop-s0-a",)), act.ApplyObjects((endpoint,))] == steps(plan)
        assert events.PAUSED == plan.reason
        assert ["Waits for the end of the pause: StatefulSet shop."] == [change.message for change in plan.pending]

    def test_a_paused_object_is_not_born(self) -> None:
        """A cluster that is created paused stays unborn."""
        world = World(worlds.cluster_spec())
        paused = world.wanted.maintenance.model_copy(update={"paused": True})
        world.wanted = world.wanted.model_copy(update={"maintenance": paused})
        assert plan_of(world).empty


class TestProblems:
    """A spec that cannot be honoured leaves running databases alone."""

    def problem(self) -> Finding:
        """Return what a refused setting leads to."""
        return Finding(events.PARAMETER_REFUSED, "fsync cannot be set.", stalls=True)

    def test_nothing_is_made_of_it(self) -> None:
        """Before birth a problem means that nothing is made at all."""
        world = World(worlds.cluster_spec())
        facts = dataclasses.replace(world.facts(), problems=(self.problem(),))
        plan = cluster.plan_cluster(facts, NOW)
        assert (True, events.PARAMETER_REFUSED) == (plan.empty, plan.reason)

    def test_only_what_servers_run_by_is_left_alone(self) -> None:
        """After birth `-rw` still follows the primary and certificates are renewed; no server is touched."""
        world = World(worlds.cluster_spec())
        settle(world)
        world.pods["shop-s0-a"].address = "10.9.9.9"
        world.objects = False
        world.certificates.remove("shop-s0-b")
        facts = dataclasses.replace(world.facts(), problems=(self.problem(),))
        plan = cluster.plan_cluster(facts, NOW)
        endpoint = ("EndpointSlice", "ns", "shop-s0-rw")
        assert [act.IssueCertificates(("shop-s0-b",)), act.ApplyObjects((endpoint,))] == steps(plan)


class TestCertificates:
    """Certificates are renewed in time."""

    def settled_facts(self) -> ClusterFacts:
        """Return the facts of a cluster that needs nothing."""
        world = World(worlds.cluster_spec())
        settle(world)
        return world.facts()

    def test_a_due_certificate_is_issued_anew(self) -> None:
        """Only the certificate that is due is renewed."""
        facts = self.settled_facts()
        due = CertificateFacts(NOW + dt.timedelta(days=30), due=True)
        facts = dataclasses.replace(facts, certificates={**facts.certificates, "shop-s0-b": due})
        plan = cluster.plan_cluster(facts, NOW)
        assert ((), (act.IssueCertificates(("shop-s0-b",)),)) == (plan.actions, plan.upkeep)

    def test_one_that_has_ended_comes_before_the_shards(self) -> None:
        """No pod starts with it: it is a foundation of what is done to the shards, and no upkeep."""
        facts = self.settled_facts()
        ended = CertificateFacts(NOW, valid=False, due=True)
        facts = dataclasses.replace(facts, certificates={**facts.certificates, "shop-s0-b": ended})
        plan = cluster.plan_cluster(facts, NOW)
        assert ((act.IssueCertificates(("shop-s0-b",)),), ()) == (plan.actions, plan.upkeep)

    def test_a_damaged_authority_is_never_replaced(self) -> None:
        """A new authority would shut out every pod: a person is asked instead."""
        facts = self.settled_facts()
        facts = dataclasses.replace(facts, authority=CertificateFacts(NOW, valid=False), certificates={})
        plan = cluster.plan_cluster(facts, NOW)
        assert () == plan.actions
        assert [events.AUTHORITY_INVALID] == [finding.reason for finding in plan.findings]

    def test_the_end_of_the_authority_is_announced(self) -> None:
        """Ninety days before the authority ends, somebody is told."""
        facts = self.settled_facts()
        facts = dataclasses.replace(facts, authority=CertificateFacts(NOW + dt.timedelta(days=80)))
        assert [events.AUTHORITY_EXPIRING] == [finding.reason for finding in cluster.plan_cluster(facts, NOW).findings]

    @pytest.mark.parametrize(("minutes", "told"), [(6, []), (5, [events.AUTHORITY_EXPIRING])])
    def test_the_end_of_a_short_authority_is_announced_in_proportion(self, minutes: int, told: list[str]) -> None:
        """Of half an hour, five minutes before: by then the next one should sign long since."""
        facts = self.settled_facts()
        short = CertificateFacts(NOW + dt.timedelta(minutes=minutes), life=dt.timedelta(minutes=30))
        facts = dataclasses.replace(facts, authority=short)
        assert told == [finding.reason for finding in cluster.plan_cluster(facts, NOW).findings]


@pytest.mark.parametrize(("epoch", "made"), [(1, True), (2, False)])
def test_a_lost_map_is_made_only_if_it_is_the_first(epoch: int, made: bool) -> None:
    """The first map follows from the record; a later one is in the databases only, and a person is asked."""
    world = World(worlds.cluster_spec())
    settle(world)
    for agent in world.agents.values():
        assert agent.volume is not None
        agent.volume.map_epoch = epoch
    world.ring_map = None
    plan = plan_of(world)
    assert made is (act.CreateMap() in plan.actions)
    assert made is (events.MAP_LOST not in [finding.reason for finding in plan.findings])


def test_a_deleted_object_gets_nothing() -> None:
    """Deletion is Kubernetes' work through owner references."""
    world = World(worlds.cluster_spec())
    settle(world)
    facts = dataclasses.replace(world.facts(), deleting=True, stale=(("Service", "ns", "x"),))
    assert cluster.plan_cluster(facts, NOW).empty


def test_the_first_instance_of_each_shard_is_recorded() -> None:
    """Every shard is initialised by its instance a, and has a uid that a repetition does not change."""
    wanted = worlds.cluster_spec(2)
    first, again = record.conceive("shop", UID, wanted), record.conceive("shop", UID, wanted)
    assert [names.instance("shop", "s0", "a"), names.instance("shop", "s1", "a")] == [
        known.bootstrapped_by for known in first.shards
    ]
    assert first == again
    assert first == record.decode(record.encode(first))
