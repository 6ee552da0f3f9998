"""What a living cluster follows, and what a person has to do for the rest."""

import dataclasses

import pytest

from covet.api.effective import EffectiveSpec
from covet.core.agentapi import AgentStatus
from covet.planner import layout
from covet.planner.facts import ClusterFacts
from covet.testing import world as worlds
from covet.testing.world import World


def sized(size: str) -> EffectiveSpec:
    """Return a spec with volumes of a size."""
    made = worlds.cluster_spec()
    return made.model_copy(update={"storage": made.storage.model_copy(update={"size": size})})


def waiting_for(setting: str) -> ClusterFacts:
    """Return facts of a cluster in which every server waits for a restart to take up a setting."""
    world = World(worlds.cluster_spec())
    world.settle()
    facts = world.facts()
    (shard,) = facts.shards
    instances = tuple(
        dataclasses.replace(seen, agent=dataclasses.replace(seen.agent, pending_restart=(setting,)))
        for seen in shard.instances
        if isinstance(seen.agent, AgentStatus)
    )
    assert 3 == len(instances)
    return dataclasses.replace(facts, shards=(dataclasses.replace(shard, instances=instances),))


def test_the_same_size_in_another_unit_is_no_change() -> None:
    """10Gi and 10240Mi are one size; nothing waits."""
    assert () == layout.pending(sized("10240Mi"), sized("10Gi"))


def test_another_size_is_listed_without_advice_that_admission_refuses() -> None:
    """A size that was stored under an older definition is told; the definition lets no size change back."""
    (change,) = layout.pending(sized("20Gi"), sized("10Gi"))
    assert ("spec.storage.size", "VolumeGrowthUnsupported") == (change.field, change.reason)
    assert "Put the old value back" not in change.message
    assert "10Gi" in change.message


@pytest.mark.parametrize(
    "setting",
    [
        "max_connections",
        "max_worker_processes",
        "max_wal_senders",
        "max_prepared_transactions",
        "max_locks_per_transaction",
    ],
)
def test_a_setting_that_a_replica_may_not_have_lower_is_restarted_in_an_order(setting: str) -> None:
    """A replica with less than its primary does not start, so lowering begins with the primary."""
    (change,) = layout.restarts(waiting_for(setting))
    assert (
        "If the value was raised, delete the pods of the replicas one by one, then the pod of the primary"
        in change.message
    )
    assert "if it was lowered, the pod of the primary first" in change.message


def test_any_other_setting_is_restarted_replicas_first() -> None:
    """The order costs nothing where it does not matter, and the primary is stopped last."""
    (change,) = layout.restarts(waiting_for("shared_buffers"))
    assert "delete the pods of the replicas one by one, then the pod of the primary." in change.message
    assert "lowered" not in change.message
