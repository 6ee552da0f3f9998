"""What stands around the cluster `shop`: an API server that also has logs, rights and a clock.

In it is the whole of a healthy installation, made by the builders of Covet itself.
"""

import asyncio
import contextlib
import copy
import dataclasses
import datetime as dt
import email.utils
import functools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from aiohttp import web
from click.testing import CliRunner

from covet.api import crd
from covet.cli import access, application, executing, reaching, session
from covet.core import names
from covet.core.clock import Clock
from covet.kube import person
from covet.kube.inquiry import Inquiry
from covet.manifests import certificates, policies, secrets
from covet.manifests.metadata import ClusterRef, labels
from covet.testing import reach
from covet.testing.apiserver import ApiServer
from tests.unit.cli import samples
from tests.unit.cli.fakes import NOW, Outcome

REF = ClusterRef("shop", "default", "5a1d0a54-0000-4000-8000-000000000001")
SHARDS = ("s0", "s1")
INSTANCES = tuple(f"shop-{shard}-{letter}" for shard in SHARDS for letter in "abc")
IMAGE = "registry.example/covet-postgres:15-0.1.0"
SYSTEM = "covet-system"

Run = Callable[[list[str], float], executing.Ended]


class Surroundings(ApiServer):
    """The in-process API server, with what only a person's command asks.

    `logs` holds the lines of each pod with their times; `now` is the time that it tells; `monitors` its PodMonitors,
    None where the Prometheus operator is not installed. `denied` counts for rights that are asked about too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.logs: dict[str, list[str]] = {}
        self.now = NOW
        self.version = "v1.29.3"
        self.monitors: list[dict[str, Any]] | None = None
        self.queries: list[dict[str, str]] = []
        """What logs were asked for, in order."""
        self.grown = asyncio.Condition()

    async def write(self, pod: str, *lines: str) -> None:
        """Add lines to a log; whoever follows it gets them."""
        async with self.grown:
            self.logs.setdefault(pod, []).extend(lines)
            self.grown.notify_all()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path == "/version":
            date = email.utils.format_datetime(self.now, usegmt=True)
            return web.json_response({"gitVersion": self.version}, headers={"Date": date})
        if path.endswith("/selfsubjectaccessreviews"):
            return web.json_response(self._review(json.loads(await request.read())), status=201)
        if path.endswith("/log"):
            return await self._log(request, path.split("/")[-2])
        if path.endswith("/podmonitors") and ("list", "podmonitors") in self.denied:
            return _forbidden("list", "podmonitors")
        if path.endswith("/podmonitors") and self.monitors is not None:
            place = path.split("/")[-2]
            here = [one for one in self.monitors if one["metadata"]["namespace"] == place]
            return web.json_response({"metadata": {}, "items": here})
        return await super()._handle(request)

    def _review(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = body["spec"]["resourceAttributes"]
        plural = "/".join(filter(None, (asked["resource"], asked.get("subresource"))))
        return {**body, "status": {"allowed": (asked["verb"], plural) not in self.denied}}

    async def _log(self, request: web.Request, pod: str) -> web.StreamResponse:
        self.queries.append({**request.query, "pod": pod})
        if ("get", "pods/log") in self.denied:
            return _forbidden("get", "pods/log")
        if pod not in self.logs:
            return web.json_response({"message": "container is waiting to start"}, status=400)
        response = web.StreamResponse()
        await response.prepare(request)
        begin = self._chosen(request, pod)
        while True:
            new = self.logs.get(pod, [])[begin:]
            begin += len(new)
            await response.write("".join(f"{line}\n" for line in new).encode())
            if "follow" not in request.query or not await self._grows(pod, begin):
                break
        return response

    async def _grows(self, pod: str, known: int) -> bool:
        """Wait until a log has more lines; False once it is gone."""
        async with self.grown:
            await self.grown.wait_for(lambda: pod not in self.logs or len(self.logs[pod]) > known)
        return pod in self.logs

    def _chosen(self, request: web.Request, pod: str) -> int:
        """Return the first line that is wanted; times are compared to the second, as the kubelet does."""
        lines = self.logs[pod]
        first = max(0, len(lines) - int(request.query.get("tailLines", len(lines))))
        since = request.query.get("sinceTime", "")
        return max(first, next((at for at, line in enumerate(lines) if line[:19] >= since[:19]), len(lines)))


def _forbidden(verb: str, plural: str) -> web.Response:
    message = f'User "jane" cannot {verb} resource "{plural}" in API group'
    return web.json_response({"reason": "Forbidden", "message": message}, status=403)


def healthy(server: Surroundings) -> None:
    """Fill an API server with the cluster `shop` and all that belongs to it."""
    body = samples.cluster()
    body["status"] |= {"operator": f"{SYSTEM}/covet", "observedGeneration": 1}
    server.put(body)
    server.put(crd.definition())
    server.put(storage_class("fast", default=True))
    server.put(operator_pod())
    server.put(lease(SYSTEM, "covet", "covet-7d9-x", 15))
    operator, instances = issued()
    server.put(secrets.operator_certificate(REF, operator))
    server.put(trust(operator.trust))
    for shard in SHARDS:
        server.put(policies.network(REF, shard, SYSTEM, [443, 6443], ["monitoring"]))
        budget = {"disruptionsAllowed": 1, "currentHealthy": 3, "expectedPods": 3}
        server.put({**policies.disruption_budget(REF, shard), "status": budget})
        server.put(lease("default", f"shop-{shard}", f"shop-{shard}-a", 30))
    for instance in INSTANCES:
        shard = instance.split("-")[1]
        server.put(pod(instance, shard))
        server.put(claim(instance, shard))
        server.put(secrets.instance_certificate(REF, shard, instance, instances[instance]))
    server.monitors = [monitor()]


@functools.cache
def issued() -> tuple[certificates.Issued, Mapping[str, certificates.Issued]]:
    """Return the certificates of the operator and of each instance, ten days old; they are the same for all tests."""
    began = NOW - dt.timedelta(days=10)
    authority = certificates.make_authority("shop", began)
    instances = {name: certificates.issue_instance(authority, name, ["localhost"], began) for name in INSTANCES}
    return certificates.issue_operator(authority, began), instances


def pod(instance: str, shard: str) -> dict[str, Any]:
    """Return the pod of an instance, ready."""
    container = {
        "name": "instance",
        "image": IMAGE,
        "env": [{"name": "COVET_INSTANCE", "value": instance}],
        "ports": [{"name": "sql", "containerPort": 5432}, {"name": "agent", "containerPort": 7443}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{instance}-0", "namespace": "default", "labels": labels(REF, shard, instance)},
        "spec": {"nodeName": "node-1", "containers": [container]},
        "status": ready("instance"),
    }


def operator_pod() -> dict[str, Any]:
    """Return the operator's pod, ready."""
    images = json.dumps({"15": IMAGE})
    container = {
        "name": "operator",
        "image": "covet-operator:0.1.0",
        "env": [{"name": "COVET_POSTGRES_IMAGES", "value": images}],
    }
    marks = {
        names.LABEL_APP: names.APP,
        names.LABEL_COMPONENT: names.COMPONENT_OPERATOR,
        "app.kubernetes.io/version": "0.1.0",
        "helm.sh/chart": "covet-0.1.0",
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "covet-7d9-x", "namespace": SYSTEM, "labels": marks},
        "spec": {"containers": [container]},
        "status": ready("operator"),
    }


