"""Pods in this process: for each StatefulSet an agent behind real mTLS, on a loopback address of its own."""

import base64
import dataclasses
import os
import random
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from covet.core import fingerprints, names
from covet.core.agentapi import Problem, Serving, ShardSpec
from covet.core.agentorders import (
    BootstrapOrder,
    CloneOrder,
    CohortOrder,
    DatabaseOrder,
    InsideRequest,
    LoginOrder,
    MapOrder,
    OpenOrder,
    PromoteOrder,
    RetireOrder,
    SealOrder,
    SwitchoverOrder,
    UnsealOrder,
)
from covet.core.errors import RefusedError
from covet.kube import ledger, resources
from covet.kube.resources import Manifest
from covet.manifests import metadata
from covet.peers import codec
from covet.planner import record
from covet.planner.record import ShardRecord
from covet.testing.agents import FakeAgent, ImpossibleError
from covet.testing.apiserver import ApiServer

_REVISION: Final = "controller-revision-hash"
_ROUTES: Final[tuple[tuple[str, str, type[Any], Callable[[FakeAgent, Any], Any]], ...]] = (
    ("PUT", "/v1/spec", ShardSpec, FakeAgent.put_spec),
    ("POST", "/v1/bootstrap", BootstrapOrder, FakeAgent.bootstrap),
    ("POST", "/v1/clone", CloneOrder, FakeAgent.clone),
    ("POST", "/v1/cohort", CohortOrder, FakeAgent.cohort),
    ("POST", "/v1/open", OpenOrder, FakeAgent.open),
    ("POST", "/v1/switchover", SwitchoverOrder, FakeAgent.switchover),
    ("POST", "/v1/promote", PromoteOrder, FakeAgent.promote),
    ("PUT", "/v1/database", DatabaseOrder, FakeAgent.put_database),
    ("PUT", "/v1/login", LoginOrder, FakeAgent.put_login),
    ("POST", "/v1/retire", RetireOrder, FakeAgent.retire_login),
    ("PUT", "/v1/map", MapOrder, FakeAgent.put_map),
    ("POST", "/v1/inside", InsideRequest, FakeAgent.inside),
    ("POST", "/v1/seal", SealOrder, FakeAgent.seal),
    ("POST", "/v1/unseal", UnsealOrder, FakeAgent.unseal),
)


@dataclasses.dataclass
class _Mounted:
    """The certificate that a pod shows now."""

    context: ssl.SSLContext

    def choose(self, secured: ssl.SSLObject, _host: str, _context: ssl.SSLContext) -> None:
        """Go on with it in a handshake that begins."""
        secured.context = self.context


_MOUNTED: Final = web.AppKey("mounted", _Mounted)


