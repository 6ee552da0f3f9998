"""What a human sees tells the truth, and stands still when nothing happens."""

import dataclasses
import datetime as dt

import pytest

from covet.api.status import ClusterStatus, Condition, Truth
from covet.core import events
from covet.core.agentapi import AgentStatus, MemberState, Serving
from covet.planner import actions as act
from covet.planner import cluster, status
from covet.planner.facts import CertificateFacts, ClusterFacts, Finding, ShardFacts, Unreachable
from covet.planner.plan import PendingChange, Plan
from covet.testing import world as worlds
from covet.testing.world import NOW, World


def settled(shards: int = 1, instances: int = 3, durability: str = "Quorum") -> World:
    """Return a world in which everything is where it should be."""
    world = World(worlds.cluster_spec(shards, instances, durability))
    world.settle()
    return world


def report(facts: ClusterFacts, now: dt.datetime = NOW) -> ClusterStatus:
    """Plan and report."""
    return status.report(facts, cluster.plan_cluster(facts, NOW), now)


def condition(found: ClusterStatus, kind: str) -> Condition:
    """Return a condition by type."""
    return next(entry for entry in found.conditions if entry.type == kind)


def truths(found: ClusterStatus) -> dict[str, str]:
    """Return type and status of all conditions."""
    return {entry.type: entry.status.value for entry in found.conditions}


def with_agent(facts: ClusterFacts, instance: str, **changes: object) -> ClusterFacts:
    """Return facts in which one agent answers differently."""

    def changed(shard: ShardFacts) -> ShardFacts:
        found = []
        for seen in shard.instances:
            answer = seen.agent
            if seen.name == instance and isinstance(answer, AgentStatus):
                seen = dataclasses.replace(seen, agent=dataclasses.replace(answer, **changes))  # type: ignore[arg-type]  # noqa: PLW2901  # fields by name
            found.append(seen)
        return dataclasses.replace(shard, instances=tuple(found))

    return dataclasses.replace(facts, shards=tuple(changed(shard) for shard in facts.shards))


def test_a_settled_cluster_is_ready() -> None:
    """Ready, Available, Durable and CertificatesValid are True, and nothing else is said."""
    found = report(settled(2).facts())
    expected = {"Ready": "True", "Available": "True", "Durable": "True", "CertificatesValid": "True"}
    assert expected == truths(found)
    assert ("Ready", "2/2") == (found.phase, found.primaries)
    assert ["Serving", "Streaming", "Streaming"] == [entry.state for entry in found.shards[0].instances]


def test_a_new_cluster_reconciles() -> None:
    """Before birth nothing is claimed, and Reconciling says what is done."""
    found = report(World(worlds.cluster_spec()).facts())
    expected = {
        "Ready": "False",
        "Available": "False",
        "Durable": "False",
        "CertificatesValid": "False",
        "Reconciling": "True",
    }
    assert expected == truths(found)


def test_the_same_facts_give_the_same_status() -> None:
    """Seconds later and with nothing changed, the status is the same byte for byte."""
    facts = settled().facts()
    first = report(facts)
    again = report(dataclasses.replace(facts, status=first), NOW + dt.timedelta(seconds=30))
    assert first.document() == again.document()


def test_bytes_and_positions_do_not_show() -> None:
    """A replica that is a few bytes behind looks like one that is not."""
    facts = settled().facts()
    moved = with_agent(facts, "shop-s0-b", lag_bytes=4096, position=None)
    assert report(facts).document() == report(moved).document()


def test_a_transition_carries_its_own_time() -> None:
    """Only a condition whose status changed gets a new time."""
    facts = settled().facts()
    first = report(facts)
    later = NOW + dt.timedelta(minutes=5)
    gone = with_agent(dataclasses.replace(facts, status=first), "shop-s0-b", streaming=False)
    found = report(gone, later)
    assert "2026-01-01T00:05:00Z" == condition(found, "Ready").last_transition_time
    assert "2026-01-01T00:00:00Z" == condition(found, "Available").last_transition_time


