"""Two releases that serve the same clusters: one works, the other waits until that one is gone."""

import asyncio
import collections
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.controllers import freshness
from covet.controllers.act import ActionError
from covet.controllers.rivals import GONE_AFTER, Rivals
from covet.controllers.round import Reconciler
from covet.core import events
from covet.core.errors import ConflictError, CovetError
from covet.core.settings import Settings
from covet.kube import resources
from covet.kube.client import Kube
from covet.testing import reach
from tests.unit.controllers.conftest import NAMESPACE, Bench

OWN, OTHER = "system/covet-operator", "elsewhere/covet"


class Second:
    """An operator of another release on the bench's API server."""

    def __init__(self, bench: Bench, images: dict[str, str]) -> None:
        self.counted: collections.Counter[tuple[str, str]] = collections.Counter()
        self._kube = Kube(reach.configured(bench.server.url), self._count, timeout=5.0)
        settings = Settings(namespace="elsewhere", lease="covet", postgres_images=images)
        self.rivals = Rivals(self._kube, bench.tools.clock, settings.operator)
        tools = dataclasses.replace(bench.tools, kube=self._kube, settings=settings, rivals=self.rivals)
        self.reconciler = Reconciler(tools, NAMESPACE, "shop")

    def _count(self, verb: str, resource: str) -> None:
        self.counted[verb, resource] += 1

    async def close(self) -> None:
        """End its connections."""
        await self.reconciler.close()
        await self._kube.close()


@pytest.fixture
async def second(bench: Bench) -> AsyncIterator[Second]:
    """An operator of another release."""
    made = Second(bench, {"15": "image:15"})
    yield made
    await made.close()


def renew(bench: Bench, namespace: str = "system", name: str = "covet-operator") -> None:
    """Renew a Lease, as an operator does that lives."""
    found = bench.server.get(resources.LEASE, namespace, name)
    count = int(found["spec"]["renewTime"]) + 1 if found is not None else 1
    metadata = {"name": name, "namespace": namespace}
    spec = {"holderIdentity": "pod", "renewTime": str(count)}
    manifest = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    bench.server.put(manifest)


def admitted(bench: Bench) -> Any:
    """Return the namespace from which the cluster's NetworkPolicy admits an operator."""
    policy = bench.server.get(resources.NETWORK_POLICY, NAMESPACE, "shop-s0")
    assert policy is not None
    selector = policy["spec"]["ingress"][1]["from"][0]["namespaceSelector"]["matchLabels"]
    return selector["kubernetes.io/metadata.name"]


async def test_a_cluster_is_left_to_the_operator_that_serves_it(bench: Bench, second: Second) -> None:
    """The second release sends one Warning, writes nothing else, and the first one's objects and status stand still."""
    await bench.born()
    renew(bench)
    before = bench.status()
    for _ in range(5):
        await second.reconciler.once()
        bench.offset += 10.0
        renew(bench)
        assert "True" == bench.condition("Ready")["status"]
        await bench.reconciler.once()
    assert {("patch", "events"): 1} == second.counted
    assert [events.SERVED_ELSEWHERE] == bench.events()
    assert (before, OWN, "system") == (bench.status(), before["operator"], admitted(bench))
    assert 1 == len(second.rivals)


async def test_unchanged_rounds_of_both_write_nothing(bench: Bench, second: Second) -> None:
    """After the Warning neither of the two sends a write."""
    await bench.born()
    await second.reconciler.once()
    await bench.reconciler.once()
    bench.server.writes.clear()
    for _ in range(3):
        await second.reconciler.once()
        await bench.reconciler.once()
    assert [] == bench.server.writes


async def test_it_is_taken_over_once_its_operator_is_gone(bench: Bench, second: Second) -> None:
    """The Lease is renewed no more: a while later the second release serves the cluster, and the first stays away."""
    await bench.born()
    renew(bench)
    await second.reconciler.once()
    bench.offset += GONE_AFTER - 1.0
    await second.reconciler.once()
    assert OWN == bench.status()["operator"]
    bench.offset += 1.0
    await second.reconciler.once()
    await second.reconciler.once()
    assert (OTHER, "elsewhere", 0) == (bench.status()["operator"], admitted(bench), len(second.rivals))
    renew(bench, "elsewhere", "covet")
    await bench.reconciler.once()
    assert (OTHER, "elsewhere", 1) == (bench.status()["operator"], admitted(bench), len(bench.tools.rivals))


async def test_a_lease_that_is_given_back_is_a_matter_of_time_too(bench: Bench, second: Second) -> None:
    """Between two processes of a release, as in an upgrade, nobody takes its clusters."""
    await bench.born()
    renew(bench)
    await second.reconciler.once()
    found = bench.server.get(resources.LEASE, "system", "covet-operator")
    assert found is not None
    bench.server.put({**found, "spec": {**found["spec"], "holderIdentity": ""}})
    bench.offset += GONE_AFTER
    await second.reconciler.once()
    assert OWN == bench.status()["operator"]


async def test_of_two_that_begin_at_once_one_serves(bench: Bench, second: Second) -> None:
    """Both see a new cluster: the first status decides, and only its writer makes anything."""
    bench.declare()
    for _ in range(3):
        await asyncio.gather(second.reconciler.once(), bench.reconciler.once(), return_exceptions=True)
    served = {"system": OWN, "elsewhere": OTHER}[admitted(bench)]
    assert served == bench.status()["operator"]
    idle = second.rivals if served == OWN else bench.tools.rivals
    assert 1 == len(idle)


async def test_a_wish_that_both_judge_differently_is_judged_by_one(bench: Bench) -> None:
    """One release has no image for the version: before birth, too, the two do not write over each other."""
    other = Second(bench, images={})
    bench.declare()
    await other.reconciler.once()
    bench.server.writes.clear()
    for _ in range(3):
        await bench.reconciler.once()
        await other.reconciler.once()
    assert (OTHER, events.VERSION_UNKNOWN) == (bench.status()["operator"], bench.condition("Stalled")["reason"])
    assert ["events"] == [write.resource for write in bench.server.writes]
    await other.close()


async def test_what_cannot_be_taken_back_is_not_done_after_a_takeover(bench: Bench) -> None:
    """Another operator took over while a round was under way: the act is stopped."""
    bench.declare()
    await bench.reconciler.once()
    body = bench.server.get(resources.CLUSTER, NAMESPACE, "shop")
    assert body is not None
    seen = await bench.reconciler._observer.look(body)
    bench.server.put({**body, "status": {**body["status"], "operator": OTHER}})
    with pytest.raises(ConflictError) as refused:
        await freshness.still_wanted(bench.reconciler._means, seen)
    assert events.SERVED_ELSEWHERE == refused.value.reason


@pytest.mark.parametrize("named", ["", "nobody", "a/b/../../c", "UPPER/x", 7])
async def test_a_name_that_is_none_hinders_nobody(bench: Bench, named: object) -> None:
    """Whatever somebody wrote into the status, the cluster is served."""
    body = bench.declare()
    bench.server.put({**body, "status": {"operator": named}})
    await bench.reconciler.once()
    assert OWN == bench.status()["operator"]


async def test_a_lease_that_cannot_be_read_proves_nothing(bench: Bench, second: Second) -> None:
    """Without an answer about the other operator nothing is done."""
    await bench.born()
    bench.server.writes.clear()
    await bench.server.stop()
    with pytest.raises((CovetError, ActionError)):
        await second.reconciler.once()
    assert [] == bench.server.writes
