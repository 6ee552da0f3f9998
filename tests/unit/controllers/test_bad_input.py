"""What a bad wish and a refusal of Kubernetes lead to: words, once, until the cause is gone."""

from typing import Any

import pytest

from covet.controllers import report
from covet.controllers.act import ActionError
from covet.core import events
from covet.kube import resources
from covet.testing.requests import Refusal
from tests.unit.controllers.conftest import NAMESPACE, Bench


def _full(_verb: str, resource: resources.Resource, _manifest: dict[str, Any]) -> None:
    """Refuse every new Service for its quota."""
    if resource == resources.SERVICE:
        raise Refusal(403, "Forbidden", "services is forbidden: exceeded quota: small")


class TestBadInput:
    """What cannot be honoured becomes a reason, a sentence and one Event, and nothing is made."""

    @pytest.mark.parametrize(
        ("spec", "reason"),
        [
            ({"engine": {"name": "PostgreSQL", "version": "99"}}, events.VERSION_UNKNOWN),
            ({"shards": {"count": 1, "instances": 2}}, events.SPEC_INVALID),
            (
                {"engine": {"name": "PostgreSQL", "version": "15", "parameters": {"fsync": "off"}}},
                events.PARAMETER_REFUSED,
            ),
            ({"storage": {"size": "1Gi", "className": "none"}}, events.STORAGE_CLASS_MISSING),
            ({"engine": {"name": "Oracle", "version": "15"}}, events.SPEC_INVALID),
        ],
    )
    async def test_a_wish_that_cannot_be_honoured(self, bench: Bench, spec: dict[str, Any], reason: str) -> None:
        """The condition Stalled and a Warning name the reason, again and again the same, and no object is made."""
        bench.declare(**spec)
        for _ in range(5):
            await bench.reconciler.once()
        assert reason == bench.condition("Stalled")["reason"]
        assert "False" == bench.condition("Ready")["status"]
        assert [reason] == bench.events()
        assert [] == [write for write in bench.server.writes if write.resource not in {"covetclusters", "events"}]

    async def test_it_says_so_once(self, bench: Bench) -> None:
        """Rounds that find the same problem write nothing more."""
        bench.declare(storage={"size": "1Gi", "className": "none"})
        await bench.reconciler.once()
        bench.server.writes.clear()
        for _ in range(5):
            await bench.reconciler.once()
        assert [] == bench.server.writes

    async def test_an_event_is_counted_up_later(self, bench: Bench) -> None:
        """Ten minutes later the same Event is sent again, with a higher count."""
        bench.declare(storage={"size": "1Gi", "className": "none"})
        await bench.reconciler.once()
        bench.offset += report.REPEAT_AFTER
        await bench.reconciler.once()
        found = [item for (kind, _, _), item in bench.server.objects.items() if kind == resources.EVENT]
        assert [2] == [item["count"] for item in found]

    async def test_it_heals_when_the_cause_is_gone(self, bench: Bench) -> None:
        """Once the class exists the cluster is made, without anybody touching the object."""
        bench.declare(storage={"size": "1Gi", "className": "slow"})
        await bench.reconciler.once()
        bench.server.put({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "slow"}})
        await bench.settle()
        assert {} == bench.condition("Stalled")

    async def test_an_edit_that_is_refused_leaves_the_databases_alone(self, bench: Bench) -> None:
        """A bad edit of a running cluster stalls it, and it goes on serving."""
        bench.declare()
        await bench.settle()
        bench.declare(engine={"name": "PostgreSQL", "version": "15", "parameters": {"fsync": "off"}})
        await bench.reconciler.once()
        assert events.PARAMETER_REFUSED == bench.condition("Stalled")["reason"]
        assert "True" == bench.condition("Available")["status"]
        assert [{}] * 3 == [agent.spec.parameters for agent in bench.kubelet.agents.values() if agent.spec is not None]

    async def test_a_full_quota(self, bench: Bench) -> None:
        """Kubernetes refuses an object for its quota: the reason is the quota, and it heals."""
        bench.server.refuse = _full
        bench.declare()
        for _ in range(4):
            try:
                await bench.reconciler.once()
            except ActionError:
                continue
        assert events.QUOTA_EXCEEDED == bench.condition("Ready")["reason"]
        assert [events.QUOTA_EXCEEDED] == bench.events()
        bench.server.refuse = lambda _verb, _resource, _manifest: None
        await bench.settle()
        assert "True" == bench.condition("Ready")["status"]

    async def test_a_failure_that_is_over_is_not_told(self, bench: Bench) -> None:
        """Somebody else put right what an action failed at: the very next round is ready again."""
        bench.declare()
        await bench.settle()
        service = bench.server.get(resources.SERVICE, NAMESPACE, "shop-s0")
        assert service is not None
        bench.server.refuse = _full
        bench.server.delete(resources.SERVICE, NAMESPACE, "shop-s0")
        for _ in range(2):
            with pytest.raises(ActionError):
                await bench.reconciler.once()
        assert events.QUOTA_EXCEEDED == bench.condition("Ready")["reason"]
        bench.server.put(service)
        await bench.reconciler.once()
        assert "True" == bench.condition("Ready")["status"]

    async def test_no_pod_for_lack_of_quota(self, bench: Bench) -> None:
        """The StatefulSet controller's Event about the quota becomes our reason."""
        bench.declare()
        await bench.reconciler.once()
        await bench.reconciler.once()
        bench.server.put(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": "e", "namespace": NAMESPACE},
                "involvedObject": {"kind": "StatefulSet", "name": "shop-s0-b"},
                "type": "Warning",
                "reason": "FailedCreate",
                "message": "create Pod shop-s0-b-0 failed error: pods is forbidden: exceeded quota: small",
            }
        )
        await bench.reconciler.once()
        assert events.QUOTA_EXCEEDED == bench.condition("Ready")["reason"]