def test_short_of_a_replica_is_available_and_not_ready() -> None:
    """With one of three replicas away writes go on and Ready is False."""
    facts = with_agent(settled().facts(), "shop-s0-b", state=MemberState.STARTING, streaming=False)
    found = truths(report(facts))
    assert ("False", "True", "True") == (found["Ready"], found["Available"], found["Durable"])


def test_a_changed_generation_is_observed() -> None:
    """Conditions and observedGeneration name the generation they speak of."""
    facts = dataclasses.replace(settled().facts(), generation=7)
    found = report(facts)
    assert {7} == {found.observed_generation, *(entry.observed_generation for entry in found.conditions)}


def test_a_pending_edit_is_not_ready() -> None:
    """What the user asked for and did not get keeps Ready False, with the field named."""
    world = settled()
    storage = world.wanted.storage.model_copy(update={"class_name": "slow"})
    world.wanted = world.wanted.model_copy(update={"storage": storage})
    found = report(world.facts())
    assert (Truth.FALSE, events.CHANGES_PENDING) == (
        condition(found, "Ready").status,
        condition(found, "Ready").reason,
    )
    assert ["spec.storage.className"] == [change.field for change in found.pending_changes]


def test_a_shard_that_is_being_made_takes_nothing_from_the_others() -> None:
    """Until the map names it nobody is told of it, and the cluster is available without it; Ready says what goes on."""
    world = settled()
    world.wanted = worlds.cluster_spec(2)
    world.settle(2)
    found = report(world.facts())
    assert ["s0", "s1"] == [shard.name for shard in found.shards]
    assert (Truth.TRUE, Truth.TRUE) == (condition(found, "Available").status, condition(found, "Durable").status)
    assert (Truth.FALSE, "ShardsChange") == (condition(found, "Ready").status, condition(found, "Ready").reason)
    assert ("1/1", "Reconciling") == (found.primaries, found.phase)
    assert found.endpoints is not None
    assert 1 == len(found.endpoints.read_write)


def test_a_stalling_finding_stalls() -> None:
    """What only a person can mend is Stalled and no longer Reconciling."""
    facts = dataclasses.replace(
        World(worlds.cluster_spec()).facts(),
        problems=(Finding(events.STORAGE_CLASS_MISSING, "No such class.", stalls=True),),
    )
    found = report(facts)
    assert "True" == truths(found)["Stalled"]
    assert "Reconciling" not in truths(found)
    assert events.STORAGE_CLASS_MISSING == condition(found, "Ready").reason


def test_a_failed_action_is_said() -> None:
    """A failure of the last attempt is part of Ready."""
    facts = World(worlds.cluster_spec()).facts()
    failure = Finding(events.QUOTA_EXCEEDED, "Quota.")
    found = status.report(facts, cluster.plan_cluster(facts, NOW), NOW, (failure,))
    assert events.QUOTA_EXCEEDED == condition(found, "Ready").reason


def test_a_paused_cluster_in_order_stays_ready() -> None:
    """Pausing takes no readiness away from what is in order."""
    world = settled()
    paused = world.wanted.maintenance.model_copy(update={"paused": True})
    world.wanted = world.wanted.model_copy(update={"maintenance": paused})
    found = report(world.facts())
    assert (Truth.TRUE, events.PAUSED) == (condition(found, "Ready").status, condition(found, "Ready").reason)
    assert "Paused" == found.phase


@pytest.mark.parametrize(("instances", "durability"), [(1, "Quorum"), (3, "Async")])
def test_a_single_copy_says_so(instances: int, durability: str) -> None:
    """Where the primary alone acknowledges, Durable says that this was asked for."""
    found = report(settled(1, instances, durability).facts())
    assert "PrimaryOnly" == condition(found, "Durable").reason


