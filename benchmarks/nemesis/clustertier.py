"""The cluster tier's stage: a shard that the operator made, on the nodes of a devcluster."""

import asyncio
import base64
import contextlib
import pathlib
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from typing import Any, Final

import asyncpg
from aiohttp import abc

from benchmarks.nemesis import clusterfaults, phases
from benchmarks.nemesis.clients import DSN, RW, Settings, Way
from benchmarks.nemesis.ground import Ground
from benchmarks.nemesis.plan import MEMBERS, Plan
from benchmarks.nemesis.podlogs import PodLogs
from benchmarks.nemesis.pods import Pod
from benchmarks.nemesis.stage import Session, Statuses
from covet.core import names
from covet.core.agentapi import AgentStatus, MemberState, Peer, Serving
from covet.core.errors import CovetError
from covet.peers.client import AgentClient
from tests.e2e import installation
from tests.e2e.cluster.shops import Shop
from tests.e2e.devcluster.errors import DevclusterError
from tests.e2e.installation import Installation, InstallationError
from tests.e2e.process import authority

CLUSTER: Final = "shop"
SHARD: Final = "s0"
STATUS_SECONDS: Final = 3.0
LEFT_BEHIND: Final = (
    ("events.txt", ("get", "events", "--sort-by=.lastTimestamp")),
    ("objects.yaml", ("get", "covetclusters,pods,statefulsets,endpointslices,leases,configmaps", "-o", "yaml")),
)


class Addresses(abc.AbstractResolver):
    """Resolves the names of instances to what the API server last said of their pods."""

    def __init__(self) -> None:
        self.pods: dict[str, Pod] = {}

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002  pods here have addresses of one family
    ) -> list[abc.ResolveResult]:
        """Return the pod's address.

        Raises:
            OSError: it has none.
        """
        pod = next((pod for pod in self.pods.values() if host.startswith(f"{pod.name}.")), None)
        if pod is None:
            raise OSError(f"{host} has no address")
        flags = socket.AI_NUMERICHOST
        return [
            abc.ResolveResult(hostname=host, host=pod.address, port=port, family=socket.AF_INET, proto=0, flags=flags)
        ]

    async def close(self) -> None:
        """Nothing is open."""