class Kubelet:
    """Starts a pod for each StatefulSet of an API server, and brings its status up to date when asked.

    Args:
        server: where the objects are.
    """

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._network = (100 + os.getpid() % 100, random.randrange(256))
        self._runners: dict[str, web.AppRunner] = {}
        self._shards: dict[tuple[str, str], dict[str, FakeAgent]] = {}
        self.agents: dict[str, FakeAgent] = {}
        self._numbers: dict[str, int] = {}
        self.violations: list[str] = []
        self.unreachable: set[str] = set()
        self.slow_volumes: set[str] = set()
        """Instances whose volumes are asked to grow and do not yet."""
        self.slow_secrets: set[str] = set()
        """Instances whose pods have not got what their Secret holds now."""
        self.storage_class = "fast"
        """What the default class stands for."""

    async def sync(self) -> None:
        """Start pods that are missing, let time pass for the agents, and publish what they say."""
        self._collect()
        pods = {name for resource, _, name in self._server.objects if resource == resources.POD}
        for instance in [name for name in self._runners if names.pod(name) not in pods]:
            self.agents[instance].restart()
            await self._runners.pop(instance).cleanup()
        for resource, namespace, name in list(self._server.objects):
            # An operator that runs beside this may have deleted it meanwhile.
            if resource == resources.STATEFUL_SET and self._server.get(resource, namespace, name) is not None:
                self._take_up(namespace, name)
                self._provide(namespace, name)
                await self._ensure_pod(namespace, name)
                self._bring(namespace, name)
        self._run_routers()
        for agent in self.agents.values():
            agent.tick()
        self._publish()

    def _collect(self) -> None:
        """Delete the pods of StatefulSets that are gone; a shard without any is no more."""
        sets = {(space, name) for kind, space, name in self._server.objects if kind == resources.STATEFUL_SET}
        pods = [(space, name) for kind, space, name in self._server.objects if kind == resources.POD]
        for space, name in pods:
            labels = self._server.objects[resources.POD, space, name]["metadata"]["labels"]
            if names.LABEL_INSTANCE in labels and (space, name.removesuffix("-0")) not in sets:
                self._server.delete(resources.POD, space, name)
        standing = {name for _, name in sets}
        self._shards = {key: found for key, found in self._shards.items() if standing & found.keys()}

    def _run_routers(self) -> None:
        """Have as many ready pods of each Deployment's newest template as it asks for, and none of another."""
        for (kind, space, name), found in list(self._server.objects.items()):
            if kind != resources.DEPLOYMENT:
                continue
            template = found["spec"]["template"]
            revision = ledger.digest(template)[:10]
            wanted = {f"{name}-{revision}-{number}" for number in range(found["spec"]["replicas"])}
            there = {pod for other, at, pod in self._server.objects if other == resources.POD and at == space}
            for pod in there - wanted:
                if pod.startswith(f"{name}-"):
                    self._server.delete(resources.POD, space, pod)
            for pod in wanted - there:
                meta = {**template["metadata"], "name": pod, "namespace": space}
                status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
                self._server.put(
                    {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "metadata": meta,
                        "spec": {"nodeName": "node-1"},
                        "status": status,
                    }
                )

    def _bring(self, namespace: str, instance: str) -> None:
        """Have the agent of a pod that runs work with what its Secret holds now."""
        secret = self._server.objects.get((resources.SECRET, namespace, names.instance_secret(instance)))
        if secret is None or instance not in self._runners or instance in self.slow_secrets:
            return
        if self.agents[instance].certificates != _fingerprint(secret):
            self.agents[instance].certificates = _fingerprint(secret)
            self._runners[instance].app[_MOUNTED].context = _tls(secret)

    async def delete_pod(self, namespace: str, instance: str) -> None:
        """Delete a pod as a person would; its volume stays."""
        self._server.delete(resources.POD, namespace, names.pod(instance))
        self.agents[instance].restart()
        await self._runners.pop(instance).cleanup()

    async def stop(self) -> None:
        """End every pod."""
        for runner in self._runners.values():
            await runner.cleanup()

    def _take_up(self, namespace: str, instance: str) -> None:
        """Do what the StatefulSet controller does when it sees a new version."""
        found = self._server.objects[resources.STATEFUL_SET, namespace, instance]
        revision = ledger.digest(found["spec"]["template"])[:10]
        status = {"observedGeneration": found["metadata"]["generation"], "updateRevision": revision}
        if found.get("status") != status:
            self._server.put({**found, "status": status})

    def _provide(self, namespace: str, instance: str) -> None:
        """Make the claim of an instance as the StatefulSet controller does, bind it, and grow it as storage does."""
        stateful_set = self._server.objects[resources.STATEFUL_SET, namespace, instance]
        name = names.data_volume_claim(instance)
        found = self._server.get(resources.CLAIM, namespace, name)
        if found is None:
            (template,) = stateful_set["spec"]["volumeClaimTemplates"]
            labels = template["metadata"]["labels"]
            spec = {"storageClassName": self.storage_class, **template["spec"]}
            found = {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "namespace": namespace, "labels": labels},
                "spec": spec,
            }
        amount = ((found["spec"].get("resources") or {}).get("requests") or {}).get("storage")
        capacity = ((found.get("status") or {}).get("capacity") or {}).get("storage")
        status: dict[str, Any] = {"phase": "Bound", "capacity": {"storage": amount}}
        if capacity is not None and instance in self.slow_volumes:
            waits = {"type": "FileSystemResizePending", "status": "True"}
            status |= {"capacity": {"storage": capacity}, "conditions": [waits] if capacity != amount else []}
        goes = stateful_set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"
        owners = [metadata.owned_by(stateful_set)] if goes else []
        if found.get("status") != status or (found["metadata"].get("ownerReferences") or []) != owners:
            self._server.put({**found, "metadata": {**found["metadata"], "ownerReferences": owners}, "status": status})

    async def _ensure_pod(self, namespace: str, instance: str) -> None:
        pod = names.pod(instance)
        if self._server.get(resources.POD, namespace, pod) is not None:
            return
        stateful_set = self._server.objects[resources.STATEFUL_SET, namespace, instance]
        secret = self._server.get(resources.SECRET, namespace, names.instance_secret(instance))
        config = stateful_set["spec"]["template"]["metadata"]["labels"]
        revision = stateful_set["status"]["updateRevision"]
        cluster, shard = config[names.LABEL_CLUSTER], config[names.LABEL_SHARD]
        if (
            secret is None
            or self._server.get(resources.CONFIG_MAP, namespace, names.shard_config(cluster, shard)) is None
        ):
            return
        agent = self.agents.get(instance) or self._new_agent(namespace, cluster, shard, instance)
        address = self._address(instance)
        self._runners[instance] = await self._serve(agent, address, secret)
        agent.put_spec(self._published(namespace, cluster, shard))
        self._server.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": pod,
                    "namespace": namespace,
                    "labels": {**config, _REVISION: revision},
                    "annotations": stateful_set["spec"]["template"]["metadata"].get("annotations") or {},
                },
                "spec": {"nodeName": "node-1"},
                "status": {
                    "phase": "Running",
                    "podIP": address,
                    "containerStatuses": [{"state": {"running": {}}, "image": "image"}],
                    "conditions": [{"type": "Ready", "status": "False"}],
                },
            }
        )

    def _address(self, instance: str) -> str:
        """Return the loopback address of an instance: one for each that was ever seen."""
        number = self._numbers.setdefault(instance, len(self._numbers))
        first, second = self._network
        return f"127.{first}.{(second + number // 250) % 256}.{number % 250 + 1}"

    def _new_agent(self, namespace: str, cluster: str, shard: str, instance: str) -> FakeAgent:
        siblings = self._shards.setdefault((cluster, shard), {})

        def known() -> ShardRecord | None:
            found = self._server.get(resources.CONFIG_MAP, namespace, names.identity(cluster))
            return record.decode(found["data"][record.KEY]).shard(shard) if found is not None else None

        agent = FakeAgent(instance, shard, siblings, known)
        siblings[instance] = agent
        self.agents[instance] = agent
        return agent

    def _published(self, namespace: str, cluster: str, shard: str) -> ShardSpec:
        found = self._server.objects[resources.CONFIG_MAP, namespace, names.shard_config(cluster, shard)]
        return codec.decode(found["data"]["spec.json"], ShardSpec)

    def _publish(self) -> None:
        """Set the readiness of each pod by what its agent serves."""
        for (resource, _, name), pod in list(self._server.objects.items()):
            agent = self.agents.get(name.removesuffix("-0"))
            if resource != resources.POD or agent is None:
                continue
            ready = "False" if agent.status().serving is Serving.CLOSED else "True"
            if pod["status"]["conditions"][0]["status"] != ready:
                status = {**pod["status"], "conditions": [{"type": "Ready", "status": ready}]}
                self._server.put({**pod, "status": status})

    async def _serve(self, agent: FakeAgent, address: str, secret: Manifest) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/v1/status", self._answer(agent, None, lambda found, _: found.status()))
        for method, path, kind, call in _ROUTES:
            app.router.add_route(method, path, self._answer(agent, kind, call))
        context, agent.certificates = _tls(secret), _fingerprint(secret)
        app[_MOUNTED] = _Mounted(context)
        # Each handshake is made with what is mounted by then.
        context.sni_callback = app[_MOUNTED].choose
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, address, names.AGENT_PORT, ssl_context=context).start()
        return runner

    def _answer(
        self, agent: FakeAgent, kind: type[Any] | None, call: Callable[[FakeAgent, Any], Any]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            if agent.instance in self.unreachable and request.transport is not None:
                request.transport.close()
            try:
                order = codec.decode(await request.read(), kind) if kind is not None else None
                said = call(agent, order)
                body = codec.encode(said if said is not None else agent.status())
                return web.Response(body=body, content_type="application/json")
            except RefusedError as error:
                return web.Response(status=409, body=codec.encode(Problem(error.reason, error.message)))
            except ImpossibleError as error:
                self.violations.append(str(error))
                return web.Response(status=409, body=codec.encode(Problem("Impossible", str(error))))

        return answer


def _fingerprint(secret: Manifest) -> str:
    values = {key: base64.b64decode(value) for key, value in secret["data"].items()}
    return fingerprints.of_credentials(values["ca.crt"], values["tls.crt"])


def _tls(secret: Manifest) -> ssl.SSLContext:
    """Return a server context that asks for a certificate of the cluster's authority."""
    values = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=values["ca.crt"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tls.pem"
        path.write_text(values["tls.key"] + values["tls.crt"])
        context.load_cert_chain(path)
    return context