def test_an_outdated_pod_waits_for_a_restart() -> None:
    """A pod from before an upgrade is a pending change: not what was asked for, and it serves all the same."""
    facts = settled().facts()
    shard = facts.shards[0]
    first = shard.instances[0]
    assert first.pod is not None
    old = dataclasses.replace(first, pod=dataclasses.replace(first.pod, outdated=True))
    facts = dataclasses.replace(facts, shards=(dataclasses.replace(shard, instances=(old, *shard.instances[1:])),))
    found = report(facts)
    assert ["UpgradeWaits"] == [change.reason for change in found.pending_changes]
    assert (Truth.FALSE, events.RESTART_PENDING) == (condition(found, "Ready").status, condition(found, "Ready").reason)
    assert ("True", "True") == (truths(found)["Available"], truths(found)["Durable"])
    assert "Reconciling" not in truths(found)
    assert "Reconciling" == found.phase


def test_a_setting_that_needs_a_restart_is_listed() -> None:
    """A parameter that waits for a restart of the server is named with the instances."""
    facts = with_agent(settled().facts(), "shop-s0-b", pending_restart=("shared_buffers",))
    (change,) = report(facts).pending_changes
    assert "spec.engine.parameters.shared_buffers" == change.field
    assert "shop-s0-b" in change.message
    assert (Truth.FALSE, events.RESTARTING) == (
        condition(report(facts), "Ready").status,
        condition(report(facts), "Ready").reason,
    )


@pytest.mark.parametrize(("applied", "truth"), [(None, Truth.TRUE), (1, Truth.FALSE), (2, Truth.TRUE), (3, Truth.TRUE)])
def test_a_spec_that_is_stored_is_not_yet_in_force(applied: int | None, truth: Truth) -> None:
    """An agent that has a spec and does not go by it yet keeps Ready False; one that does not say is believed."""
    world = settled()
    facts = world.facts()
    assert 2 == facts.wanted_specs["s0"].generation
    facts = with_agent(facts, "shop-s0-b", applied_generation=applied)
    assert truth is condition(report(facts), "Ready").status


def test_a_stateful_set_that_nobody_took_up_is_not_in_force() -> None:
    """What a pod should be is known once its controller has seen the newest version."""
    facts = settled().facts()
    first, *others = facts.shards[0].instances
    shard = dataclasses.replace(facts.shards[0], instances=(dataclasses.replace(first, observed=False), *others))
    found = report(dataclasses.replace(facts, shards=(shard,)))
    assert (Truth.FALSE, "WaitingForStatefulSet") == (
        condition(found, "Ready").status,
        condition(found, "Ready").reason,
    )


def test_every_state_has_a_word() -> None:
    """Each state an agent can be in has a word in the status."""
    for state in MemberState:
        facts = with_agent(settled().facts(), "shop-s0-b", state=state, streaming=False, member=None)
        found = report(facts).shards[0].instances[1]
        assert found.state


def test_a_plan_that_only_repairs_is_not_settled() -> None:
    """An object that has to be applied makes the cluster reconcile."""
    facts = dataclasses.replace(settled().facts(), stale=(("Service", "ns", "shop-s0"),))
    plan = cluster.plan_cluster(facts, NOW)
    assert (False, "Repairing") == (plan.settled, plan.reason)
    assert isinstance(plan, Plan)
    assert (act.ApplyObjects((("Service", "ns", "shop-s0"),)),) == plan.actions


@pytest.mark.parametrize("length", [0, 252, 4096, 8192, 8193, 40_000])
def test_a_long_story_fits(length: int) -> None:
    """However much is wrong with a cluster, its status is one that the definition takes, and says that it was cut."""
    facts = settled().facts()
    finding = Finding(events.POD_BLOCKED, "m" * length)
    changes = tuple(PendingChange(f"spec.{'f' * length}{index}", "R", "m" * length) for index in range(3 * 512))
    plan = Plan((), "R", "m" * length, findings=(finding,), pending=changes)
    found = status.report(facts, plan, NOW)
    assert found == ClusterStatus.model_validate(found.document())
    assert (length > 8192) is condition(found, "Ready").message.endswith("(more)")