def ready(container: str) -> dict[str, Any]:
    """Return the status of a pod that is ready and never restarted."""
    return {
        "phase": "Running",
        "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": container, "restartCount": 0, "state": {"running": {}}}],
    }


def claim(instance: str, shard: str) -> dict[str, Any]:
    """Return the volume claim of an instance, bound."""
    name = names.data_volume_claim(instance)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "default", "labels": labels(REF, shard, instance)},
        "status": {"phase": "Bound"},
    }


def lease(namespace: str, name: str, holder: str, seconds: int) -> dict[str, Any]:
    """Return a Lease that was renewed two seconds ago."""
    renewed = (NOW - dt.timedelta(seconds=2)).isoformat()
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": seconds},
    }


def storage_class(name: str, *, default: bool) -> dict[str, Any]:
    """Return a storage class that suits."""
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": annotations},
        "provisioner": "disk.example",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }


def trust(certificate: str) -> dict[str, Any]:
    """Return the ConfigMap that clients verify the servers with."""
    metadata = {"name": names.trust_config("shop"), "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": certificate}}


def monitor(port: str = "agent") -> dict[str, Any]:
    """Return a PodMonitor that selects all database pods, as the chart makes it."""
    return {
        "metadata": {"name": "covet-instances", "namespace": SYSTEM},
        "spec": {
            "selector": {"matchLabels": {names.LABEL_COMPONENT: names.COMPONENT_INSTANCE}},
            "namespaceSelector": {"any": True},
            "podMetricsEndpoints": [{"port": port}],
        },
    }


def change(server: Surroundings, kind: str, name: str, edit: Callable[[dict[str, Any]], None]) -> None:
    """Edit a stored object as somebody else would."""
    found = next(item for (one, _, named), item in server.objects.items() if one.kind == kind and named == name)
    changed = copy.deepcopy(found)
    edit(changed)
    server.put(changed)


def line(moment: str, instance: str, message: str, level: str = "info", **fields: object) -> str:
    """Return a line of an agent's log as the kubelet hands it out; the moment is a time of day."""
    whole = {"ts": f"2026-11-23T{moment}Z", "level": level, "logger": "covet.loop", "instance": instance}
    return f"2026-11-23T{moment}000000Z {json.dumps({**whole, 'msg': message, **fields})}"


@dataclasses.dataclass
class Caller:
    """Calls the command as a person would, by way of the real adapter."""

    server: Surroundings
    run: Run = executing.run

    def outside(self) -> session.Outside:
        """Return the world that leads to the API server of the test."""

        @contextlib.asynccontextmanager
        async def connect(target: access.Target) -> AsyncIterator[access.Access]:
            kube = Inquiry(reach.configured(self.server.url), timeout=5.0, caller=person.CALLER)
            try:
                yield reaching.KubeAccess(person.Reach(kube, "default"), target.namespace)
            finally:
                await kube.close()

        return session.Outside(connect=connect, run=self.run, clock=Clock(wall=lambda: NOW))

    async def call(self, *arguments: str) -> Outcome:
        """Run the command in a thread of its own: the API server needs this one."""
        async with asyncio.timeout(60):
            return await asyncio.to_thread(self._call, *arguments)

    def _call(self, *arguments: str) -> Outcome:
        with CliRunner().isolation() as streams:
            code = application.run(list(arguments), self.outside())
            return Outcome(code, streams[0].getvalue().decode(), streams[1].getvalue().decode())