class ClusterStage:
    """A shard of three on a devcluster.

    Args:
        covet: the installation.
        name: of the devcluster.
        namespace: with a shard that is there already; None makes both and removes them.
    """

    tier = "cluster"
    faults = clusterfaults.FAULTS

    def __init__(self, covet: Installation, name: str, namespace: str | None = None) -> None:
        self._ours = namespace is None
        self.shop = Shop(covet, namespace or f"nemesis-{secrets.token_hex(3)}", CLUSTER)
        self.ground = Ground(covet, name, self.shop.namespace)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="covet-nemesis-"))
        self.instances = tuple(names.instance(CLUSTER, SHARD, names.letter(index)) for index in range(MEMBERS))
        self._addresses = Addresses()
        self._user: dict[str, str] = {}
        self._client: AgentClient | None = None
        self._logs = [
            PodLogs(self.ground.devcluster.nodes, self.shop.namespace),
            PodLogs(self.ground.devcluster.nodes, installation.NAMESPACE),
        ]

    async def open(self) -> None:
        """Make the shard, unless it is there, and fetch what clients need to reach it."""
        self.ground.weights.put()
        await asyncio.to_thread(self._make)
        tls = self._write_certificate()
        self._trust = ssl.create_default_context(cafile=str(tls / "ca.crt"))
        self._trust.check_hostname = False  # dialled by address; the writers check names
        self._client = AgentClient(authority.client_context(tls), STATUS_SECONDS, self._addresses)
        await self._client.__aenter__()
        for logs in self._logs:
            logs.begin()

    def _make(self) -> None:
        if self._ours:
            self.shop.covet.ensure_namespace(self.shop.namespace)
            self.shop.declare(shards={"count": 1, "instances": MEMBERS}, storage={"size": "1Gi"})
        self.shop.covet.apply(self._policy())
        self.shop.await_ready()
        (self.folder / "resolv.conf").write_text(
            f"nameserver {self.ground.devcluster.layout.dns_address}\noptions timeout:1 attempts:2\n"
        )

    def _policy(self) -> dict[str, Any]:
        """Let this machine ask the agents, beside what the operator's own policy admits."""
        source = {"ipBlock": {"cidr": f"{self.ground.devcluster.layout.address}/32"}}
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "bench", "namespace": self.shop.namespace},
            "spec": {
                "podSelector": {"matchLabels": {names.LABEL_CLUSTER: CLUSTER}},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [source], "ports": [{"protocol": "TCP", "port": names.AGENT_PORT}]}],
            },
        }

    def _write_certificate(self) -> pathlib.Path:
        """Write the operator's certificate into the folder, to ask the agents with."""
        tls = self.folder / "tls"
        tls.mkdir(mode=0o700)
        for key, text in self._secret(names.operator_secret(CLUSTER)).items():
            (tls / key).write_text(text)
        self._user = self._secret(names.user_secret(CLUSTER, "app"))
        return tls

    def _secret(self, name: str) -> dict[str, str]:
        data = self.shop.get("secret", name)["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    async def close(self) -> None:
        """Undo every fault, leave the cluster as it was found, and remove what is ours."""
        await self.restore()
        with contextlib.suppress(DevclusterError):
            await asyncio.to_thread(self.ground.await_fresh)
            await asyncio.to_thread(self.ground.await_operator)
        self.ground.weights.lift()
        if self._client is not None:
            await self._client.close()
        for logs in self._logs:
            logs.close()
        shutil.rmtree(self.folder)
        if self._ours:
            with contextlib.suppress(InstallationError, subprocess.TimeoutExpired):
                self.shop.covet.kubectl("delete", "namespace", self.shop.namespace, "--wait=false")

    def settings(self) -> Settings:
        """Return what the writers go by: half a DSN of all pods, half the Service."""
        shard_set, namespace = names.shard_set(CLUSTER, SHARD), self.shop.namespace
        hosts = tuple(
            (f"{names.pod_address(one, shard_set, namespace)}.cluster.local", names.SQL_PORT) for one in self.instances
        )
        service = f"{names.read_write_service(CLUSTER, SHARD)}.{namespace}.svc.cluster.local"
        return Settings(
            ways=(Way(DSN, hosts), Way(RW, ((service, names.SQL_PORT),))),
            user=self._user["username"],
            password=self._user["password"],
            database=self._user["database"],
            authority=str(self.folder / "tls" / "ca.crt"),
            resolver=str(self.folder / "resolv.conf"),
        )

    async def statuses(self) -> Statuses:
        """Ask every agent."""
        await self._look()
        return await asyncio.gather(*(self._status(instance) for instance in self.instances))

    async def _look(self) -> None:
        """Learn the addresses of the pods, unless nobody can tell."""
        with contextlib.suppress(OSError, DevclusterError):
            self._addresses.pods = await asyncio.to_thread(self.ground.pods)

    async def _status(self, instance: str) -> AgentStatus | None:
        assert self._client is not None
        address = names.pod_address(instance, names.shard_set(CLUSTER, SHARD), self.shop.namespace)
        peer = Peer(instance, address, names.AGENT_PORT, names.VOTER_PORT, names.SQL_PORT)
        try:
            return await self._client.status(peer)
        except CovetError:
            return None

    async def tend(self, told: Statuses) -> None:
        """Let the operator come back where it is needed: it has a volume that was cloned anew admitted."""
        leading = next((s for s in told if s is not None and s.serving is Serving.READ_WRITE and s.rule), None)
        if leading is None or leading.rule is None or self.ground.api_away or not self.ground.operator_away:
            return
        strangers = {s.member for s in told if s is not None and s.member} - set(leading.rule.cohort)
        if strangers or any(s is not None and s.state is MemberState.EMPTY for s in told):
            await asyncio.to_thread(self.ground.start_operator)

    async def connect(self, instance: str) -> Session:
        """Return a session of the application with one instance."""
        session: Session = await asyncpg.connect(
            host=self._addresses.pods[instance].address,
            port=names.SQL_PORT,
            user=self._user["username"],
            password=self._user["password"],
            database=self._user["database"],
            ssl=self._trust,
            timeout=5.0,
        )
        return session

    async def prepare(self, plan: Plan, leader: str) -> None:
        """Begin the run's logs, reach Services past the leader's node, and see to the operator."""
        await asyncio.to_thread(self.ground.await_fresh)
        for logs in self._logs:
            logs.begin()
        others = [node for node in self.ground.devcluster.nodes if node != self._addresses.pods[leader].node]
        self.ground.lead_services_by(others[plan.victim])
        if plan.operator_away:
            await asyncio.to_thread(self.ground.stop_operator)
        else:
            await asyncio.to_thread(self.ground.await_operator)

    async def darken(self, plan: Plan) -> None:
        """Stop the API server, unless the fault needs it."""
        if plan.api_away and not self.faults[plan.fault].asks:
            await asyncio.to_thread(self.ground.stop_api)

    async def lighten(self) -> int | None:
        """Start the API server again; return when it answered, in monotonic nanoseconds, None if it was there."""
        if not self.ground.api_away:
            return None
        await asyncio.to_thread(self.ground.start_api)
        returned = time.monotonic_ns()
        await asyncio.to_thread(self.ground.refresh)
        return returned

    def scene(self, plan: Plan, leader: str) -> clusterfaults.Scene:
        """Return what a fault is done to."""
        return clusterfaults.Scene(self.ground, leader, dict(self._addresses.pods), plan)

    async def restore(self) -> None:
        """Undo every fault that is still in force."""
        await asyncio.to_thread(self.ground.restore)

    def lines(self, since: float) -> list[phases.Line]:
        """Read the agents' logs from a moment on, seconds since the epoch."""
        return self._logs[0].lines(since)

    def keep_logs(self, folder: pathlib.Path) -> None:
        """Copy the logs of agents, operator and control plane, the events and the objects into a folder."""
        for logs in self._logs:
            logs.copy(folder)
        self.ground.keep_logs(folder)
        for name, arguments in LEFT_BEHIND:
            try:
                text = self.shop.kubectl(*arguments, timeout=30)
            except (InstallationError, subprocess.TimeoutExpired) as error:
                text = str(error)
            (folder / name).write_text(text)