def test_a_damaged_authority_shows_in_the_certificates() -> None:
    """Certificates that nobody can renew are not called valid and renewed in time."""
    facts = settled().facts()
    facts = dataclasses.replace(facts, authority=CertificateFacts(NOW, valid=False))
    assert Truth.FALSE is condition(report(facts), "CertificatesValid").status


@pytest.mark.parametrize(("seconds", "truth"), [(3.0, Truth.TRUE), (30.0, Truth.UNKNOWN)])
def test_silence_is_not_taken_for_an_outage(seconds: float, truth: Truth) -> None:
    """A primary that does not answer may serve: first the last word stands, after twenty seconds nothing is said."""
    facts = settled().facts()
    facts = dataclasses.replace(facts, status=report(facts))
    silent = Unreachable("AgentUnreachable", seconds)
    first, *others = facts.shards[0].instances
    shard = dataclasses.replace(facts.shards[0], instances=(dataclasses.replace(first, agent=silent), *others))
    found = report(dataclasses.replace(facts, shards=(shard,)))
    assert (truth, truth) == (condition(found, "Available").status, condition(found, "Durable").status)


@pytest.mark.parametrize("problem", ["work_mem: no such unit", "work_mem: no such unit."])
def test_parameters_that_a_server_cannot_go_by_are_told(problem: str) -> None:
    """What the agents say becomes a reason and one sentence for all of them, which only a person can mend."""
    facts = settled().facts()
    for instance in ("shop-s0-a", "shop-s0-c"):
        facts = with_agent(facts, instance, parameter_problem=problem)
    (finding,) = cluster.plan_cluster(facts, NOW).findings
    assert (events.PARAMETERS_UNUSABLE, True) == (finding.reason, finding.stalls)
    assert "The servers of shop-s0-a, shop-s0-c " in finding.message
    assert "work_mem: no such unit. Correct" in finding.message
    found = report(facts)
    said = {kind: condition(found, kind) for kind in ("Ready", "Stalled", "Available")}
    assert {"Ready": "False", "Stalled": "True", "Available": "True"} == {
        kind: entry.status.value for kind, entry in said.items()
    }
    assert (events.PARAMETERS_UNUSABLE, finding.message) == (said["Stalled"].reason, said["Stalled"].message)


def test_a_replica_about_the_limit_does_not_flap() -> None:
    """Behind from 64 MiB on, and no longer from 32 MiB down; between the two the last word stands."""
    facts = settled().facts()
    mib = 1 << 20
    said = []
    for lag in (0, 60, 64, 65, 60, 33, 32, 40, 64, 70):
        found = report(with_agent(facts, "shop-s0-b", lag_bytes=lag * mib))
        facts = dataclasses.replace(facts, status=found)
        said.append(str(found.shards[0].instances[1].lag))
    ok, behind = "Ok", "Behind"
    assert [ok, ok, ok, behind, behind, behind, ok, ok, ok, behind] == said


def test_a_shard_without_a_quorum_says_who_is_missing() -> None:
    """While too few members are there for an election, status repeats their word: who has to come back."""
    facts = settled().facts()
    sentence = "2 of 3 members elect a leader and 1 can be reached: no line to shop-s0-a, shop-s0-c."
    said = {"state": MemberState.STARTING, "reason": "Boot", "serving": Serving.CLOSED, "quorum_missing": sentence}
    facts = with_agent(facts, "shop-s0-b", **said)
    for name in ("shop-s0-a", "shop-s0-c"):
        facts = with_agent(facts, name, state=MemberState.STARTING, serving=Serving.CLOSED)
    found = condition(report(facts), "Ready")
    assert (events.QUORUM_MISSING, True) == (found.reason, sentence in found.message)
